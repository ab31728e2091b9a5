"""GET and DELETE: a task's way from the queue to its end, and how it can be stopped."""

import json
import re
import time
import urllib.request
from typing import Any

import pytest

from tests.api.conftest import Deployed

TASK = "/v1alpha2/sdxl-turbo/"


def claim(state: str, seconds: float = 60) -> dict[str, Any]:
    now = time.time()
    return {"owner": "pod-1", "attempt": 1, "started": now, "expires": now + seconds, "state": state}


def result(task: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": task,
        "runtime": "sdxl-turbo",
        "status": "completed",
        "result": True,
        "context": {"user": 7},
        "outputs": [{"key": f"out/{task}/{task}-1.png"}],
        "duration": 1.5,
        "seed": 42,
        "model": "sd_xl_turbo_1.0.safetensors",
        "attempt": 1,
        **changes,
    }


def status(api: Deployed, task: str) -> str:
    return str(api.call("GET", TASK + task).body["status"])


def test_a_task_is_queued_then_running_then_completed_with_links_to_its_pictures(api: Deployed) -> None:
    api.submit("life")
    statuses = [status(api, "life")]
    api.write("sdxl-turbo", ".tasks/life/claim.json", claim("running"))
    statuses.append(status(api, "life"))
    api.write("sdxl-turbo", "out/life/life-1.png", "a picture")
    api.write("sdxl-turbo", "out/life/result.json", result("life"))

    reply = api.call("GET", TASK + "life")

    assert [*statuses, reply.body["status"]] == ["queued", "running", "completed"]
    assert (reply.body["seed"], reply.body["duration"], reply.body["context"]) == (42, 1.5, {"user": 7})
    [link] = reply.body["images"]
    with urllib.request.urlopen(link, timeout=10) as picture:
        assert json.loads(picture.read()) == "a picture"


def test_a_status_has_links_to_the_thumbnails_and_why_a_picture_has_none(api: Deployed) -> None:
    small = {"key": "out/small/small-1-thumbnail.webp", "content_type": "image/webp", "bytes": 9}
    outputs = [
        {"key": "out/small/small-1.webp", "thumbnail": small},
        {"key": "out/small/small-2.png", "problem": "too large"},
    ]
    api.submit("small")
    api.write("sdxl-turbo", small["key"], "a thumbnail")
    api.write("sdxl-turbo", "out/small/result.json", result("small", outputs=outputs))

    reply = api.call("GET", TASK + "small").body

    link, missing = reply["thumbnails"]
    with urllib.request.urlopen(link, timeout=10) as thumbnail:
        assert json.loads(thumbnail.read()) == "a thumbnail"
    assert (missing, reply["output_problems"], len(reply["images"])) == (None, ["too large"], 2)


def test_a_link_is_signed_for_the_region_and_ends_within_the_hour(api: Deployed) -> None:
    api.submit("link")
    api.write("sdxl-turbo", "out/link/result.json", result("link"))

    [link] = api.call("GET", TASK + "link").body["images"]

    assert "X-Amz-Expires=3600" in link
    assert "us-east-1%2Fs3%2Faws4_request" in link


def test_a_failed_task_says_why(api: Deployed) -> None:
    error = {"code": "out_of_memory", "message": "the picture does not fit"}
    api.submit("sad")
    api.write("sdxl-turbo", "out/sad/result.json", result("sad", status="failed", outputs=[], error=error))

    reply = api.call("GET", TASK + "sad")

    assert (reply.body["status"], reply.body["error"], reply.body["images"]) == ("failed", error, [])


def test_a_task_in_the_dead_letter_queue_has_failed_until_it_is_sent_again_and_runs(api: Deployed) -> None:
    failed = result("aside", status="failed", outputs=[], message_id="m-1", duration=None)
    api.submit("aside")
    api.write("sdxl-turbo", "out/aside/result.json", failed)
    api.write("sdxl-turbo", ".tasks/aside/claim.json", claim("released"))
    statuses = [status(api, "aside")]
    api.write("sdxl-turbo", ".tasks/aside/claim.json", claim("running"))

    assert [*statuses, status(api, "aside")] == ["failed", "running"]


