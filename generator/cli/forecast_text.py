"""The forecast of `generator whatif` as text: a table, what it is for, and the settings to use."""

import argparse
import json
import math
import re
from collections.abc import Iterator, Sequence

from generator.cli import output
from generator.scaling.policy import Policy
from generator.scaling.whatif import Forecast, Row
from generator.solution.warm import WarmEntry

A_DAY = 24
_HOUR = re.compile(r"0 ([0-9]+) \* \* (\S+)")


def print_forecast(forecast: Forecast, args: argparse.Namespace) -> None:
    """Print the forecast of one runtime."""
    for line in _heading(forecast):
        print(line)
    columns = ["", "queueLength", "cooldownPeriod", "warm", "p50", "p95"]
    columns += [*_optional(forecast), "GPU hours", "cost", "pods started"]
    table = output.new_table(*columns, *(("in time",) if forecast.target is not None else ()))
    for row, label in _labeled(forecast):
        output.add_row(table, _cells(forecast, row, label))
    output.print_table(table, args)
    for line in _advice(forecast):
        print(line)
    print()


def _heading(forecast: Forecast) -> Iterator[str]:
    node, delays = forecast.node, forecast.delays
    tasks = f"{forecast.tasks} {'task' if forecast.tasks == 1 else 'tasks'}"
    yield (
        f"{forecast.runtime}: {tasks} in {forecast.hours:.2f} hours, on {node.instance_type};"
        f" cold start {delays.node + delays.image + delays.start:.0f} s and a check of the queue"
    )
    price = "unknown" if node.hourly is None else f"{node.hourly:g} an hour"
    about = f" ({node.about})" if node.about else ""
    interruptions = (
        f", {forecast.interruptions:.2%} of nodes interrupted in an hour" if node.market == "spot" else ""
    )
    yield f"price: {node.market}, {price}{about}{interruptions}"
    if forecast.shares_with:
        names = ", ".join(forecast.shares_with)
        yield f"GPU hours and cost are those of its node pool, shared with {names}"
    if forecast.assumed_start:
        yield "the trace has no dates: it is taken to start on a Monday at 00:00 UTC; set --start"


def _optional(forecast: Forecast) -> list[str]:
    """Columns that only some forecasts need."""
    return [
        *(["p95 high"] if any(row.high is not None for row in forecast.rows) else []),
        *(["interrupted"] if any(row.interrupted for row in forecast.rows) else []),
    ]


# The days of start and of end, and whether they are on the same one, of hours that a few words can name.
_DAYS = {("*", "*", True), ("*", "*", False), ("1-5", "1-5", True), ("1-5", "2-6", False)}


def _labeled(forecast: Forecast) -> Iterator[tuple[Row, str]]:
    best = forecast.recommended
    rows = list(forecast.rows)
    for number, row in enumerate(rows):
        labels = (["config"] if number == 0 else []) + (["recommended"] if row == best else [])
        yield row, ", ".join(labels)
    if best and best not in rows:
        yield best, "recommended"


def _cells(forecast: Forecast, row: Row, label: str) -> Sequence[str]:
    policy, optional = row.policy, _optional(forecast)
    cells = [label, str(policy.queue_length), f"{policy.cooldown:.0f} s", warm(policy)]
    cells += [_seconds(row.p50), _seconds(row.p95)]
    cells += ["–" if row.high is None else _seconds(row.high)] if "p95 high" in optional else []
    cells += [str(row.interrupted)] if "interrupted" in optional else []
    cells += [f"{row.gpu_hours:.2f}", "unknown" if row.cost is None else f"{row.cost:.2f}", str(row.pods)]
    return [*cells, *([f"{row.within:.0%}"] if row.within is not None else [])]


def _seconds(seconds: float) -> str:
    return "never" if math.isinf(seconds) else f"{seconds:.0f} s"


def warm(policy: Policy) -> str:
    """What is kept warm, in words: `1`, `2 pods 8-20 h`, `1 node`."""
    parts = [str(policy.warm)] if policy.warm or not policy.kept else []
    for entry in policy.kept:
        kept = [(entry.pods, "pod"), (entry.nodes, "node")]
        what = " + ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in kept if count)
        parts.append(f"{what}{_hours(entry)}")
    return ", ".join(parts)


def _hours(entry: WarmEntry) -> str:
    if entry.start is None or entry.end is None:
        return ""
    start, end = _HOUR.fullmatch(entry.start), _HOUR.fullmatch(entry.end)
    if start is None or end is None:
        return " at some hours"
    if (start[2], end[2], int(start[1]) < int(end[1])) not in _DAYS:
        return " at some hours"
    zone = "" if entry.timezone == "UTC" else f" in {entry.timezone}"
    return f" {start[1]}-{end[1]} h{'' if start[2] == '*' else ', Mon-Fri'}{zone}"


def _advice(forecast: Forecast) -> Iterator[str]:
    if forecast.target is None:
        return
    best, fastest = forecast.recommended, forecast.fastest
    if best is None:
        limit = f" of {_seconds(fastest.p95)}" if fastest else ""
        yield f"No policy has a p95 of {forecast.target:g} s; the smallest is one{limit}."
        yield "Raise maxReplicaCount, shorten the cold start (docs/cold-start.md), or use a faster GPU."
        return
    if best == forecast.rows[0]:
        yield f"The config has a p95 of {best.p95:.0f} s, and nothing that was compared is cheaper."
        return
    yield f"For a p95 of {forecast.target:g} s, set for {forecast.runtime}:"
    yield from settings(best.policy, scaled=forecast.scaled)
    if (best.policy.warm or best.policy.kept) and forecast.hours < A_DAY:
        counted = f"Counted for the {forecast.hours:.2f} hours of the trace"
        yield f"    # {counted}: what is kept warm costs the rest of the day too."


def settings(policy: Policy, *, scaled: bool) -> Iterator[str]:
    """The lines of a config for a policy. `scaled`: whether KEDA scales the runtime already."""
    yield "    extraValues:"
    yield "      runtime:"
    yield "        scaling:"
    if not scaled:
        yield "          enabled: true"
    yield f"          minReplicaCount: {policy.warm}"
    yield f"          queueLength: {policy.queue_length}"
    yield f"          cooldownPeriod: {policy.cooldown:.0f}"
    yield f"          warm:{'' if policy.kept else ' []'}"
    for entry in policy.kept:
        parts = [(key, count) for key, count in (("pods", entry.pods), ("nodes", entry.nodes)) if count]
        text = ", ".join(f"{key}: {count}" for key, count in parts)
        if entry.start is not None and entry.end is not None:
            text += f", timezone: {json.dumps(entry.timezone)}"
            text += f", start: {json.dumps(entry.start)}, end: {json.dumps(entry.end)}"
        yield f"            - {{{text}}}"
