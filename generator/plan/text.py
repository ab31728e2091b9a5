"""Writes a plan as plan.md and plan.json."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from generator.plan import bar
from generator.plan.cold_start import STAGES
from generator.plan.model import (
    ColdStart,
    CostLine,
    ModelCopy,
    ModelLoad,
    NodeOption,
    NodePoolPlan,
    Plan,
    RuntimePlan,
    Start,
)
from generator.plan.plan import MODEL_LICENCES


def files(plan: Plan) -> dict[str, str]:
    """`plan.md` and `plan.json`."""
    return {"plan.md": markdown(plan), "plan.json": as_json(plan)}


def as_json(plan: Plan) -> str:
    """The plan as JSON text."""
    return json.dumps(as_data(plan), indent=2, ensure_ascii=False) + "\n"


def as_data(plan: Plan) -> dict[str, Any]:
    """The data of plan.json: totals have two decimals, amounts of lines four."""
    data = asdict(plan)
    data["cost"] |= {"idle_total": round(plan.cost.idle_total, 2), "unknown": list(plan.cost.unknown)}
    for line in [*data["cost"]["idle"], *data["cost"]["per_1000"], data["cost"]["requests"]]:
        line["amount"] = None if line["amount"] is None else round(line["amount"], 4)
    return data


def markdown(plan: Plan, *, bars: bool = True) -> str:
    """The plan as Markdown, with the cold starts of all runtimes unless `bars` is false."""
    cost = plan.cost
    parts = [
        f"# Plan of {plan.stack} in {plan.region}, EKS {plan.eks}",
        *plan.notes,
        "## GPU nodes at the maximum",
        "Karpenter takes the cheapest type that has capacity; each row is all pods on nodes of one type.",
        _table(("runtime", "pods", "instance type", "GPU", "nodes", "vCPUs"), _node_rows(plan.runtimes)),
        *_placeholders(plan.runtimes),
        *_shared_pools(plan.node_pools),
        *(cold_starts(plan.cold_starts) if bars else ()),
        "## Quotas that this needs",
        _table(
            ("quota", "code", "needed", "for"),
            [(n.quota.name, n.quota.code, _span(n.least, n.most), n.why) for n in plan.needs],
        ),
        "`generator preflight` compares them with the account. Where a runtime may use spot and on-demand,"
        " both count.",
        f"## Cost when idle: {cost.idle_total:,.2f} {cost.currency} a month{_without(cost.unknown)}",
        _cost_table(cost.idle, cost.currency),
        "## Cost of 1,000 pictures",
        _cost_table([*cost.per_1000, cost.requests], cost.currency),
        cost.note,
        *_model_loads(plan.model_loads),
        *_model_copies(plan.model_copies),
        "## Encryption at rest",
        _table(("data", "key"), [(row.data, row.key) for row in plan.encryption]),
        "## Licences",
        "\n".join(f"- {line}" for line in [*sorted({r.licence for r in plan.runtimes}), MODEL_LICENCES]),
        "## Resources",
        _table(("made by", "kind", "count"), [(r.made_by, r.kind, str(r.count)) for r in plan.resources]),
    ]
    return "\n\n".join(parts) + "\n"


def cold_starts(colds: Sequence[ColdStart]) -> Iterator[str]:
    """The section on cold starts: a stacked bar for each start, what it meets, and what shortens it."""
    if not colds:
        return
    yield "## Cold start: from a task to the first picture"
    yield "\n".join(["```", *_bars(colds), "```"])
    yield legend(colds[0])
    if advice := [line for cold in colds for line in advices(cold)]:
        yield "\n".join(advice)


def _bars(colds: Sequence[ColdStart]) -> Iterator[str]:
    most = bar.longest(colds)
    for cold in colds:
        yield heading(cold)
        for start in cold.starts:
            yield f"  {start.name:<11} {bar.plain(start.stages, most)} {total(start)}"


def heading(cold: ColdStart) -> str:
    """The runtime, its instance type, and how its images and its model come there."""
    model = {"direct": "model straight from S3", "mount": "model through the mount"}
    image = "" if cold.image == "unknown" else f", images by {cold.image}"
    way = model.get(cold.model, "model unknown")
    return f"{cold.runtime} on {cold.instance_type}{image}, {way} ({cold.model_gb:g} GB)"


def total(start: Start) -> str:
    """`53 s: meets the goal of 60 s`."""
    known = sum(stage.seconds or 0.0 for stage in start.stages)
    if start.seconds is None:
        unknown = ", ".join(STAGES[stage.name] for stage in start.stages if stage.seconds is None)
        return f"{bar.seconds(known)} and what is unknown: {unknown}"
    return f"{bar.seconds(start.seconds)}{'' if start.meets else ', over the goal'}"


def legend(cold: ColdStart) -> str:
    """What the letters mean, and the goal."""
    letters = ", ".join(f"{letter} {STAGES[name]}" for name, letter in bar.LETTERS.items())
    return (
        f"{letters}. The goal: {cold.goal_seconds} s, of which {cold.goal_model_seconds} s for the model."
        " A model whose `size` the config does not have counts as SDXL. The figures are measured and"
        " published ones, with their sources in docs/cold-start.md; `generator status --cold` measures"
        " real pods."
    )


def advices(cold: ColdStart) -> Iterator[str]:
    """A line for each key that shortens a start that does not meet the goal."""
    for one in cold.advice:
        saves = "" if one.saves is None else f" saves {bar.seconds(one.saves)}"
        yield f"- {cold.runtime}: `extraValues.{one.key}: {one.value}`{saves}"


def _node_rows(runtimes: Iterable[RuntimePlan]) -> list[tuple[str, ...]]:
    return [
        (runtime.name, _pods(runtime), *_node_row(option))
        for runtime in runtimes
        for option in runtime.options
    ]


def _pods(runtime: RuntimePlan) -> str:
    """The number of pods; with placeholders `20 + 1`."""
    return f"{runtime.pods} + {runtime.placeholders}" if runtime.placeholders else str(runtime.pods)


def _placeholders(runtimes: Iterable[RuntimePlan]) -> Iterator[str]:
    """A sentence where there are placeholders."""
    if any(runtime.placeholders for runtime in runtimes):
        yield "After the +: placeholders of `scaling.warm`, which keep further nodes ready."


def _shared_pools(pools: Iterable[NodePoolPlan]) -> Iterator[str]:
    """A sentence for each node pool of several runtimes."""
    for pool in pools:
        if len(pool.runtimes) > 1:
            names, pods = ", ".join(pool.runtimes), pool.pods
            yield (
                f"{names} share the node pool {pool.name}: at most {pods} pods of all of them together, since"
                " its limits are those of all nodes. The quotas below count no more nodes."
            )


def _node_row(option: NodeOption) -> tuple[str, ...]:
    return option.instance_type, option.gpu_name, str(option.nodes), str(option.vcpus)


def _model_loads(loads: Sequence[ModelLoad]) -> Iterator[str]:
    if not loads:
        return
    yield "## Loading of models"
    yield (
        "From S3 into GPU memory, at the peak bandwidth of the network card: docs/model-loading.md has the"
        " measurements. `direct` is downloaded while the image is pulled, `mount` is read when it is needed."
    )
    rows = [(one.runtime, one.path, _size(one.size), one.way, _seconds(one)) for one in loads]
    yield _table(("runtime", "file", "size", "way", "seconds"), rows)


def _size(size: int | None) -> str:
    return "unknown: set models[].size" if size is None else f"{size / 1e9:.2f} GB"


def _seconds(load: ModelLoad) -> str:
    if load.slowest is None or load.fastest is None:
        return "unknown"
    texts = f"{load.fastest:.1f}", f"{load.slowest:.1f}"
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def _model_copies(copies: Sequence[ModelCopy]) -> Iterator[str]:
    if copies:
        yield "## Models that `generator models pull` copies"
        rows = [
            (one.path, one.source, one.license or "named by the source", ", ".join(one.objects))
            for one in copies
        ]
        yield _table(("file", "from", "license", "to"), rows)


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _without(unknown: Sequence[str]) -> str:
    return f" and what is unknown: {', '.join(unknown)}" if unknown else ""


def _cost_table(lines: Iterable[CostLine], currency: str) -> str:
    rows = [
        (line.what, line.formula, "unknown" if line.amount is None else f"{line.amount:,.2f}")
        for line in lines
    ]
    return _table(("what", "formula", currency), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