def test_what_a_result_does_not_hold_is_left_out(api: Deployed) -> None:
    api.submit("little")
    api.write("sdxl-turbo", "out/little/result.json", result("little", seed=None, duration=None))

    assert {"seed", "duration"}.isdisjoint(api.call("GET", TASK + "little").body)


@pytest.mark.parametrize("lost", [claim("released"), claim("running", seconds=-1)])
def test_a_task_whose_agent_gave_it_back_or_died_is_queued_again(api: Deployed, lost: dict[str, Any]) -> None:
    api.submit("back")
    api.write("sdxl-turbo", ".tasks/back/claim.json", lost)

    assert status(api, "back") == "queued"


def test_a_task_that_came_past_the_api_is_known_by_its_result(api: Deployed) -> None:
    api.write("sdxl-turbo", "direct/result.json", result("direct", outputs=[]))

    assert status(api, "direct") == "completed"


def test_a_task_that_is_not_known_is_404(api: Deployed) -> None:
    reply = api.call("GET", TASK + "never")

    assert reply.status == 404
    assert "never" in reply.body["detail"]


def test_a_runtime_that_is_not_there_is_404(api: Deployed) -> None:
    assert api.call("GET", "/v1alpha2/other/life").status == 404


@pytest.mark.parametrize(
    ("path", "field"), [("/v1alpha2/sdxl-turbo/a.b", "id"), ("/v1alpha2/SDXL/a", "runtime")]
)
def test_a_path_that_cannot_name_a_task_is_400(api: Deployed, path: str, field: str) -> None:
    reply = api.call("GET", path)

    assert (reply.status, reply.fields) == (400, [field])


def test_what_waits_can_be_cancelled_twice(api: Deployed) -> None:
    api.submit("stop")

    first, second = (api.call("DELETE", TASK + "stop") for _ in range(2))

    assert first.status == second.status == 200
    assert first.body == {"id": "stop", "runtime": "sdxl-turbo", "status": "cancelled"}
    assert status(api, "stop") == "cancelled"


def test_a_cancelled_task_bars_an_agent_that_claims_it_only_when_free(api: Deployed) -> None:
    api.submit("barred")
    api.call("DELETE", TASK + "barred")
    s3, bucket = api.cloud.client("s3"), api.solution.runtimes[0].output_bucket

    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key=".tasks/barred/claim.json", Body=b"{}", IfNoneMatch="*")


@pytest.mark.parametrize("lost", [claim("released"), claim("running", seconds=-1)])
def test_what_was_given_back_can_be_cancelled(api: Deployed, lost: dict[str, Any]) -> None:
    api.submit("again")
    api.write("sdxl-turbo", ".tasks/again/claim.json", lost)

    assert api.call("DELETE", TASK + "again").status == 200
    assert status(api, "again") == "cancelled"


def test_a_running_task_is_asked_to_stop_and_says_so(api: Deployed) -> None:
    api.submit("brake")
    running = claim("running") | {"seconds": 60.0}
    api.write("sdxl-turbo", ".tasks/brake/claim.json", running)

    first, second = api.call("DELETE", TASK + "brake"), api.call("DELETE", TASK + "brake")

    assert (first.status, first.body) == (second.status, second.body)
    expected = {"id": "brake", "runtime": "sdxl-turbo", "status": "running", "cancelling": True}
    assert (first.status, first.body) == (200, expected)
    asked = api.read("sdxl-turbo", ".tasks/brake/claim.json")
    assert {name: asked[name] for name in running} == running, "the claim stays its agent's"
    assert asked["cancel_requested"] == pytest.approx(time.time(), abs=30)
    state = api.call("GET", TASK + "brake").body
    assert (state["status"], state["cancelling"]) == ("running", True)


def test_a_task_whose_agent_has_stopped_it_is_cancelled(api: Deployed) -> None:
    api.submit("braked")
    stopped = claim("cancelled") | {"cancel_requested": time.time()}
    api.write("sdxl-turbo", ".tasks/braked/claim.json", stopped)

    state = api.call("GET", TASK + "braked").body

    assert (state["status"], "cancelling" in state) == ("cancelled", False)


def test_what_is_being_stored_cannot_be_cancelled(api: Deployed) -> None:
    api.submit("late-done")
    api.write("sdxl-turbo", ".tasks/late-done/claim.json", claim("done"))

    assert api.call("DELETE", TASK + "late-done").status == 409


