"""POST: what is taken and where it goes, what is refused and why."""

import hashlib
import itertools
from typing import Any

import pytest
from queue_agent.task import protocol

from tests.api.conftest import Deployed, Reply

LONG = "x" * 65
_ids = itertools.count()


def nested(levels: int) -> Any:
    return [nested(levels - 1)] if levels else "x"


def a_task(**changes: Any) -> dict[str, Any]:
    metadata = {
        "id": f"a{next(_ids)}",
        "runtime": "sdxl-turbo",
        "tasktype": "text-to-image",
        "context": {"n": 1},
    }
    content = changes.pop("content", {"prompt": "a dog"})
    return {"task": {"metadata": {**metadata, **changes}, "content": content}}


def test_a_task_goes_to_the_queue_of_its_runtime_alone(api: Deployed) -> None:
    for runtime in api.solution.runtimes:
        api.messages(runtime.name)
    body = a_task(id="only-here", prefix="/out/2026/")

    reply = api.call("POST", "/v1alpha2", body)

    bucket = api.solution.runtimes[0].output_bucket
    assert (reply.status, reply.body) == (
        200,
        {
            "id": "only-here",
            "runtime": "sdxl-turbo",
            "output_location": f"s3://{bucket}/out/2026/only-here/",
            "status_url": f"{api.door.url}/v1alpha2/sdxl-turbo/only-here",
            "cancel_url": f"{api.door.url}/v1alpha2/sdxl-turbo/only-here",
        },
    )
    [message] = api.messages("sdxl-turbo")
    assert message["metadata"] == body["task"]["metadata"] | {"prefix": "out/2026"}
    assert message["content"] == {"prompt": "a dog"}
    assert message["attributes"]["runtime"]["StringValue"] == "sdxl-turbo"
    assert [api.messages("comfyui"), api.messages("invokeai")] == [[], []]


@pytest.mark.parametrize(
    ("runtime", "tasktype"),
    # By name, not from the task contract: a type that is taken out of it must be missed here.
    [("comfyui", "pipeline"), ("comfyui", "workflow"), ("invokeai", "graph"), ("invokeai", "pipeline")],
)
def test_the_api_accepts_every_task_type_that_the_agent_runs(
    api: Deployed, runtime: str, tasktype: str
) -> None:
    content: dict[str, Any] = {"1": {"class_type": "SaveImage", "inputs": {}}}
    content = content if runtime == "comfyui" else {"nodes": {"1": {"type": "noise"}}}

    reply = api.call("POST", "/v1alpha2", a_task(runtime=runtime, tasktype=tasktype, content=content))

    assert reply.status == 200
    [message] = [
        candidate for candidate in api.messages(runtime) if candidate["metadata"]["tasktype"] == tasktype
    ]
    assert message["metadata"]["id"] == reply.body["id"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"prompt": "a dog"}, "must be a workflow in API format"),
        ({"nodes": [], "links": []}, "has the UI format"),
        ({"workflow": {"1": {"class_type": "A", "inputs": {}}}}, "inside of content.workflow"),
        ({"input": {"x": 1}}, "RunPod"),
        ({"1": {"class_type": "A"}}, "must be a workflow in API format"),
        ({"1": {"class_type": "VHS_LoadVideoPath", "inputs": {"video": "https://a.b/c"}}}, "takes a path"),
    ],
)
def test_what_is_not_a_workflow_is_refused_in_the_words_of_the_agent(
    api: Deployed, content: Any, words: str
) -> None:
    reply = api.call("POST", "/v1alpha2", a_task(runtime="comfyui", tasktype="workflow", content=content))

    assert (reply.status, reply.fields) == (400, ["task.content"])
    assert words in reply.body["detail"]


def test_a_v1alpha1_task_goes_where_its_model_is(api: Deployed) -> None:
    api.messages("sdxl-turbo")
    scripts = {
        "task": "text-to-image",
        "sd_model_checkpoint": "sd_xl_turbo_1.0.safetensors",
        "id_task": "old",
        "save_dir": "outputs",
    }

    reply = api.call("POST", "/v1alpha1", {"alwayson_scripts": scripts, "prompt": "a dog"})

    assert reply.status == 200
    assert reply.body["id_task"] == "old"
    assert reply.body["runtime"] == "sdxl-turbo"
    assert reply.body["output_location"].endswith("/outputs/old/")
    [message] = api.messages("sdxl-turbo")
    expected = {
        "id": "old",
        "runtime": "legacy",
        "tasktype": "text-to-image",
        "prefix": "outputs",
        "context": {},
    }
    assert message["metadata"] == expected
    assert message["content"] == {"alwayson_scripts": scripts, "prompt": "a dog"}


def test_a_model_that_no_runtime_has_is_404_and_says_which_there_are(api: Deployed) -> None:
    scripts = {"task": "text-to-image", "sd_model_checkpoint": "other.safetensors"}

    reply = api.call("POST", "/v1alpha1", {"alwayson_scripts": scripts})

    assert reply.status == 404
    assert "sd_xl_turbo_1.0.safetensors" in reply.body["detail"]


