"""What is kept warm: entries of `scaling.warm`, their hours and their time zones."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, provisioner, rule
from generator.facts.quantity import parse
from generator.solution import cron, names, warm
from generator.solution.cron import FIRST_DAY, MINUTES_A_DAY, Cron


def _scaling(runtime: ConfigNode) -> ConfigNode:
    return runtime.at("extraValues", "runtime", "scaling")


def _entries(runtime: ConfigNode) -> Iterator[ConfigNode]:
    for entry in _scaling(runtime).at("warm").items():
        if isinstance(entry.value, dict):
            yield entry


@dataclass(frozen=True)
class _Hours:
    """The hours of an entry: both expressions, where they can be read."""

    start: Cron
    end: Cron


def _read(node: ConfigNode) -> Cron | str:
    """The expression of a node, or what is wrong with it."""
    try:
        return cron.parse(node.text() or "")
    except ValueError as error:
        return str(error)


def _hours(entry: ConfigNode) -> _Hours | None:
    start, end = (_read(entry.at(key)) for key in ("start", "end"))
    return _Hours(start, end) if isinstance(start, Cron) and isinstance(end, Cron) else None


@rule("SD407")
def warm_entries_are_complete(case: Case) -> Iterator[Finding]:
    """An entry of scaling.warm keeps pods or nodes; pods need start and end, which belong together."""
    for runtime in case.runtimes:
        for entry in _entries(runtime):
            pods, nodes = entry.at("pods").whole(), entry.at("nodes").whole()
            start, end = entry.at("start"), entry.at("end")
            if pods == 0 and nodes == 0:
                yield Finding(entry, "it keeps nothing warm", "set pods or nodes, or remove the entry")
            elif start.given != end.given:
                missing, given = ("end", start) if start.given else ("start", end)
                yield Finding(given, f"there is no {missing}", f"set {missing} too, or remove {given.key}")
            elif pods and not start.given:
                help = f"set start and end, or instead of the entry scaling.minReplicaCount: {pods}"
                yield Finding(entry.at("pods"), "pods without hours", help)


@rule("SD408")
def warm_hours_are_cron_expressions(case: Case) -> Iterator[Finding]:
    """start and end are cron expressions of five fields, without seconds, time zone and `@daily`."""
    for runtime in case.runtimes:
        for entry in _entries(runtime):
            for node in (entry.at("start"), entry.at("end")):
                if not node.given or not isinstance(node.value, str):
                    continue
                expression = _read(node)
                help = "write minute, hour, day of month, month and day of week, such as 0 8 * * 1-5"
                if isinstance(expression, str):
                    yield Finding(node, f"not a cron expression: {expression}", help)
                elif not expression.minutes():
                    message = "this day does not exist, or not in every year"
                    yield Finding(node, message, "choose a day that every year has")


@rule("SD409")
def warm_hours_end(case: Case) -> Iterator[Finding]:
    """start and end alternate: for KEDA, hours last from the last start before an end to the last end."""
    for runtime in case.runtimes:
        for entry in _entries(runtime):
            hours = _hours(entry)
            if hours is None or not (hours.start.minutes() and hours.end.minutes()):
                continue
            if hours.start.minutes() == hours.end.minutes():
                help = "set the time at which the hours end"
                yield Finding(entry.at("end"), "start and end are at the same times", help)
            elif twice := warm.repeated(hours.start, hours.end):
                yield _not_alternating(entry, twice)


def _not_alternating(entry: ConfigNode, twice: warm.Repeated) -> Finding:
    first, second = _day_and_time(twice.first), _day_and_time(twice.second)
    help = "write both for the same days, or one entry for each part of the hours"
    if twice.starts:
        message = f"after {first} it starts again at {second}, before an end: KEDA begins only there"
        return Finding(entry.at("start"), message, help)
    message = f"after {first} it ends again at {second}, before a start: KEDA keeps pods and nodes until then"
    return Finding(entry.at("end"), message, help)


def _day_and_time(minute: int) -> str:
    """`Monday 08:00`."""
    day, time = divmod(minute, MINUTES_A_DAY)
    return f"{FIRST_DAY + timedelta(day):%A} {time // 60:02}:{time % 60:02}"


@rule("SD410")
def warm_pods_are_not_above_the_maximum(case: Case) -> Iterator[Finding]:
    """An entry of scaling.warm cannot keep more pods than maxReplicaCount."""
    for runtime in case.runtimes:
        maximum = _scaling(runtime).at("maxReplicaCount").whole()
        for entry in _entries(runtime):
            pods = entry.at("pods")
            count = pods.whole()
            if count is not None and maximum is not None and count > maximum:
                message = f"{count} pods are above maxReplicaCount {maximum}"
                yield Finding(pods, message, "lower pods or raise maxReplicaCount")


@rule("SD411")
def time_zones_exist(case: Case) -> Iterator[Finding]:
    """The time zone of an entry of scaling.warm is a name of the IANA database, such as Europe/Berlin."""
    for runtime in case.runtimes:
        for entry in _entries(runtime):
            node = entry.at("timezone")
            name = node.text()
            if name is None or name in case.facts.time_zones:
                continue
            yield Finding(node, f"there is no time zone {name!r}", _zone_help(name, case.facts.time_zones))


def _zone_help(name: str, zones: tuple[str, ...]) -> str:
    by_name = {zone.lower(): zone for zone in zones}
    by_city = {zone.rpartition("/")[2].lower(): zone for zone in zones}
    text = name.lower().replace(" ", "_")
    if text in by_city:
        return f"did you mean {by_city[text]}?"
    if offset := re.fullmatch(r"(?:utc|gmt)([+-])([0-9]{1,2})", text):
        # The names of POSIX count to the west.
        sign = "-" if offset[1] == "+" else "+"
        return f"did you mean Etc/GMT{sign}{int(offset[2])}, which has no summer time?"
    close = difflib.get_close_matches(text, [name for name in by_name if "/" in name], n=1, cutoff=0.8)
    return f"did you mean {by_name[close[0]]}?" if close else "write a name such as Europe/Berlin, or UTC"


@rule("SD412")
def warm_needs_keda(case: Case) -> Iterator[Finding]:
    """scaling.warm has no effect with scaling.enabled: false."""
    for runtime in case.runtimes:
        scaling = _scaling(runtime)
        if scaling.at("enabled").flag() is False:
            for entry in _entries(runtime):
                help = "remove the entry, or set enabled to true"
                yield Finding(entry, "scaling.enabled is false, so KEDA keeps nothing warm", help)


@rule("SD413", WARNING)
def warm_pods_are_above_the_minimum(case: Case) -> Iterator[Finding]:
    """Pods of scaling.warm that minReplicaCount keeps anyway change nothing."""
    for runtime in case.runtimes:
        minimum = _scaling(runtime).at("minReplicaCount").whole() or 0
        for entry in _entries(runtime):
            pods = entry.at("pods")
            count = pods.whole()
            if count and count <= minimum:
                message = f"minReplicaCount keeps {minimum} pods at all times"
                yield Finding(pods, message, "raise pods, or lower minReplicaCount")


@rule("SD414", WARNING)
def limits_leave_room_for_what_is_warm(case: Case) -> Iterator[Finding]:
    """resourceLimits should allow what scaling.warm keeps: placeholders above it stay pending."""
    for pool in case.pools:
        limit = provisioner(pool.runtime).at("resourceLimits", "nvidia.com/gpu")
        gpus = parse(limit.value)
        for entry in _entries(pool.runtime):
            pods, nodes = entry.at("pods").whole(), entry.at("nodes").whole()
            if gpus is None or (not pods and not nodes):
                continue
            need = ((pods or 0) + (nodes or 0)) * pool.pod.gpus
            if need > gpus:
                message = f"what it keeps needs {need} GPUs; resourceLimits allows {gpus:f}"
                yield Finding(entry, message, "raise the limit, or lower pods and nodes")


@rule("SD415")
def placeholders_are_no_other_runtime(case: Case) -> Iterator[Finding]:
    """A runtime cannot have the name of the placeholders of another one."""
    runtimes = {runtime.at("name").text(): runtime for runtime in case.runtimes}
    for name, runtime in runtimes.items():
        kept = any(entry.at("nodes").whole() for entry in _entries(runtime))
        other = runtimes.get(names.placeholder(name)) if name and kept else None
        if other is not None:
            message = f"the placeholders of {name} have this name"
            yield Finding(other.at("name"), message, "choose another name")
