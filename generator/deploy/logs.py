"""Reads the logs of a runtime: from CloudWatch Logs, or where they are not sent there, with kubectl."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from generator.aws import errors
from generator.deploy import account, eks, log_lines, runtimes
from generator.deploy.job import Job
from generator.deploy.log_lines import Line
from generator.errors import AwsError
from generator.solution import names
from generator.solution.model import Runtime

# kubectl reads at most five containers at a time, unless it is told otherwise; a runtime has four a pod.
MOST_CONTAINERS = 1000
_KUBECTL_LINE = re.compile(r"\[pod/(?P<pod>[^/]+)/(?P<container>[^\]]+)\] (?P<time>\S+) (?P<message>.*)")


@dataclass(frozen=True)
class Query:
    """Which lines to read: of one task or of all, and not older than `since`; None: all that are kept."""

    runtime: str
    task: str | None
    since: datetime | None


def read(job: Job, query: Query) -> list[Line]:
    """The lines, in the order of time. Raises AwsError, CredentialsError and RefusedError."""
    account.check(job)
    runtime = runtimes.named(job.solution, query.runtime)
    if job.solution.observability.logs.enabled:
        return _from_cloudwatch(job, runtime, query)
    lines = _from_cluster(job, runtime, query.since)
    if query.task is not None:
        return list(log_lines.of_task(lines, query.task))
    return sorted(lines, key=lambda line: line.time)


def _from_cloudwatch(job: Job, runtime: Runtime, query: Query) -> list[Line]:
    """Of a task: first the lines that name it, then all lines of those pods around them."""
    prefix = f"{names.LOG_STREAM_PREFIX}{runtime.namespace}.{runtime.name}-"
    since = {"startTime": _milliseconds(query.since)} if query.since else {}
    if query.task is None:
        return list(_events(job, runtime, prefix, since))
    # The quotes make it a term to find, not a pattern: an id may contain `-`.
    naming = list(_events(job, runtime, prefix, {**since, "filterPattern": f'"{query.task}"'}))
    lines: list[Line] = []
    for pod in sorted({line.pod for line in naming}):
        of_pod = [line for line in naming if line.pod == pod]
        times = {"startTime": _milliseconds(min(line.time for line in of_pod))}
        if log_lines.is_over(of_pod, query.task):
            times["endTime"] = _milliseconds(max(line.time for line in of_pod))
        stream = f"{names.LOG_STREAM_PREFIX}{runtime.namespace}.{pod}."
        lines += _events(job, runtime, stream, times)
    return list(log_lines.of_task(lines, query.task))


def _events(job: Job, runtime: Runtime, prefix: str, options: Mapping[str, Any]) -> Iterator[Line]:
    """The events of the runtime's log streams whose names begin with `prefix`. Raises AwsError."""
    group = job.solution.observability.logs.group
    # Another runtime's name may begin with this one's.
    stream_name = re.compile(
        rf"{re.escape(f'{names.LOG_STREAM_PREFIX}{runtime.namespace}.')}"
        rf"(?P<pod>{re.escape(runtime.name)}-[a-z0-9]+-[a-z0-9]+)\.(?P<container>[^.]+)"
    )
    try:
        pages = job.aws.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group, logStreamNamePrefix=prefix, **options):
            for row in page["events"]:
                stream = stream_name.fullmatch(row["logStreamName"])
                if stream and row["logStreamName"].startswith(prefix):
                    time = datetime.fromtimestamp(row["timestamp"] / 1000, UTC)
                    yield Line(time, stream["pod"], stream["container"], row["message"].rstrip("\n"))
    except errors.refusals() as error:
        if errors.code(error) == "ResourceNotFoundException":
            help = "`make cluster` creates it; to read from the pods, set observability.logs.enabled: false"
            raise AwsError(f"the log group {group} does not exist: {help}") from error
        raise errors.refused(error, f"the log group {group} could not be read") from error


def _milliseconds(time: datetime) -> int:
    """A time as CloudWatch Logs has it: milliseconds since 1970."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _from_cluster(job: Job, runtime: Runtime, since: datetime | None) -> list[Line]:
    """The lines of the pods that exist. Raises AwsError."""
    if eks.find(job) is None:
        raise AwsError(f"cluster {job.stack} does not exist: `make cluster` creates it")
    selector = f"app.kubernetes.io/instance={runtime.name},app.kubernetes.io/part-of={job.stack}"
    command = ["kubectl", "logs", "--namespace", runtime.namespace, "--selector", selector]
    # A container that has not started is no reason to show nothing of the others.
    command += ["--all-containers", "--ignore-errors", "--prefix", "--timestamps", "--tail=-1"]
    command += [f"--max-log-requests={MOST_CONTAINERS}"]
    command += [f"--since-time={log_lines.timestamp(since)}"] if since else []
    with tempfile.TemporaryDirectory(prefix="sd-on-eks-") as scratch:
        config = eks.kubeconfig(job, Path(scratch))
        answer = job.tools.answer(*command, "--kubeconfig", str(config))
    if answer.code:
        raise AwsError(f"`kubectl logs` failed: {answer.reason}")
    return parsed(answer.out.splitlines())


def parsed(texts: Sequence[str]) -> list[Line]:
    """The lines that `kubectl logs --prefix --timestamps` printed, without kubectl's own messages."""
    matches = (_KUBECTL_LINE.fullmatch(text) for text in texts)
    return [
        Line(_time(match["time"]), match["pod"], match["container"], match["message"])
        for match in matches
        if match
    ]


def _time(text: str) -> datetime:
    """A time of the kubelet; its nanoseconds are more than Python's parser takes."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
