"""The CloudFormation templates: stack*.yaml is applied before the cluster, network.yaml after it."""

import hashlib
from dataclasses import dataclass
from typing import Any

from generator import paths
from generator.build import api_function, api_gateway, interruption, jinja, stack_layout
from generator.iam import policy, roles
from generator.solution import names
from generator.solution.model import Runtime, Solution

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


def files(solution: Solution) -> dict[str, str]:
    """The templates by file name, in the order in which they are applied; network.yaml needs the cluster."""
    code = api_function.joined(api_function.read(paths.root()), api_function.settings(solution))
    parts = stack_layout.parts(solution)
    context = _context(solution, code)
    texts = {
        part.file: jinja.render(
            "stack/stack.yaml.j2",
            **context,
            description=_description(solution, index, len(parts)),
            shared=part.file == stack_layout.MAIN_FILE,
            runtimes=[_runtime(solution, runtime) for runtime in part.runtimes],
        )
        for index, part in enumerate(parts)
    }
    description = f"The network of {solution.stack}"
    network = jinja.render("stack/network.yaml.j2", **context, description=description)
    return {**texts, stack_layout.NETWORK_FILE: network}


def _description(solution: Solution, index: int, count: int) -> str:
    part = f" (part {index + 1} of {count})" if count > 1 else ""
    return f"Queues, buckets, topics and HTTP API of {solution.stack}{part}"


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


@dataclass(frozen=True)
class _RuntimeContext:
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


def _runtime(solution: Solution, runtime: Runtime) -> _RuntimeContext:
    return _RuntimeContext(
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
        tags=_tag_list(solution.resource_tags(runtime)),
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
    return {
        "solution": solution,
        "names": names,
        "limits": _Limits(),
        "tags": _tag_list(solution.resource_tags()),
        "alarms_topic_arn": policy.arn(solution, "sns", names.alarms_topic(solution.stack)),
        "interruption_rules": interruption.rules(solution),
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
