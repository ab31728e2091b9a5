"""How pods started: stages from the objects of the cluster, its events and the logs of the agents."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from generator import yaml_loader
from generator.cli import main
from generator.deploy import cold
from generator.deploy.cold import PodStart
from generator.deploy.log_lines import Line
from generator.errors import AwsError, Exit
from testing.account import Account, write_config
from tests.deploy.conftest import MakeBench


def at(seconds: float) -> str:
    """A time of Kubernetes, so many seconds after the pod was created."""
    return datetime.fromtimestamp(1_800_000_000 + seconds, UTC).isoformat().replace("+00:00", "Z")


def pod(**status: Any) -> dict[str, Any]:
    """A pod that was scheduled after 41 s, whose container started after 58 s."""
    conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(41)}]
    running = {"name": "runtime", "restartCount": 0, "state": {"running": {"startedAt": at(58)}}}
    return {
        "metadata": {
            "name": "one-5d-x",
            "namespace": "default",
            "uid": "u-1",
            "creationTimestamp": at(0),
            "labels": {"app.kubernetes.io/instance": "one"},
        },
        "spec": {"nodeName": "ip-10-0-0-1"},
        "status": {"conditions": conditions, "containerStatuses": [running], **status},
    }


def claim(created: float = 2, node: str = "ip-10-0-0-1") -> dict[str, Any]:
    return {
        "metadata": {
            "creationTimestamp": at(created),
            "labels": {"node.kubernetes.io/instance-type": "g5.xlarge"},
        },
        "status": {"nodeName": node},
    }


def event(reason: str, seconds: float, uid: str = "u-1", container: str = "runtime") -> dict[str, Any]:
    about = {"kind": "Pod", "uid": uid, "fieldPath": f"spec.containers{{{container}}}"}
    return {"reason": reason, "involvedObject": about, "firstTimestamp": at(seconds), "eventTime": None}


def line(after: float, event: str, container: str = "queue-agent", **fields: Any) -> Line:
    time = datetime.fromtimestamp(1_800_000_000 + after, UTC)
    return Line(time, "one-5d-x", container, json.dumps({"event": event, **fields}))


EVENTS = [
    event("Pulling", 42),
    event("Pulled", 50, container="queue-agent"),
    event("Pulled", 9, uid="u-2"),
    event("Pulled", 57),
]
LINES = [
    line(45, "agent started"),
    line(60, "model is here", "model-loader", seconds=6.1),
    line(88, "the runtime is ready"),
    line(99.5, "task ended", task="a", status="completed"),
    line(200, "the runtime is ready"),
    line(220, "task ended", task="b"),
]


def seconds(start: PodStart) -> dict[str, float | None]:
    return {stage.name: stage.seconds for stage in start.stages}


def test_the_stages_of_a_pod_on_a_new_node() -> None:
    start = cold.pod_start(pod(), [claim(node="other"), claim()], EVENTS, LINES)

    assert seconds(start) == {"node": 41, "image": 16, "start": 31, "picture": 11.5}
    assert start.seconds == 99.5
    assert (start.instance_type, start.new_node, start.download_seconds) == ("g5.xlarge", True, 6.1)


def test_a_node_that_was_there_is_no_new_one() -> None:
    assert cold.pod_start(pod(), [claim(-300)], EVENTS, LINES).new_node is False
    assert cold.pod_start(pod(), [], EVENTS, LINES).new_node is None


@pytest.mark.parametrize(
    ("status", "ready", "new"),
    [("True", 40, True), ("True", -5, False), ("Unknown", -30, True), ("False", -30, True)],
)
def test_a_node_that_was_on_its_way_for_other_pods_is_a_new_one(status: str, ready: float, new: bool) -> None:
    one = claim(-30)
    one["status"]["conditions"] = [{"type": "Initialized", "status": status, "lastTransitionTime": at(ready)}]

    assert cold.pod_start(pod(), [one], EVENTS, LINES).new_node is new


def test_without_events_the_start_of_the_container_ends_the_pull() -> None:
    start = cold.pod_start(pod(), [claim()], [], LINES)

    assert (seconds(start)["image"], seconds(start)["start"]) == (17, 30)


def test_stages_that_are_not_over_have_no_seconds() -> None:
    waiting = pod(conditions=[{"type": "PodScheduled", "status": "False", "lastTransitionTime": at(1)}])
    waiting["spec"] = {}
    waiting["status"]["containerStatuses"] = []

    start = cold.pod_start(waiting, [claim()], [], [])

    assert set(seconds(start).values()) == {None}
    assert (start.seconds, start.node, start.new_node) == (None, "", None)


def test_a_container_that_was_restarted_started_at_an_unknown_time() -> None:
    restarted = {"name": "runtime", "restartCount": 1, "state": {"running": {"startedAt": at(600)}}}

    start = cold.pod_start(pod(containerStatuses=[restarted]), [claim()], [], LINES)

    assert (seconds(start)["image"], seconds(start)["start"]) == (None, None)


def test_clocks_that_differ_make_no_negative_stages() -> None:
    ahead = [line(45, "agent started"), line(50, "the runtime is ready"), line(55, "task ended")]

    start = cold.pod_start(pod(), [claim()], EVENTS, ahead)

    assert seconds(start) == {"node": 41, "image": 16, "start": 0, "picture": 0}
    assert start.seconds == 57


def test_the_hours_that_a_ready_pod_waits_for_its_first_task_are_no_part_of_its_start() -> None:
    lines = [*LINES[:3], line(7290, "task ended", status="completed", duration=2.5)]

    start = cold.pod_start(pod(), [claim()], EVENTS, lines)

    assert (seconds(start)["picture"], start.idle_seconds, start.seconds) == (2.5, 7199.5, 90.5)


def test_a_task_that_failed_is_no_first_picture() -> None:
    lines = [*LINES[:3], line(89, "task ended", status="failed"), line(95, "task ended", status="completed")]

    assert seconds(cold.pod_start(pod(), [claim()], EVENTS, lines))["picture"] == 7


@pytest.mark.parametrize("lost", ["the agent was started again", "the log was rotated"])
def test_a_log_without_the_start_of_the_agent_says_nothing_about_the_start_of_the_pod(lost: str) -> None:
    rotated = lost == "the log was rotated"
    again = {"name": "queue-agent", "restartCount": 2, "lastState": {"terminated": {"reason": "OOMKilled"}}}
    running = pod()["status"]["containerStatuses"]
    day = [line(90_020, "the runtime is ready"), line(90_100, "task ended", status="completed")]
    lines = day if rotated else [line(90_010, "agent started"), *day]

    start = cold.pod_start(
        pod(containerStatuses=running if rotated else [*running, again]), [claim()], EVENTS, lines
    )

    assert seconds(start) == {"node": 41, "image": 16, "start": None, "picture": None}
    said = "queue-agent: started again, 2 times, the last time after OOMKilled"
    assert start.problems == (() if rotated else (said,))


def test_the_pull_of_a_restart_is_not_that_of_the_start() -> None:
    restarted = {"name": "runtime", "restartCount": 1}
    events = [event("Pulled", 9000), event("Pulled", 57)]

    later = cold.pod_start(pod(containerStatuses=[restarted]), [claim()], events[:1], LINES)
    kept = cold.pod_start(
        pod(containerStatuses=[restarted]), [claim()], [event("Scheduled", 41), *events], LINES
    )

    assert seconds(later)["image"] is None
    assert seconds(kept)["image"] == 16


NO_TIME = {"type": "PodScheduled", "status": "True", "lastTransitionTime": None}


@pytest.mark.parametrize(
    ("status", "events", "lines"),
    [
        ({"conditions": None, "containerStatuses": None}, EVENTS, LINES),
        ({"conditions": [NO_TIME]}, [], LINES),
        ({"containerStatuses": [{"name": "runtime", "state": None}]}, [], LINES),
        ({}, [{"metadata": {}}, {"involvedObject": {"uid": "u-1"}}], LINES),
        ({}, [{**event("Pulled", 1), "firstTimestamp": None}], LINES),
        ({}, EVENTS, [Line(LINES[0].time, "one-5d-x", "model-loader", '{"event": "cut o')]),
        ({}, EVENTS, [Line(LINES[0].time, "one-5d-x", "model-loader", '{"seconds": NaN}')]),
    ],
)
def test_what_kubernetes_leaves_out_leaves_a_stage_unknown(
    status: dict[str, Any], events: list[dict[str, Any]], lines: list[Line]
) -> None:
    bare = pod(**status)
    del bare["metadata"]["labels"]
    unnamed = {"metadata": {"creationTimestamp": at(1), "labels": None}, "status": None}

    start = cold.pod_start(bare, [unnamed], events, lines)

    assert start.runtime == "" and all(one.seconds is None or one.seconds >= 0 for one in start.stages)


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3\nnodes",
                    }
                ]
            },
            "Unschedulable: 0/3 nodes",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "runtime",
                        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no x"}},
                    }
                ]
            },
            "runtime: ImagePullBackOff: no x",
        ),
        ({"reason": "Evicted", "message": "low on memory"}, "Evicted: low on memory"),
    ],
)
def test_a_pod_that_is_not_ready_says_why(status: dict[str, Any], problem: str) -> None:
    assert cold.pod_start(pod(**status), [claim()], [], []).problems == (problem,)
    usual = [{"name": "runtime", "state": {"waiting": {"reason": "PodInitializing"}}}]
    assert cold.pod_start(pod(containerStatuses=usual), [claim()], [], []).problems == ()


@pytest.fixture
def answers(bench: MakeBench, tmp_path: Path) -> MakeBench:
    """A bench whose kubectl gives the pod, its claim, its events and its log."""

    def make(*names: str) -> Any:
        made = bench(*names)
        for words, items in (("pods", [pod()]), ("events", EVENTS), ("nodeclaims.karpenter.sh", [claim()])):
            file = tmp_path / words
            file.write_text(json.dumps({"items": items}))
            made.when(f"kubectl get {words}", f"cat {file}")
        log = tmp_path / "log"
        log.write_text(
            "".join(f"[pod/{one.pod}/{one.container}] {at_time(one)} {one.message}\n" for one in LINES)
        )
        made.when("kubectl logs", f"cat {log}")
        return made

    return make


def at_time(one: Line) -> str:
    return one.time.isoformat().replace("+00:00", "Z")


def test_the_cluster_is_asked_with_kubectl(answers: MakeBench) -> None:
    [start] = cold.starts(answers("one").job)

    assert start.seconds == 99.5


def test_a_cluster_that_does_not_answer_is_an_error(bench: MakeBench) -> None:
    made = bench("one")
    made.when("kubectl get pods", "echo 'connection refused' >&2; exit 1")

    with pytest.raises(AwsError, match="`kubectl get pods` failed: connection refused"):
        cold.starts(made.job)


def test_without_karpenter_only_the_types_of_nodes_are_unknown(answers: MakeBench) -> None:
    made = answers("one")
    made.when("kubectl get nodeclaims", "echo 'no resource type \"nodeclaims\"' >&2; exit 1")

    [start] = cold.starts(made.job)

    assert (start.instance_type, start.new_node, start.seconds) == ("", None, 99.5)
    assert any("the types of nodes are not known" in line for line in made.messages)


def test_the_command_prints_what_is_wrong_with_a_pod_and_where_to_look(
    answers: MakeBench, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crash = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}
    loop = [{"name": "runtime", "restartCount": 7, "state": crash}]
    answers("one")
    (tmp_path / "pods").write_text(json.dumps({"items": [pod(containerStatuses=loop)]}))
    config = write_config(tmp_path, account, {"name": "one", "type": "comfyui"})

    assert main.main(["status", str(config), "--cold"]) == Exit.DONE
    out = capsys.readouterr().out
    assert "  note: runtime: CrashLoopBackOff: back-off 5m0s" in out
    assert "  note: runtime: started again, 7 times" in out
    assert f"generator logs {config} one" in out


def test_the_command_prints_bars_without_color(
    answers: MakeBench, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers("one")
    config = write_config(tmp_path, account, {"name": "one", "type": "comfyui"})

    assert main.main(["status", str(config), "--cold"]) == Exit.DONE
    out = capsys.readouterr().out
    assert "one-5d-x on g5.xlarge, a new node" in out
    assert "NNNNNN" in out
    assert "EC2 launches a node: 41 s" in out
    assert "the model was downloaded in 6.1 s" in out
    assert "\x1b" not in out

    assert main.main(["status", str(config), "--cold", "--format", "json"]) == Exit.DONE
    [start] = yaml_loader.load(capsys.readouterr().out)
    assert start["stages"][0] == {"name": "node", "seconds": 41.0}
