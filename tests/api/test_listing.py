"""GET /v1alpha2/{runtime}, /runtimes, /health: the tasks of a key by time and state, and what there is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from api.index import index_entry
from api.listing import selection
from api.problem import ProblemError
from local.emulator import Emulator
from tests.api.conftest import Deployed, Reply, Solve, deploy

RUNTIME = "sdxl-turbo"
TASKS = f"/v1alpha2/{RUNTIME}"
GRAPH = {"graph": {"nodes": {"n": {"id": "n", "type": "noise"}}, "edges": []}}
WORKFLOW = {"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}


@pytest.fixture(scope="module")
def listed(api_emulator: Emulator, solve: Solve) -> Deployed:
    throttle = {"rateLimit": 10_000, "burstLimit": 5_000}
    deployed = deploy(api_emulator, solve("three-runtimes", stackName="lists", APIGW={"throttle": throttle}))
    for number in range(5):
        deployed.submit(f"task-{number}")
    deployed.write(RUNTIME, "out/task-1/result.json", {"status": "completed", "outputs": []})
    error = {"code": "rejected", "message": "no such sampler"}
    deployed.write(RUNTIME, "out/task-3/result.json", {"status": "failed", "error": error, "outputs": []})
    return deployed


def ids(reply: Reply) -> list[str]:
    assert reply.status == 200, reply.body
    return [task["id"] for task in reply.body["tasks"]]


def pages(api: Deployed, query: str) -> Iterator[list[str]]:
    cursor = ""
    while True:
        reply = api.call("GET", f"{TASKS}?{query}{cursor}")
        yield ids(reply)
        if "next_cursor" not in reply.body:
            return
        cursor = f"&cursor={reply.body['next_cursor']}"


def test_tasks_are_listed_newest_first(listed: Deployed) -> None:
    assert ids(listed.call("GET", TASKS)) == [f"task-{number}" for number in (4, 3, 2, 1, 0)]


def test_pages_follow_each_other_without_a_gap(listed: Deployed) -> None:
    assert list(pages(listed, "limit=2")) == [["task-4", "task-3"], ["task-2", "task-1"], ["task-0"]]
    assert list(pages(listed, "limit=5")) == [["task-4", "task-3", "task-2", "task-1", "task-0"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=completed", ["task-1"]),
        ("status=queued", ["task-4", "task-2", "task-0"]),
        ("status=failed&status=completed", ["task-3", "task-1"]),
        ("status=running", []),
    ],
)
def test_tasks_are_listed_by_state(listed: Deployed, query: str, expected: list[str]) -> None:
    assert ids(listed.call("GET", f"{TASKS}?{query}")) == expected


def test_a_page_of_one_state_ends_at_its_limit_and_goes_on(listed: Deployed) -> None:
    assert [task for page in pages(listed, "status=queued&limit=1") for task in page] == [
        *("task-4", "task-2", "task-0")
    ]


def test_tasks_are_listed_by_time(listed: Deployed) -> None:
    middle = listed.call("GET", f"{TASKS}/task-2").body["created"]

    after = ids(listed.call("GET", f"{TASKS}?created_after={middle}"))
    before = ids(listed.call("GET", f"{TASKS}?created_before={middle}"))

    assert (after, before) == (["task-4", "task-3", "task-2"], ["task-1", "task-0"])
    zone = quote(datetime.fromisoformat(middle).astimezone().isoformat())
    assert ids(listed.call("GET", f"{TASKS}?created_before={zone}")) == before


def test_an_item_says_what_became_of_the_task_and_where_to_ask(listed: Deployed) -> None:
    [item] = listed.call("GET", f"{TASKS}?status=failed").body["tasks"]

    url = f"{listed.door.url}{TASKS}/task-3"
    assert item == {
        "id": "task-3",
        "runtime": RUNTIME,
        "status": "failed",
        "error": {"code": "rejected", "message": "no such sampler"},
        "created": item["created"],
        "status_url": url,
        "cancel_url": url,
    }


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0", ["limit"]),
        ("limit=101", ["limit"]),
        ("limit=x&status=done", ["limit", "status"]),
        ("cursor=..", ["cursor"]),
        ("created_after=yesterday", ["created_after"]),
        ("state=queued", ["state"]),
    ],
)
def test_a_wrong_query_is_refused_by_the_names_of_its_parameters(
    listed: Deployed, query: str, fields: list[str]
) -> None:
    reply = listed.call("GET", f"{TASKS}?{query}")

    assert (reply.status, reply.fields) == (400, fields)


def test_a_runtime_without_tasks_has_an_empty_list(listed: Deployed) -> None:
    assert listed.call("GET", "/v1alpha2/invokeai").body == {"runtime": "invokeai", "tasks": []}
    assert listed.call("GET", "/v1alpha2/other").status == 404


def test_a_task_that_is_sent_twice_is_listed_once(listed: Deployed) -> None:
    for _ in range(2):
        listed.submit("twice", runtime="comfyui", prompt="x")

    request = {"runtime": "comfyui", "tasktype": "workflow", "id": "again", "prefix": ""}
    body = {
        "task": {
            "metadata": request,
            "content": WORKFLOW,
        }
    }
    assert listed.call("POST", "/v1alpha2", body).status == 200
    # As a function leaves it that was stopped before it published.
    record = listed.read("comfyui", ".tasks/again/request.json")
    listed.write("comfyui", ".tasks/again/request.json", {**record, "published": False})
    assert listed.call("POST", "/v1alpha2", body).status == 200

    assert ids(listed.call("GET", "/v1alpha2/comfyui")).count("again") == 1


def test_answers_say_where_the_state_is_and_where_to_cancel(listed: Deployed) -> None:
    sent = listed.submit("linked", runtime=RUNTIME).body

    for key in ("status_url", "cancel_url"):
        assert sent[key] == f"{listed.door.url}{TASKS}/linked"
    path = sent["status_url"].removeprefix(listed.door.url)
    assert listed.call("GET", path).body["status_url"] == sent["status_url"]
    assert listed.call("DELETE", path).body["status"] == "cancelled"


def test_runtimes_are_described_without_their_queues(listed: Deployed) -> None:
    answer = listed.call("GET", "/runtimes").body

    described = {runtime["name"]: runtime for runtime in answer["runtimes"]}
    assert list(described) == ["comfyui", "invokeai", "sdxl-turbo"]
    turbo = described["sdxl-turbo"]
    assert turbo["type"] == "sdwebui"
    assert turbo["model"] == "sd_xl_turbo_1.0.safetensors"
    assert "text-to-image" in turbo["tasktypes"]
    assert turbo["tasks_url"] == listed.door.url + TASKS
    assert described["comfyui"]["comfy_url"] == f"{listed.door.url}/comfy/comfyui"
    assert answer["limits"]["task_bytes"] == 5 * 2**20


def test_a_runtime_is_described_with_its_models_and_its_queue(listed: Deployed) -> None:
    runtime = next(entry for entry in listed.solution.runtimes if entry.name == "invokeai")
    assert "models" not in listed.call("GET", "/runtimes/invokeai").body, "there is no bucket to list"
    s3 = listed.cloud.client("s3")
    s3.create_bucket(Bucket=runtime.models.bucket)
    for key in ("checkpoints/a.safetensors", "readme.txt"):
        s3.put_object(Bucket=runtime.models.bucket, Key=runtime.models.prefix + key, Body=b"")
    metadata = {"runtime": "invokeai", "tasktype": "graph", "id": "counted"}
    listed.call(
        "POST",
        "/v1alpha2",
        {
            "task": {
                "metadata": metadata,
                "content": GRAPH,
            }
        },
    )

    answer = listed.call("GET", "/runtimes/invokeai").body

    assert answer["models"] == ["checkpoints/a.safetensors"]
    assert answer["queue"] == {"waiting": 1, "running": 0, "dead_lettered": 0}
    watch, now = listed.cloud.client("cloudwatch"), datetime.now(UTC)
    for minutes, age in ((3, 60.0), (1, 180.0)):
        watch.put_metric_data(
            Namespace="AWS/SQS",
            MetricData=[
                {
                    "MetricName": "ApproximateAgeOfOldestMessage",
                    "Dimensions": [{"Name": "QueueName", "Value": runtime.queue.name}],
                    "Timestamp": now - timedelta(minutes=minutes),
                    "Value": age,
                }
            ],
        )
    queue = listed.call("GET", "/runtimes/invokeai").body["queue"]
    assert queue["oldest_seconds"] == 180
    assert listed.call("GET", "/runtimes/other").status == 404


def test_the_api_says_that_it_is_there(listed: Deployed) -> None:
    assert listed.call("GET", "/health").body == {"status": "ok"}
    assert listed.call("GET", "/health", key="wrong").status == 403


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01"])
def test_every_time_has_a_place_in_the_index(text: str) -> None:
    chosen = selection({"created_before": [text], "created_after": [text]})

    assert len(chosen.after) == len(chosen.until) == 14


def test_the_index_begins_with_the_newest() -> None:
    now = 1_800_000_000.0

    assert index_entry(now + 0.001, "b") < index_entry(now, "a") < index_entry(now - 1, "c")


def test_a_time_without_a_zone_is_utc() -> None:
    zoned, plain = (
        selection({"created_before": [text]}) for text in ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00")
    )
    assert zoned == plain


def test_every_wrong_parameter_is_named_at_once() -> None:
    wrong: dict[str, Any] = {"limit": ["-1"], "created_after": ["x"], "other": ["y"]}
    with pytest.raises(ProblemError) as refusal:
        selection(wrong)

    assert {error.field for error in refusal.value.errors} == set(wrong)
