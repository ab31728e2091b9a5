"""Several keys of one API: each sees only its own tasks, on every route, and has limits of its own."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from queue_agent.task import protocol

from api import comfy, routes
from api.sender import sender
from generator.solution import names
from local.emulator import Emulator
from tests.api.conftest import Deployed, Reply, Solve, deploy

RUNTIME = "sdxl-turbo"
MODEL = "sd_xl_turbo_1.0.safetensors"
TASK = f"/v1alpha2/{RUNTIME}/"


@pytest.fixture(scope="module")
def shared(api_emulator: Emulator, solve: Solve) -> Deployed:
    throttle = {"rateLimit": 10_000, "burstLimit": 5_000}
    quota = {"limit": 3, "period": "DAY"}
    keys = [{"name": "web-shop"}, {"name": "newsroom"}, {"name": "guest", "quota": quota}]
    return deploy(
        api_emulator, solve("three-runtimes", stackName="tenants", APIGW={"throttle": throttle, "keys": keys})
    )


@pytest.fixture(scope="module")
def values(shared: Deployed) -> dict[str, str]:
    """The value of each key by its name."""
    found = shared.cloud.client("apigateway").get_api_keys(includeValues=True)["items"]
    stack = shared.solution.stack
    of_stack = {names.api(stack): "default"} | {
        names.api_key(stack, name): name for name in ("web-shop", "newsroom", "guest")
    }
    return {of_stack[key["name"]]: key["value"] for key in found if key["name"] in of_stack}


def body(task: str, prefix: str = "") -> dict[str, Any]:
    metadata = {"id": task, "runtime": RUNTIME, "tasktype": "text-to-image", "prefix": prefix}
    return {"task": {"metadata": metadata, "content": {"prompt": "x"}}}


def legacy(task: str) -> dict[str, Any]:
    scripts = {"task": "text-to-image", "sd_model_checkpoint": MODEL, "id_task": task}
    return {"prompt": "x", "alwayson_scripts": scripts}


def result(task: str, key: str) -> dict[str, Any]:
    record = {"status": "completed", "id": task, "outputs": []}
    return {**record, **({} if key == "default" else {"sender": key})}


def ids_in(reply: Reply) -> str:
    return json.dumps(reply.body)


@pytest.mark.parametrize(
    ("owner", "other"), [("web-shop", "newsroom"), ("web-shop", "default"), ("default", "newsroom")]
)
def test_no_route_gives_a_key_what_another_has_sent(
    shared: Deployed, values: dict[str, str], owner: str, other: str
) -> None:
    task = f"of-{owner}-not-{other}"
    mine, theirs = values[owner], values[other]
    assert shared.call("POST", "/v1alpha2", body(task, "out"), key=mine).status == 200
    shared.write(RUNTIME, f"out/{task}/result.json", result(task, owner))

    upload = {"runtime": RUNTIME, "content_type": "image/png", "bytes": 8}
    own = shared.call("POST", "/v1alpha2/uploads", upload, key=mine)
    assert protocol.upload_folder(owner) in ids_in(own)

    tried = {
        ("/v1alpha2", "POST"): shared.call("POST", "/v1alpha2", body(task, "out"), key=theirs).status == 409,
        ("/v1alpha1", "POST"): shared.call("POST", "/v1alpha1", legacy(task), key=theirs).status == 409,
        (routes.TASK_PATH, "GET"): shared.call("GET", TASK + task, key=theirs).status == 404,
        (routes.TASK_PATH, "DELETE"): shared.call("DELETE", TASK + task, key=theirs).status == 404,
        (routes.TASKS_PATH, "GET"): task not in ids_in(shared.call("GET", TASK[:-1], key=theirs)),
        (routes.RUNTIMES_PATH, "GET"): task not in ids_in(shared.call("GET", "/runtimes", key=theirs)),
        (routes.RUNTIME_PATH, "GET"): task
        not in ids_in(shared.call("GET", f"/runtimes/{RUNTIME}", key=theirs)),
        (routes.HEALTH_PATH, "GET"): task not in ids_in(shared.call("GET", "/health", key=theirs)),
        (routes.WEBHOOK_SECRET_PATH, "GET"): shared.call("GET", "/webhook-secret", key=theirs).body
        != shared.call("GET", "/webhook-secret", key=mine).body,
        (routes.UPLOADS_PATH, "POST"): protocol.upload_folder(owner)
        not in ids_in(shared.call("POST", "/v1alpha2/uploads", upload, key=theirs)),
        ("/openapi.json", "GET"): task not in ids_in(shared.call("GET", "/openapi.json", key=theirs)),
    }
    assert [route for route, refused in tried.items() if not refused] == []
    every = {(path, verb) for path, verbs in routes.VERBS.items() for verb in verbs}
    assert set(tried) == {(path, verb) for path, verb in every if path != comfy.COMFY_PATH}
    assert shared.call("GET", TASK + task, key=mine).body["status"] == "completed"
    assert task in ids_in(shared.call("GET", TASK[:-1], key=mine))


COMFY = "/comfy/comfyui/api/v2/"
WORKFLOW = {"9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}
PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="file_path"\r\n\r\na.png\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\nbytes\r\n--b--\r\n"
)
MULTIPART = {"content-type": "multipart/form-data; boundary=b"}


def head(shared: Deployed, path: str, key: str) -> int:
    """The status of a HEAD request, which has no body."""
    connection = http.client.HTTPConnection(urlsplit(shared.door.url).netloc, timeout=30)
    connection.request("HEAD", urlsplit(shared.door.url).path + path, headers={"x-api-key": key})
    return connection.getresponse().status


def test_no_route_of_the_comfy_api_gives_a_key_what_another_has_sent(
    shared: Deployed, values: dict[str, str]
) -> None:
    mine, theirs = values["web-shop"], values["newsroom"]
    sent = shared.call("POST", COMFY + "jobs", {"workflow": WORKFLOW}, key=mine)
    asset = shared.call("POST", COMFY + "assets", PARTS, key=mine, headers=MULTIPART)
    assert (sent.status, asset.status) == (201, 201), (sent.body, asset.body)
    job, upload, digest = sent.body["id"], asset.body["id"], asset.body["hash"]

    def status(verb: str, path: str, body: Any = None) -> int:
        return shared.call(verb, COMFY + path, body, key=theirs).status

    same_bytes = {"hash": digest, "file_path": "a.png"}
    tried = {
        ("jobs", "GET"): job not in ids_in(shared.call("GET", COMFY + "jobs", key=theirs)),
        ("jobs/*", "GET"): status("GET", f"jobs/{job}") == 404,
        ("jobs/*/workflow", "GET"): status("GET", f"jobs/{job}/workflow") == 404,
        ("jobs/*/events", "GET"): status("GET", f"jobs/{job}/events") == 404,
        ("jobs/*/cancel", "POST"): status("POST", f"jobs/{job}/cancel", {}) == 404,
        ("assets/from-hash", "POST"): status("POST", "assets/from-hash", same_bytes) == 404,
        ("assets/*", "GET"): status("GET", f"assets/{upload}") == 404,
        ("assets/*", "DELETE"): status("DELETE", f"assets/{upload}") == 404,
        ("assets/*/content", "GET"): status("GET", f"assets/{upload}/content") == 404,
    }
    assert [route for route, refused in tried.items() if not refused] == []
    # What is sent anew is one's own.
    heads = {
        ("assets/by-hash/*", "HEAD"): f"assets/by-hash/{digest}",
        ("assets/*/content", "HEAD"): f"assets/{upload}/content",
    }
    for path in heads.values():
        assert head(shared, COMFY + path, theirs) == 404
        assert head(shared, COMFY + path, mine) in (200, 302)
    own = {("health", "GET"), ("jobs", "POST"), ("assets", "POST")}
    served = {("/".join(pattern), verb) for pattern, verbs in comfy._ROUTES for verb in verbs}
    assert set(tried) | set(heads) | own == served
    assert shared.call("GET", COMFY + f"jobs/{job}", key=mine).status == 200
    assert shared.call("GET", COMFY + f"assets/{upload}", key=mine).status == 200


def test_what_comes_by_sns_belongs_to_the_solutions_own_key(shared: Deployed, values: dict[str, str]) -> None:
    shared.write(RUNTIME, "by-sns/result.json", result("by-sns", "default"))

    assert shared.call("GET", TASK + "by-sns", key=values["default"]).status == 200
    assert shared.call("GET", TASK + "by-sns", key=values["web-shop"]).status == 404


def test_a_key_that_reuses_the_id_of_a_task_from_sns_does_not_get_its_pictures(
    shared: Deployed, values: dict[str, str]
) -> None:
    shared.write(
        RUNTIME, "guessed/result.json", {**result("guessed", "default"), "outputs": [{"key": "secret.png"}]}
    )

    assert shared.call("POST", "/v1alpha2", body("guessed"), key=values["web-shop"]).status == 200

    status = shared.call("GET", TASK + "guessed", key=values["web-shop"]).body
    assert (status["status"], status["error"]["code"], status["images"]) == ("failed", "id_in_use", [])


def test_a_key_cannot_cancel_the_run_of_another_by_reusing_its_id(
    shared: Deployed, values: dict[str, str]
) -> None:
    running = {"state": "running", "expires": 9e9, "owner": "pod", "sender": ""}
    shared.write(RUNTIME, protocol.claim_key("runs"), running)
    shared.call("POST", "/v1alpha2", body("runs"), key=values["web-shop"])

    assert shared.call("DELETE", TASK + "runs", key=values["web-shop"]).status == 409


def test_the_agent_learns_who_has_sent_a_task(shared: Deployed, values: dict[str, str]) -> None:
    shared.messages(RUNTIME)
    for key in ("default", "web-shop"):
        shared.call("POST", "/v1alpha2", body(f"from-{key}"), key=values[key])

    sent = {message["metadata"]["id"]: message["metadata"] for message in shared.messages(RUNTIME)}
    assert sent["from-web-shop"]["sender"] == "web-shop"
    assert "sender" not in sent["from-default"], "messages of the own key stay as they were"


@pytest.mark.parametrize(
    ("key", "priority", "group"),
    [
        ("default", {}, "default"),
        ("web-shop", {}, "web-shop"),
        ("web-shop", {"priority": "normal"}, "web-shop"),
        ("web-shop", {"priority": "high"}, "web-shop.high"),
    ],
)
def test_the_queue_is_fair_between_keys_and_classes(
    shared: Deployed, values: dict[str, str], key: str, priority: dict[str, str], group: str
) -> None:
    shared.messages(RUNTIME)
    task = body(f"fair-{key}-{len(group)}-{len(priority)}")
    task["task"]["metadata"] |= priority
    assert shared.call("POST", "/v1alpha2", task, key=values[key]).status == 200

    sqs = shared.cloud.client("sqs")
    name = next(entry.queue.name for entry in shared.solution.runtimes if entry.name == RUNTIME)
    [message] = sqs.receive_message(
        QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"],
        MessageSystemAttributeNames=["All"],
    )["Messages"]
    assert message["Attributes"]["MessageGroupId"] == group


def test_nobody_can_name_another_sender(shared: Deployed, values: dict[str, str]) -> None:
    task = body("forged")
    task["task"]["metadata"]["sender"] = "newsroom"

    assert shared.call("POST", "/v1alpha2", task, key=values["web-shop"]).fields == ["task.metadata.sender"]


def test_a_key_ends_with_its_quota_and_the_others_go_on(shared: Deployed, values: dict[str, str]) -> None:
    statuses = [shared.call("GET", "/openapi.json", key=values["guest"]).status for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    late = shared.call("GET", "/openapi.json", key=values["guest"])
    assert "quota" in late.body["detail"]
    assert shared.call("GET", "/openapi.json", key=values["web-shop"]).status == 200


NAMES = {"id1": "default", "id2": "web-shop"}


@pytest.mark.parametrize(
    ("identity", "authorizer", "expected"),
    [
        ({"apiKeyId": "id2"}, {}, "web-shop"),
        ({"apiKeyId": "id1"}, {"keyName": ""}, "default"),
        ({"apiKeyId": "id9"}, {"keyName": "made-by-command"}, "made-by-command"),
        ({"apiKeyId": "id9"}, {}, "id.id9"),
        ({"apiKeyId": "default"}, {}, "id.default"),
        ({}, {}, "id.None"),
    ],
)
def test_the_sender_is_the_name_of_the_key(
    identity: dict[str, str], authorizer: dict[str, str], expected: str
) -> None:
    assert sender({"identity": identity, "authorizer": authorizer}, NAMES) == expected


def test_both_sides_call_the_own_key_alike() -> None:
    assert names.OWN_API_KEY == protocol.DEFAULT_SENDER