def test_an_id_is_made_when_none_is_given(api: Deployed) -> None:
    body = a_task()
    del body["task"]["metadata"]["id"]

    first, second = (api.call("POST", "/v1alpha2", body) for _ in range(2))

    assert first.status == second.status == 200
    assert first.body["id"] != second.body["id"]
    assert {first.body["id"], second.body["id"]} <= {m["metadata"]["id"] for m in api.messages("sdxl-turbo")}


def test_a_task_sent_twice_is_published_once(api: Deployed) -> None:
    api.messages("sdxl-turbo")
    body = a_task(id="twice")

    first, second = (api.call("POST", "/v1alpha2", body) for _ in range(2))

    assert first.body == second.body
    assert first.status == second.status == 200
    assert [m["metadata"]["id"] for m in api.messages("sdxl-turbo")] == ["twice"]


def test_a_task_that_was_written_down_but_not_published_is_published_when_sent_again(api: Deployed) -> None:
    api.call("POST", "/v1alpha2", a_task(id="halfway"))
    api.messages("sdxl-turbo")
    bucket = api.solution.runtimes[0].output_bucket
    s3, key = api.cloud.client("s3"), ".tasks/halfway/request.json"
    written = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    s3.put_object(
        Bucket=bucket, Key=key, Body=written.replace('"published": true', '"published": false').encode()
    )

    api.call("POST", "/v1alpha2", a_task(id="halfway"))

    assert [m["metadata"]["id"] for m in api.messages("sdxl-turbo")] == ["halfway"]


@pytest.mark.parametrize(
    "change", [{"content": {"prompt": "a cat"}}, {"prefix": "elsewhere"}, {"context": 2}]
)
def test_another_task_under_the_same_id_is_409(api: Deployed, change: dict[str, Any]) -> None:
    api.call("POST", "/v1alpha2", a_task(id="mine"))

    reply = api.call("POST", "/v1alpha2", a_task(id="mine", **change))

    assert reply.status == 409
    assert "mine" in reply.body["detail"]


BAD = [
    ({}, ["task"]),
    ([], ["body"]),
    ("task", ["body"]),
    ({"task": None}, ["task"]),
    ({"task": {}}, ["task.metadata", "task.content"]),
    (a_task(runtime=7), ["task.metadata.runtime"]),
    (a_task(id="../etc"), ["task.metadata.id"]),
    (a_task(id="line\n"), ["task.metadata.id"]),
    (a_task(id=LONG), ["task.metadata.id"]),
    (a_task(prefix="a/../b"), ["task.metadata.prefix"]),
    (a_task(prefix=".tasks"), ["task.metadata.prefix"]),
    (a_task(prefix="a/" * 129), ["task.metadata.prefix"]),
    (a_task(tasktype="pipeline"), ["task.metadata.tasktype"]),
    (a_task(runtime="comfyui"), ["task.metadata.tasktype"]),
    (a_task(timeoutSeconds=0), ["task.metadata.timeoutSeconds"]),
    (a_task(timeoutSeconds=True), ["task.metadata.timeoutSeconds"]),
    (a_task(context="x" * 65_536), ["task.metadata.context"]),
    (a_task(tiemoutSeconds=60), ["task.metadata.tiemoutSeconds"]),
    (a_task(assets={}, sender="x"), ["task.metadata.assets", "task.metadata.sender"]),
    (a_task(content={"a": nested(70)}), ["task"]),
    (a_task(content={}), ["task.content"]),
    (a_task(content="a dog"), ["task.content"]),
    (b"", ["body"]),
    (b"{", ["body"]),
    (b'{"task": NaN}', ["body"]),
    (b'{"task": 1e999}', ["body"]),
    (b'{"task": ' + b"9" * 400 + b"}", ["body"]),
    (b'{"task": 18446744073709551616}', ["body"]),
    (b'{"task": -9223372036854775809}', ["body"]),
    (b"[" * 100_000, ["body"]),
    (b"\xff\xfe", ["body"]),
]


@pytest.mark.parametrize(("body", "fields"), BAD)
def test_a_bad_body_is_400_with_the_fields_that_are_wrong(
    api: Deployed, body: Any, fields: list[str]
) -> None:
    reply = api.call("POST", "/v1alpha2", body)

    assert reply.status == 400, reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.fields == fields
    assert fields[0] in reply.body["detail"]


BAD_LEGACY = [
    ({"prompt": "x"}, ["alwayson_scripts"]),
    ({"alwayson_scripts": {}}, ["alwayson_scripts.task", "alwayson_scripts.sd_model_checkpoint"]),
    (
        {
            "alwayson_scripts": {
                "task": "dance",
                "sd_model_checkpoint": "m",
                "id_task": "a b",
                "save_dir": "a//b",
            }
        },
        ["alwayson_scripts.task", "alwayson_scripts.id_task", "alwayson_scripts.save_dir"],
    ),
]


