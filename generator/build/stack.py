"""The CloudFormation templates: stack*.yaml is applied before the cluster, the others after it."""

import hashlib
from dataclasses import dataclass
from typing import Any

from generator.build import api_gateway, api_keys, functions, identity, interruption, jinja, stack_layout
from generator.build.resources import logical_id, tag_list
from generator.iam import policy
from generator.solution import limits, names
from generator.solution.model import Queue, Runtime, Solution

SQS_MAX_VISIBILITY_SECONDS = 43_200


def files(solution: Solution) -> dict[str, str]:
    """The templates by file name, in the order in which they are applied."""
    parts = stack_layout.parts(solution)
    context = _context(solution)
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
    return {**texts, **_network(solution, context), **identity.files(solution)}


def _network(solution: Solution, context: dict[str, Any]) -> dict[str, str]:
    """The S3 gateway endpoint; an existing cluster has a network of its own."""
    if solution.existing_cluster:
        return {}
    description = f"The network of {solution.stack}"
    text = jinja.render("stack/network.yaml.j2", **context, description=description)
    return {stack_layout.NETWORK_FILE: text}


def _description(solution: Solution, index: int, count: int) -> str:
    part = f" (part {index + 1} of {count})" if count > 1 else ""
    return f"Queues, buckets, topics and HTTP API of {solution.stack}{part}"


@dataclass(frozen=True)
class _RuntimeContext:
    """The variables of one runtime in the templates."""

    id: str
    queue: Queue
    dead_letter_queue: Queue
    high_priority_queue: Queue | None
    visibility_timeout: int
    max_receive_count: int
    oldest_age: int
    filter_policy: dict[str, Any]
    bucket: str
    bucket_arn: str
    tags: list[dict[str, str]]


def _runtime(solution: Solution, runtime: Runtime) -> _RuntimeContext:
    return _RuntimeContext(
        id=logical_id(runtime.name),
        queue=runtime.queue,
        dead_letter_queue=runtime.dead_letter_queue,
        high_priority_queue=runtime.high_priority_queue,
        # The agent extends it while a task runs; this is for a task that is received by hand.
        visibility_timeout=min(
            runtime.task_timeout_seconds + limits.STORE_SECONDS, SQS_MAX_VISIBILITY_SECONDS
        ),
        # The agent counts attempts, and moves a task to the dead-letter queue itself, with the reason. A task
        # whose pods end, or whose runtime is away, is delivered much more often than it is tried.
        max_receive_count=limits.SQS_MAX_RECEIVE_COUNT,
        oldest_age=max(3600, 2 * runtime.task_timeout_seconds),
        filter_policy=_filter_policy(solution, runtime),
        bucket=runtime.output_bucket,
        bucket_arn=policy.bucket_arn(solution, runtime.output_bucket),
        tags=tag_list(solution.resource_tags(runtime)),
    )


def _filter_policy(solution: Solution, runtime: Runtime) -> dict[str, Any]:
    """The SNS filter policy of the runtime's queue: which messages of the requests topic it receives."""
    by_name = {"runtime": [runtime.name]}
    model = runtime.default_model
    # A v1alpha1 task names its model: only the first runtime with it receives the task, so it runs once.
    if model is None or runtime is not next(r for r in solution.runtimes if r.default_model == model):
        return by_name
    return {"$or": [by_name, {"sd_model_checkpoint": [model]}]}


def _context(solution: Solution) -> dict[str, Any]:
    """The variables of all templates."""
    return {
        "solution": solution,
        "names": names,
        "limits": limits,
        "tags": tag_list(solution.resource_tags()),
        "alarms_topic_arn": policy.arn(solution, "sns", names.alarms_topic(solution.stack)),
        "interruption_rules": interruption.rules(solution),
        "api_keys": api_keys.resources(solution),
        "functions": functions.functions(solution),
        "api": _api(solution),
    }


def _api(solution: Solution) -> dict[str, Any]:
    """The parts of the HTTP API. Their digest names the deployment, so that each change creates a new one."""
    cors = bool(solution.api.origins)
    methods = api_gateway.methods(cors=cors)
    parts = (api_gateway.RESOURCES, api_gateway.MODELS, methods, api_gateway.REFUSALS, cors)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
    refusals = [f"Api{refusal.id}" for refusal in api_gateway.REFUSALS]
    return {
        "resources": api_gateway.RESOURCES,
        "models": api_gateway.MODELS,
        "methods": methods,
        "cors": cors,
        "refusals": api_gateway.REFUSALS,
        "binary_types": api_gateway.BINARY_TYPES,
        "deployment": f"ApiDeployment{digest}",
        "deployed": [*(method.id for method in methods), *refusals],
        "log_format": api_gateway.log_format(),
        "invocation": api_gateway.invocation(solution.partition.name, solution.region),
    }
