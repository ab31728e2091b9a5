"""From the tasks of a trace and a solution to the question that the scaling model answers for a runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from generator.facts.facts import Facts
from generator.plan.model import NodeOption, Plan
from generator.scaling import whatif
from generator.scaling.policy import Delays, Policy
from generator.scaling.trace import TraceTask
from generator.scaling.whatif import Forecast, NodeKind
from generator.solution import scaling_settings
from generator.solution.defaults import Defaults
from generator.solution.model import Runtime, Solution


@dataclass(frozen=True)
class WhatIf:
    """What the user asks: a p95 in seconds. Measured: fields of Delays, and seconds of a picture by GPU."""

    p95: float | None = None
    delays: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """Everything that an answer needs, for all runtimes."""

    solution: Solution
    plan: Plan
    facts: Facts
    defaults: Defaults
    options: WhatIf


def runtimes(solution: Solution, tasks: Sequence[TraceTask]) -> list[Runtime]:
    """The runtimes that the trace has tasks of, in the order of the config."""
    names = {task.runtime for task in tasks}
    return [runtime for runtime in solution.runtimes if runtime.name in names]


def forecast(question: Question, runtime: Runtime, tasks: Sequence[TraceTask]) -> Forecast:
    """The policies for one runtime. Raises ValueError where the seconds of its pictures are not known."""
    option, kind = _nodes(question, runtime)
    usual = {**question.facts.prices.seconds_per_image, **question.options.seconds}.get(option.gpu_name)
    arrivals = []
    for task in tasks:
        if task.runtime == runtime.name:
            seconds = task.seconds or usual
            if seconds is None:
                reason = (
                    f"how long a picture takes on {option.instance_type} ({option.gpu_name}) is not known"
                )
                raise ValueError(f"{reason}: add the column seconds, or --seconds {option.gpu_name}=SECONDS")
            arrivals.append((task.at, seconds))
    policy = current(runtime, question.defaults)
    delays = _delays(question, runtime, kind.instance_type)
    return whatif.forecast(runtime.name, arrivals, policy, delays, node=kind, target=question.options.p95)


def _delays(question: Question, runtime: Runtime, instance_type: str) -> Delays:
    """The delays that the user measured, else those of the plan's cold start, else the usual ones."""
    starts = [item for item in question.plan.cold_starts if item.runtime == runtime.name]
    same = [item for item in starts if item.instance_type == instance_type]
    [stages, *_] = [*(one.starts[0].stages for one in [*same, *starts]), ()]
    seconds = {stage.name: stage.seconds for stage in stages if stage.seconds is not None}
    usual = Delays()
    start = seconds["start"] + seconds["model"] if {"start", "model"} <= seconds.keys() else usual.start
    planned = Delays(seconds.get("node", usual.node), seconds.get("image", usual.image), round(start, 1))
    return replace(planned, **question.options.delays)


def _nodes(question: Question, runtime: Runtime) -> tuple[NodeOption, NodeKind]:
    """The cheapest nodes that Karpenter may start, for each pod. Raises ValueError without any."""
    solution, facts = question.solution, question.facts
    prices = facts.prices.region_list(solution.region, solution.partition.name)
    planned = next(item for item in question.plan.runtimes if item.name == runtime.name)

    def hourly(option: NodeOption) -> float | None:
        return prices.instance(option.instance_type) if prices else None

    if not planned.options:
        raise ValueError(f"Karpenter can start no instance type for {runtime.name}")
    best = min(planned.options, key=lambda option: (hourly(option) or inf) / option.pods_per_node)
    known = facts.instance_type(best.instance_type)
    return best, NodeKind(best.instance_type, best.pods_per_node, known.gpus if known else 1, hourly(best))


def current(runtime: Runtime, defaults: Defaults) -> Policy:
    """The policy of the config; pods that `scaling.warm` keeps at some hours only are left out."""
    settings, scaling = scaling_settings.settings(runtime, defaults), runtime.scaling
    after = settings.consolidate_after
    return Policy(
        queue_length=settings.queue_length,
        cooldown=settings.cooldown,
        warm=scaling.min_replicas if scaling.enabled else 1,
        maximum=scaling.max_replicas if scaling.enabled else 1,
        polling=settings.polling,
        in_flight=settings.in_flight,
        stabilization=settings.stabilization,
        consolidate_after=inf if after is None else after,
    )
