"""From the tasks of a trace and a solution to the question that the scaling model answers for a runtime."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf

from generator.facts.facts import Facts
from generator.facts.prices import HOURS_A_MONTH, SpotFacts
from generator.plan.model import NodeOption, Plan
from generator.scaling import whatif
from generator.scaling.hours import Clock
from generator.scaling.policy import Arrival, Delays, Policy, Pool, Workload
from generator.scaling.trace import Trace
from generator.scaling.whatif import Case, Forecast, NodeKind
from generator.solution import capacity, scaling_settings
from generator.solution.capacity import RESERVED, Place
from generator.solution.cron import FIRST_DAY
from generator.solution.defaults import Defaults
from generator.solution.model import NodePool, Runtime, Solution

# Without dates, a trace starts on a Monday at midnight, UTC.
ASSUMED_START = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class WhatIf:
    """What the user asks: a p95 in seconds. Measured: fields of Delays, seconds of a picture by GPU.

    `spot`: prices of spot nodes per hour, by instance type. `interruptions`: percent of spot nodes in an
    hour. `start`: of a trace without dates, in seconds since 1970.
    """

    p95: float | None = None
    delays: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    spot: Mapping[str, float] = field(default_factory=dict)
    interruptions: float | None = None
    start: float | None = None


@dataclass(frozen=True)
class Question:
    """Everything that an answer needs, for all runtimes."""

    solution: Solution
    plan: Plan
    facts: Facts
    defaults: Defaults
    options: WhatIf
    trace: Trace

    def tasks_of(self, runtime: Runtime) -> bool:
        """Whether the trace has tasks of a runtime."""
        return any(task.runtime == runtime.name for task in self.trace.tasks)


def forecasts(question: Question) -> Iterator[Forecast]:
    """The runtimes that the trace has tasks of, in the order of the config.

    Raises ValueError where the seconds of their pictures are not known, or no node can be started.
    """
    pools = {runtime.name: pool for pool in question.solution.node_pools for runtime in pool.runtimes}
    for runtime in question.solution.runtimes:
        if question.tasks_of(runtime):
            yield _forecast(question, pools[runtime.name], runtime)


def _forecast(question: Question, pool: NodePool, runtime: Runtime) -> Forecast:
    kind, spot = _nodes(question, pool)
    workloads = tuple(_workload(question, one, kind) for one in pool.runtimes)
    index = [one.name for one in pool.runtimes].index(runtime.name)
    start = question.trace.start if question.options.start is None else question.options.start
    interruptions = _interruptions(question, kind, spot)
    case = Case(
        workloads,
        index,
        Pool(_most_nodes(question, pool, kind), interruptions, ASSUMED_START if start is None else start),
        replace(kind, pods=workloads[index].pods_per_node),
        Clock(start, next((one.timezone for one in runtime.scaling.warm if one.start), "UTC")),
        maximum=runtime.scaling.max_replicas,
        target=question.options.p95,
    )
    own, rows = case.own, whatif.rows(case)
    recommended, fastest = whatif.recommend(case, rows)
    return Forecast(
        runtime=runtime.name,
        tasks=len(own.arrivals),
        hours=round((own.arrivals[-1].at - own.arrivals[0].at) / 3600, 2),
        node=case.node,
        delays=own.delays,
        interruptions=interruptions,
        target=case.target,
        rows=rows,
        recommended=recommended,
        fastest=fastest,
        shares_with=tuple(one.name for one in pool.runtimes if one is not runtime),
        assumed_start=start is None and any(one.start for item in pool.runtimes for one in item.scaling.warm),
        scaled=runtime.scaling.enabled,
    )


def _workload(question: Question, runtime: Runtime, kind: NodeKind) -> Workload:
    option = next(one for one in _options(question, runtime) if one.instance_type == kind.instance_type)
    usual = {**question.facts.prices.seconds_per_image, **question.options.seconds}.get(option.gpu_name)
    arrivals = []
    for task in question.trace.tasks:
        if task.runtime == runtime.name:
            seconds = task.seconds or usual
            if seconds is None:
                reason = (
                    f"how long a picture takes on {option.instance_type} ({option.gpu_name}) is not known"
                )
                raise ValueError(f"{reason}: add the column seconds, or --seconds {option.gpu_name}=SECONDS")
            arrivals.append(Arrival(task.at, seconds, task.high and runtime.high_priority_queue is not None))
    return Workload(
        tuple(arrivals),
        current(runtime, question.defaults),
        _delays(question, runtime, kind.instance_type),
        option.pods_per_node,
        runtime.runtime_image.name,
    )


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


def _options(question: Question, runtime: Runtime) -> tuple[NodeOption, ...]:
    options = next(item for item in question.plan.runtimes if item.name == runtime.name).options
    if not options:
        raise ValueError(f"Karpenter can start no instance type for {runtime.name}")
    return options


def _nodes(question: Question, pool: NodePool) -> tuple[NodeKind, SpotFacts | None]:
    """The cheapest nodes for a pod that Karpenter may start for all runtimes of a pool, and spot of them."""
    solution = question.solution
    place = Place(question.facts.region(solution.region), solution.zones)
    markets = capacity.capacity_types(pool.nodes, place)
    others = [_options(question, one) for one in pool.runtimes[1:]]
    shared = [
        option
        for option in _options(question, pool.runtimes[0])
        if all(option.instance_type in {one.instance_type for one in more} for more in others)
    ]
    if not shared:
        raise ValueError(f"Karpenter can start no instance type for all runtimes of node pool {pool.name}")
    kinds = [(_kind(question, option, markets), option) for option in shared]
    [(kind, spot), _] = min(kinds, key=lambda pair: (pair[0][0].hourly or inf) / pair[1].pods_per_node)
    return kind, spot


def _kind(
    question: Question, option: NodeOption, markets: Sequence[str]
) -> tuple[NodeKind, SpotFacts | None]:
    """A type with its price on the market that Karpenter prefers: spot, where its price is known."""
    solution, prices = question.solution, question.facts.prices
    name, partition = option.instance_type, solution.partition.name
    listed = prices.region_list(solution.region, partition)
    hourly = listed.instance(name) if listed else None
    known = question.facts.instance_type(name)
    kind = NodeKind(name, option.pods_per_node, known.gpus if known else 1, hourly)
    # Reservations are used first, and paid whether they are used or not.
    if "spot" not in markets or (known and not known.spot):
        return replace(kind, market="reserved" if markets == (RESERVED,) else "on-demand"), None
    spot = prices.spot.of(solution.region, partition, name)
    if (given := question.options.spot.get(name)) is not None:
        return replace(kind, hourly=given, market="spot", about="--spot-price"), spot
    if spot is None or hourly is None:
        about = "the on-demand price, since none is known for spot: set it with --spot-price"
        return replace(kind, about=about), spot
    about = f"{spot.savings} % below on-demand on {prices.spot.date}"
    return replace(
        kind, hourly=round(hourly * (100 - spot.savings) / 100, 4), market="spot", about=about
    ), spot


def _interruptions(question: Question, kind: NodeKind, spot: SpotFacts | None) -> float:
    """How many interruptions a node has in an hour."""
    if kind.market != "spot":
        return 0.0
    if (given := question.options.interruptions) is not None:
        return given / 100
    return spot.interruptions / 100 / HOURS_A_MONTH if spot else 0.0


def _most_nodes(question: Question, pool: NodePool, kind: NodeKind) -> int | None:
    """How many nodes the limits of the pool allow; None without a limit."""
    known = question.facts.instance_type(kind.instance_type)
    return capacity.nodes_within_limits(known, pool.nodes) if known else None


def current(runtime: Runtime, defaults: Defaults) -> Policy:
    """The policy of the config."""
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
        kept=scaling.warm if scaling.enabled else (),
    )
