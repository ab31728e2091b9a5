"""`generator logs`: the lines of a runtime and of a task, from CloudWatch Logs or from the pods."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from generator.cli import main
from generator.deploy import log_lines, logs, steps
from generator.deploy.job import RefusedError
from generator.deploy.log_lines import Line
from generator.deploy.logs import Query
from generator.errors import AwsError, Exit
from testing.account import Account, write_config
from tests.deploy.conftest import Bench, MakeBench

POD, OTHER = "one-6c9f7d5b8d-abcde", "one-6c9f7d5b8d-fghij"
GROUP = "/sd-on-eks/demo/pods"
OFF = {"observability": {"logs": {"enabled": False}}}


def agent(event: str, task: str) -> str:
    return json.dumps({"time": "…", "level": "info", "event": event, "task": task, "runtime": "one"})


# What two pods wrote, one line a second: (pod, container, message).
STORY = [
    (POD, "runtime", "loading the model"),
    (POD, "queue-agent", agent("task started", "cat")),
    (OTHER, "queue-agent", agent("task started", "dog")),
    (POD, "runtime", "cat: 50 %"),
    (OTHER, "runtime", "dog: 50 %"),
    (POD, "queue-agent", agent("task started", "bird")),
    (POD, "runtime", "bird: 50 %"),
    (POD, "queue-agent", agent("task ended", "cat")),
    (POD, "runtime", "bird: 100 %"),
    (POD, "queue-agent", agent("task ended", "bird")),
    (POD, "runtime", "idle"),
    (OTHER, "queue-agent", agent("task returned to the queue", "dog")),
    (OTHER, "runtime", "CUDA error"),
]
OF_CAT = [agent("task started", "cat"), "cat: 50 %", agent("task ended", "cat")]


def story(start: datetime) -> list[Line]:
    return [Line(start + timedelta(seconds=n), *row) for n, row in enumerate(STORY)]


def messages(lines: list[Line]) -> list[str]:
    return [line.message for line in lines]


def test_a_tasks_lines_are_the_agents_about_it_and_the_runtimes_while_it_ran() -> None:
    lines = story(datetime(2026, 11, 26, tzinfo=UTC))

    assert messages(list(log_lines.of_task(lines, "cat"))) == OF_CAT
    assert messages(list(log_lines.of_task(reversed(lines), "cat"))) == OF_CAT
    assert "bird: 100 %" in messages(list(log_lines.of_task(lines, "bird")))
    assert "CUDA error" not in messages(list(log_lines.of_task(lines, "dog")))


def test_a_line_that_looks_like_the_agents_names_no_task() -> None:
    start = datetime(2026, 11, 26, tzinfo=UTC)
    fakes = [
        Line(start, POD, "runtime", agent("task started", "cat")),
        Line(start, POD, "queue-agent", "{not json"),
        Line(start, POD, "queue-agent", "Traceback (most recent call last):"),
    ]

    assert list(log_lines.of_task(fakes, "cat")) == []


@pytest.mark.parametrize("event", [log_lines.STARTED, *sorted(log_lines.ENDED)])
def test_the_agent_writes_the_events_that_begin_and_end_a_task(event: str) -> None:
    flow = Path(__file__).resolve().parents[2] / "agent" / "queue_agent" / "flow"
    texts = [path.read_text("utf-8") for path in flow.glob("*.py")]

    assert any(f'("{event}", extra={{**job.log_fields()' in text for text in texts) or any(
        f'("{event}", extra=job.log_fields()' in text for text in texts
    )


def test_what_kubectl_prints_is_read_with_its_nanoseconds() -> None:
    texts = [
        f"[pod/{POD}/queue-agent] 2026-11-26T12:00:00.123456789Z {agent('task started', 'cat')}",
        f"[pod/{POD}/runtime] 2026-11-26T12:00:01Z a [pod/x/y] line",
        f"[pod/{POD}/runtime] 2026-11-26T12:00:02.5Z ",
        'error: container "runtime" in pod "one-x-y" is waiting to start: ContainerCreating',
    ]

    lines = logs.parsed(texts)

    assert [str(line)[:24] for line in lines] == [
        "2026-11-26T12:00:00.123Z",
        "2026-11-26T12:00:01.000Z",
        "2026-11-26T12:00:02.500Z",
    ]
    assert [line.message for line in lines[1:]] == ["a [pod/x/y] line", ""]


@pytest.fixture
def deployed(bench: MakeBench) -> Bench:
    """A stack with its log group."""
    bench_job = bench("one")
    steps.run(bench_job.job, ["stack"])
    return bench_job


def put(account: Account, pod: str, container: str, events: list[tuple[datetime, str]]) -> None:
    """Write as Fluent Bit does."""
    client, stream = account.client("logs"), f"pods/default.{pod}.{container}"
    client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    rows = [{"timestamp": int(moment.timestamp() * 1000), "message": text} for moment, text in events]
    client.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=rows)


def put_story(account: Account, start: datetime) -> None:
    lines = story(start)
    for pod, container in sorted({(line.pod, line.container) for line in lines}):
        events = [(one.time, one.message) for one in lines if (one.pod, one.container) == (pod, container)]
        put(account, pod, container, events)


def test_a_task_is_found_in_cloudwatch_after_its_pod_is_gone(deployed: Bench, account: Account) -> None:
    put_story(account, datetime.now(UTC) - timedelta(days=3))

    lines = logs.read(deployed.job, Query("one", "cat", None))

    assert messages(lines) == OF_CAT
    assert {line.pod for line in lines} == {POD}
    assert [call for call in deployed.calls if "kubectl" in call] == []


def test_lines_of_all_tasks_begin_where_since_says(deployed: Bench, account: Account) -> None:
    now = datetime.now(UTC)
    put(account, POD, "runtime", [(now - timedelta(hours=2), "old"), (now - timedelta(minutes=5), "new")])

    assert messages(logs.read(deployed.job, Query("one", None, now - timedelta(hours=1)))) == ["new"]
    assert messages(logs.read(deployed.job, Query("one", None, None))) == ["old", "new"]


def test_a_runtime_whose_name_begins_alike_is_another_one(bench: MakeBench, account: Account) -> None:
    bench_job = bench("one", "one-large")
    steps.run(bench_job.job, ["stack"])
    now = datetime.now(UTC)
    for pod in (POD, "one-large-6c9f7d5b8d-abcde"):
        put(account, pod, "runtime", [(now, pod)])

    assert messages(logs.read(bench_job.job, Query("one", None, None))) == [POD]
    assert messages(logs.read(bench_job.job, Query("one-large", None, None))) == [
        "one-large-6c9f7d5b8d-abcde"
    ]


def test_without_a_log_group_the_command_that_creates_it_is_named(bench: MakeBench) -> None:
    with pytest.raises(AwsError, match="does not exist: `make cluster` creates it"):
        logs.read(bench("one").job, Query("one", None, None))


def test_an_unknown_runtime_is_refused_with_those_that_are_there(deployed: Bench) -> None:
    with pytest.raises(RefusedError, match="no runtime two: it has one"):
        logs.read(deployed.job, Query("two", None, None))


def from_pods(bench: MakeBench) -> Bench:
    bench_job = bench("one", **OFF)
    bench_job.creates_cluster("1.34")
    steps.run(bench_job.job, ["stack", "cluster"])
    return bench_job


@pytest.mark.thorough
def test_without_cloudwatch_the_pods_are_read(bench: MakeBench, tmp_path: Path) -> None:
    bench_job = from_pods(bench)
    printed = tmp_path / "printed"
    lines = story(datetime(2026, 11, 26, tzinfo=UTC))
    texts = [
        f"[pod/{one.pod}/{one.container}] {one.time:%Y-%m-%dT%H:%M:%S.%f}Z {one.message}" for one in lines
    ]
    printed.write_text("\n".join(texts))
    bench_job.when("kubectl logs", f"cat {printed}")

    assert messages(logs.read(bench_job.job, Query("one", "cat", None))) == OF_CAT
    assert len(logs.read(bench_job.job, Query("one", None, datetime(2026, 11, 26, tzinfo=UTC)))) == len(STORY)
    assert "--since-time=2026-11-26T00:00:00.000Z" in bench_job.calls[-1]
    assert "app.kubernetes.io/instance=one,app.kubernetes.io/part-of=demo" in bench_job.calls[-1]


def test_why_kubectl_fails_is_said(bench: MakeBench) -> None:
    bench_job = from_pods(bench)
    bench_job.when("kubectl logs", "echo 'error: You must be logged in to the server' >&2; exit 1")

    with pytest.raises(AwsError, match="You must be logged in"):
        logs.read(bench_job.job, Query("one", None, None))


def test_without_a_cluster_there_are_no_pods_to_read(bench: MakeBench) -> None:
    with pytest.raises(AwsError, match="cluster demo does not exist"):
        logs.read(bench("one", **OFF).job, Query("one", None, None))


Lines = list[dict[str, Any]]


@pytest.fixture
def config(deployed: Bench, account: Account, tmp_path: Path) -> str:
    return str(write_config(tmp_path, account, {"name": "one", "type": "comfyui"}))


def test_the_command_prints_json_for_programs(
    config: str, account: Account, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    put_story(account, datetime.fromtimestamp(int(time.time()) - 86400, UTC))

    assert main.main(["logs", config, "one", "--task", "cat", "--format", "json"]) == Exit.DONE

    rows: Lines = json.loads(capsysbinary.readouterr().out)
    assert [row["message"] for row in rows] == OF_CAT
    assert rows[1] == {"time": rows[1]["time"], "pod": POD, "container": "runtime", "message": "cat: 50 %"}


def test_the_command_looks_back_an_hour(
    config: str, account: Account, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    now = datetime.now(UTC)
    put(account, POD, "runtime", [(now - timedelta(hours=2), "old"), (now - timedelta(minutes=5), "new")])

    assert main.main(["logs", config, "one"]) == Exit.DONE
    [line] = capsysbinary.readouterr().out.decode().splitlines()
    assert line.endswith(f" {POD} runtime new")
    assert main.main(["logs", config, "one", "--since", "3h"]) == Exit.DONE
    assert len(capsysbinary.readouterr().out.decode().splitlines()) == 2


def test_a_task_without_a_line_is_a_failed_check(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["logs", config, "one", "--task", "nobody"]) == Exit.CONFIG
    assert "no line of task nobody" in capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.parametrize("text", ["", "1", "h", "1.5h", "-1h", "1y", "9999999d"])
def test_a_time_that_is_none_is_refused(config: str, text: str) -> None:
    with pytest.raises(SystemExit):
        main.main(["logs", config, "one", f"--since={text}"])


def test_an_unknown_runtime_is_the_users_mistake(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["logs", config, "two"]) == Exit.CONFIG
    assert "it has one" in capsys.readouterr().err
