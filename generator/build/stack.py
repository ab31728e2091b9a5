"""The CloudFormation templates: stack*.yaml comes before the cluster, network.yaml needs the cluster's VPC.

A runtime's resources must not wander between stacks when another runtime comes or goes: a stack that loses
them keeps queue and bucket, and the next stack could not make them. So which stack holds a runtime follows
from its name and from how many stacks there are, which changes only when one would be full.
"""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from generator.iam import roles, policy
from generator.solution import names
from generator import paths
from generator.build import api_gateway, api_function
from generator.solution.model import Runtime, Solution

if TYPE_CHECKING:
    from jinja2 import Environment

# CloudFormation takes 500 resources a stack; a runtime has 10, the shared part at most 48.
RUNTIMES_PER_STACK = 45
SQS_MAX_VISIBILITY_SECONDS = 43_200
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class _Limits:
    """How long things are kept."""

    # A task that is set aside by SQS keeps its age, so the dead-letter queue must keep longer than the queue.
    retention: int = 10 * DAY_SECONDS
    dead_letter_retention: int = 14 * DAY_SECONDS
    # Longer than a task can be in a queue and then in a dead-letter queue.
    task_record_days: int = 30
    log_days: int = 30
    untaken_minutes: int = 15


@dataclass(frozen=True)
class _Rule:
    """An EventBridge rule whose events Karpenter acts on."""

    id: str
    name: str
    source: str
    event: str


_RULES = (
    _Rule("HealthRule", "health", "aws.health", "AWS Health Event"),
    _Rule("SpotInterruptionRule", "spot", "aws.ec2", "EC2 Spot Instance Interruption Warning"),
    _Rule("RebalanceRule", "rebalance", "aws.ec2", "EC2 Instance Rebalance Recommendation"),
    _Rule("StateChangeRule", "state", "aws.ec2", "EC2 Instance State-change Notification"),
)
_RULE_SINCE_1_9 = _Rule(
    "CapacityReservationRule",
    "reservation",
    "aws.ec2",
    "EC2 Capacity Reservation Instance Interruption Warning",
)


def files(solution: Solution) -> dict[str, str]:
    """The templates by file name, in the order in which they are applied; network.yaml needs the cluster."""
    environment = _environment()
    code = api_function.joined(api_function.read(paths.root() / "api"), api_function.settings(solution))
    shards = _shards(solution.runtimes)
    context = _context(solution, code)
    texts = {
        _file(index): environment.get_template("stack.yaml.j2").render(
            context,
            description=_description(solution, index, len(shards)),
            shared=index == 0,
            runtimes=[_parts(solution, runtime) for runtime in shard],
        )
        for index, shard in enumerate(shards)
    }
    network = environment.get_template("network.yaml.j2")
    texts["network.yaml"] = network.render(context, description=f"The network of {solution.stack}")
    return texts


def stack_name(solution: Solution, file: str) -> str:
    """The name of the CloudFormation stack that a file of `files` describes."""
    return solution.stack + file.removesuffix(".yaml").removeprefix("stack").replace("network", "-network")


def tags(solution: Solution, runtime: Runtime | None = None) -> dict[str, str]:
    """The tags of every resource: the user's, and whose it is."""
    ours = {names.STACK_TAG: solution.stack}
    return {**solution.tags, **ours, **({names.RUNTIME_TAG: runtime.name} if runtime else {})}


def _shards(runtimes: Sequence[Runtime]) -> list[list[Runtime]]:
    """The runtimes of each stack: all in the first, or spread by name over a power of two that has room."""
    count = 1
    while max(Counter(_shard(runtime, count) for runtime in runtimes).values()) > RUNTIMES_PER_STACK:
        count *= 2
    return [[runtime for runtime in runtimes if _shard(runtime, count) == index] for index in range(count)]


def _shard(runtime: Runtime, count: int) -> int:
    # Python's own hash() differs from run to run.
    return zlib.crc32(runtime.name.encode()) % count


def _file(index: int) -> str:
    return "stack.yaml" if index == 0 else f"stack-{index + 1:02}.yaml"