def test_a_waiting_task_has_expired_after_its_time_though_no_agent_has_said_so(api: Deployed) -> None:
    metadata = {"id": "mayfly", "runtime": "sdxl-turbo", "tasktype": "text-to-image", "ttlSeconds": 60}
    body = {"task": {"metadata": metadata, "content": {"prompt": "x"}}}
    assert api.call("POST", "/v1alpha2", body).status == 200
    assert status(api, "mayfly") == "queued"
    request = api.read("sdxl-turbo", ".tasks/mayfly/request.json")

    api.write("sdxl-turbo", ".tasks/mayfly/request.json", {**request, "submitted": request["submitted"] - 65})
    assert status(api, "mayfly") == "queued", "an agent may just be claiming it"
    api.write("sdxl-turbo", ".tasks/mayfly/request.json", {**request, "submitted": request["submitted"] - 75})
    state = api.call("GET", TASK + "mayfly").body
    assert (state["status"], state["error"]["code"]) == ("failed", "expired")

    api.write("sdxl-turbo", ".tasks/mayfly/claim.json", claim("running"))
    assert status(api, "mayfly") == "running"


RFC3339 = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def test_a_waiting_task_says_since_when_it_waits(api: Deployed) -> None:
    api.submit("patient")
    time.sleep(0.2)

    state = api.call("GET", TASK + "patient").body

    assert re.fullmatch(RFC3339, state["created"])
    assert 0.2 <= state["queued_seconds"] < 30
    assert not {"progress", "started_at", "finished_at", "cancelling"} & set(state)


def test_a_waiting_task_says_how_long_it_may_still_wait_once_others_have_run(api: Deployed) -> None:
    api.submit("ahead")
    created = api.read("sdxl-turbo", ".tasks/ahead/request.json")["submitted"]
    times = {"started": created + 60, "finished": time.time()}
    api.write("sdxl-turbo", "out/ahead/result.json", result("ahead", **times))
    api.submit("behind")
    assert api.call("GET", TASK + "ahead").body["status"] == "completed"

    state = api.call("GET", TASK + "behind").body

    assert 0 < state["expected_wait_seconds"] < 60
    assert state["expected_wait_seconds"] + state["queued_seconds"] == pytest.approx(60, abs=0.1)


def test_a_running_task_says_how_far_it_is(api: Deployed) -> None:
    api.submit("half")
    progress = {"value": 0.5, "step": 10, "steps": 20, "node": "3", "nodes_done": 2, "started": 1764175462.5}
    api.write("sdxl-turbo", ".tasks/half/claim.json", claim("running") | {"progress": progress})

    state = api.call("GET", TASK + "half").body

    assert (state["progress"], state["step"], state["steps"], state["node"]) == (0.5, 10, 20, "3")
    assert state["started_at"] == "2025-11-26T16:44:22.500Z"
    assert "queued_seconds" not in state


def test_the_progress_of_a_task_that_has_just_begun_is_zero(api: Deployed) -> None:
    api.submit("begun")
    api.write("sdxl-turbo", ".tasks/begun/claim.json", claim("running"))

    assert api.call("GET", TASK + "begun").body["progress"] == 0


def test_a_task_that_has_ended_says_when_it_ran(api: Deployed) -> None:
    api.submit("ran")
    times = {"started": 1764175462.5, "finished": 1764175470.25}
    api.write("sdxl-turbo", "out/ran/result.json", result("ran", **times))

    state = api.call("GET", TASK + "ran").body

    assert (state["started"], state["finished"]) == (1764175462.5, 1764175470.25), "as before: Unix times"
    assert state["started_at"] == "2025-11-26T16:44:22.500Z"
    assert state["finished_at"] == "2025-11-26T16:44:30.250Z"
    assert re.fullmatch(RFC3339, state["created"])


def test_what_has_ended_cannot_be_cancelled(api: Deployed) -> None:
    api.submit("over")
    api.write("sdxl-turbo", "out/over/result.json", result("over"))

    assert api.call("DELETE", TASK + "over").status == 409


def test_what_is_not_known_cannot_be_cancelled(api: Deployed) -> None:
    assert api.call("DELETE", TASK + "never-sent").status == 404