@pytest.mark.parametrize(("body", "fields"), BAD_LEGACY)
def test_a_bad_v1alpha1_body_is_400_with_its_fields(api: Deployed, body: Any, fields: list[str]) -> None:
    reply = api.call("POST", "/v1alpha1", body)

    assert (reply.status, reply.fields) == (400, fields)


def test_a_runtime_that_is_not_there_is_404_and_says_which_there_are(api: Deployed) -> None:
    reply = api.call("POST", "/v1alpha2", a_task(runtime="sdxl"))

    assert reply.status == 404
    assert "comfyui, invokeai, sdxl-turbo" in reply.body["detail"]


def test_a_task_over_the_limit_is_413_with_advice_and_leaves_no_trace(api: Deployed) -> None:
    task = a_task(id="large", content={"init_images": ["x" * protocol.CONTENT_MAX_BYTES]})

    reply = api.call("POST", "/v1alpha2", task)

    assert reply.status == 413
    assert "URLs" in reply.body["detail"]
    assert api.call("GET", "/v1alpha2/sdxl-turbo/large").status == 404


def test_a_content_over_the_limit_of_sns_is_in_the_bucket_and_its_message_has_the_digest(
    api: Deployed,
) -> None:
    api.messages("sdxl-turbo")
    content = {"init_images": ["x" * 2_000_000], "prompt": "猫"}
    task = a_task(id="checked", content=content)

    replies = [api.call("POST", "/v1alpha2", task) for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 200]
    [message] = api.messages("sdxl-turbo")
    digest = hashlib.sha256(protocol.canonical_json(content).encode()).hexdigest()
    assert message[protocol.CONTENT_DIGEST] == digest and "content" not in message
    assert message["metadata"]["id"] == "checked"
    assert api.read("sdxl-turbo", protocol.content_key("checked")) == content
    assert api.read("sdxl-turbo", protocol.request_key("checked"))["sha256"] == digest


def test_another_large_task_under_the_id_is_refused_and_changes_nothing(api: Deployed) -> None:
    first, second = ({"init_images": [letter * 300_000]} for letter in "ab")
    api.call("POST", "/v1alpha2", a_task(id="twice-large", content=first))

    assert api.call("POST", "/v1alpha2", a_task(id="twice-large", content=second)).status == 409
    assert api.read("sdxl-turbo", protocol.content_key("twice-large")) == first


def test_a_task_just_under_the_limit_of_sns_arrives_whole(api: Deployed) -> None:
    api.messages("sdxl-turbo")
    prompt = "猫" * 43_000  # three bytes as UTF-8, six as JSON in ASCII

    assert api.submit("nearly-large", prompt=prompt).status == 200
    assert api.messages("sdxl-turbo")[0]["content"]["prompt"] == prompt


def test_text_that_sqs_would_refuse_arrives_as_it_was_sent(api: Deployed) -> None:
    api.messages("sdxl-turbo")

    assert api.submit("odd", prompt="\x00 \x1b \ufffe \ud83d").status == 200
    assert api.messages("sdxl-turbo")[0]["content"]["prompt"] == "\x00 \x1b \ufffe \ud83d"


def test_only_the_api_itself_names_the_files_of_assets(api: Deployed) -> None:
    file = {"a": {"key": "another-task/another-task-1.png", "name": "a.png"}}

    reply = api.call("POST", "/v1alpha2", a_task(assets=file))

    assert (reply.status, reply.fields) == (400, ["task.metadata.assets"])


def send(api: Deployed, output: dict[str, object]) -> Reply:
    """Send a task with these options for its pictures."""
    metadata = {"runtime": "sdxl-turbo", "tasktype": "text-to-image", "output": output}
    return api.call("POST", "/v1alpha2", {"task": {"metadata": metadata, "content": {"prompt": "x"}}})


@pytest.mark.parametrize(
    ("output", "field", "detail"),
    [
        ({"format": "gif"}, "task.metadata.output.format", "must be one of png, jpeg, webp"),
        ({"quality": 80}, "task.metadata.output.quality", "is only for the formats jpeg and webp"),
        ({"thumbnail": {}}, "task.metadata.output.thumbnail.maxSize", "is missing"),
        ({"maxSize": 8}, "task.metadata.output.maxSize", "must be at least 16"),
        ({}, "task.metadata.output", "must not be empty"),
    ],
)
def test_options_for_pictures_that_are_wrong_are_refused(
    api: Deployed, output: dict[str, object], field: str, detail: str
) -> None:
    reply = send(api, output)

    assert reply.status == 400
    assert [(error["field"], error["detail"][: len(detail)]) for error in reply.body["errors"]] == [
        (field, detail)
    ]


def test_options_for_pictures_reach_the_agent(api: Deployed) -> None:
    wanted = {"format": "webp", "quality": 80, "thumbnail": {"maxSize": 256}}
    api.messages("sdxl-turbo")

    assert send(api, wanted).status == 200

    [message] = api.messages("sdxl-turbo")
    assert message["metadata"]["output"] == wanted