def _description(solution: Solution, index: int, count: int) -> str:
    part = f" (part {index + 1} of {count})" if count > 1 else ""
    return f"Queues, buckets, topics and HTTP API of {solution.stack}{part}"


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


@dataclass(frozen=True)
class _Parts:
    """What the templates need of one runtime."""

    id: str
    queue_name: str
    queue_arn: str
    dead_letter_queue_name: str
    dead_letter_queue_arn: str
    visibility_timeout: int
    max_receive_count: int
    oldest_age: int
    filter_policy: dict[str, Any]
    bucket: str
    bucket_arn: str
    tags: list[dict[str, str]]


def _parts(solution: Solution, runtime: Runtime) -> _Parts:
    return _Parts(
        id=_logical(runtime.name),
        queue_name=runtime.queue_name,
        queue_arn=runtime.queue_arn,
        dead_letter_queue_name=runtime.dead_letter_queue_name,
        dead_letter_queue_arn=runtime.dead_letter_queue_arn,
        # The agent extends it while it works; this is for whoever takes a task by hand.
        visibility_timeout=min(runtime.task_timeout_seconds + 60, SQS_MAX_VISIBILITY_SECONDS),
        # The agent sets a task aside itself, with the reason; this is for tasks that end every agent.
        max_receive_count=runtime.max_attempts + 3,
        oldest_age=max(3600, 2 * runtime.task_timeout_seconds),
        filter_policy=_filter(solution, runtime),
        bucket=runtime.output_bucket,
        bucket_arn=policy.bucket_arn(solution, runtime.output_bucket),
        tags=_tag_list(tags(solution, runtime)),
    )


def _logical(name: str) -> str:
    """A logical id: letters and digits only, and different for different names, which are in lower case."""
    return name.replace("-", "Dash")


def _filter(solution: Solution, runtime: Runtime) -> dict[str, Any]:
    """Which messages of the requests topic go to this runtime's queue."""
    by_name = {"runtime": [runtime.name]}
    if first_with_model(solution, runtime.model_filename) is not runtime:
        return by_name
    return {"$or": [by_name, {"sd_model_checkpoint": [runtime.model_filename]}]}


def first_with_model(solution: Solution, model: str | None) -> Runtime | None:
    """The static SD WebUI that a v1alpha1 task for this model goes to: only one, lest it be done twice."""
    fitting = (
        runtime
        for runtime in solution.runtimes
        if runtime.type == "sdwebui" and not runtime.dynamic_model and runtime.model_filename == model
    )
    return next(fitting, None)


def _context(solution: Solution, code: str) -> dict[str, Any]:
    """What all templates share."""
    rules = _RULES if policy.version(solution.versions.karpenter) < (1, 9) else (*_RULES, _RULE_SINCE_1_9)
    return {
        "solution": solution,
        "names": names,
        "limits": _Limits(),
        "tags": _tag_list(tags(solution)),
        "alarms_topic_arn": policy.arn(solution, "sns", names.alarms_topic(solution.stack)),
        "interruption_rules": rules,
        "function": {
            "name": names.api(solution.stack),
            "policy": roles.api_function(solution),
            "code": code,
        },
        "api": _api(),
    }


def _api() -> dict[str, Any]:
    """The parts of the HTTP API; its deployment is named by them, so that a change makes another."""
    parts = (api_gateway.RESOURCES, api_gateway.MODELS, api_gateway.METHODS, api_gateway.REFUSALS)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
    refusals = [f"Api{refusal.id}" for refusal in api_gateway.REFUSALS]
    return {
        "resources": api_gateway.RESOURCES,
        "models": api_gateway.MODELS,
        "methods": api_gateway.METHODS,
        "refusals": api_gateway.REFUSALS,
        "deployment": f"ApiDeployment{digest}",
        "deployed": [*(method.id for method in api_gateway.METHODS), *refusals],
        "log_format": api_gateway.log_format(),
    }


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - `validate` starts without it

    environment = Environment(
        loader=FileSystemLoader(paths.root() / "cluster" / "stack"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - YAML, not HTML; user's text goes through `json`
        keep_trailing_newline=True,
    )
    environment.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment
