"""Messages that nobody should send. Each is set aside and answered, and the agent goes on."""

import json

import pytest
from queue_agent.task.protocol import MAX_CONTAINERS

from testing.world import World, log_records, wait_for

DEEP = "[" * 100_000 + "]" * 100_000
UNREADABLE = {
    "no JSON": "hello",
    "empty object": "{}",
    "a list": "[1, 2]",
    "null": "null",
    "deep JSON": DEEP,
    "deep JSON in an object": '{"metadata": {"id": "x"}, "content": '
    + '{"a":' * 5000
    + "1"
    + "}" * 5000
    + "}",
    "deeper than any workflow": '{"metadata": {"id": "x", "tasktype": "text-to-image"}, "content": '
    + '{"a":' * 100
    + "1"
    + "}" * 101,
    "NaN": '{"metadata": {"id": "nan"}, "content": {"a": NaN}}',
    "a huge number": '{"metadata": {"id": "n"}, "content": {"a": 1' + "0" * 5000 + "}}",
    "an envelope of nothing": '{"Type": "Notification", "Message": "nothing"}',
    "an envelope in an envelope": json.dumps(
        {"Type": "Notification", "Message": json.dumps({"Type": "Notification"})}
    ),
    "no content": '{"metadata": {"id": 5, "tasktype": "text-to-image"}}',
    "id with a path": json.dumps({"metadata": {"id": "../../other"}, "content": {}}),
    "id with a control character": json.dumps({"metadata": {"id": "a\u0007b"}, "content": {}}),
    "id with a newline": json.dumps({"metadata": {"id": "ab\n"}, "content": {}}),
    "id too long": json.dumps({"metadata": {"id": "a" * 65}, "content": {}}),
    "id of another kind": json.dumps({"metadata": {"id": {"a": 1}}, "content": {}}),
    "id true": json.dumps({"metadata": {"id": True}, "content": {}}),
    "half a character": '{"metadata": {"id": "ab", "tasktype": "text-to-image"}, "content": "\\ud800"}',
}
ANSWERABLE = {
    "up": {"prefix": "../other"},
    "inside": {"prefix": "a/../../b"},
    "own": {"prefix": ".tasks/cat"},
    "empty": {"prefix": "a//b"},
    "control": {"prefix": "a\u0000b"},
    "long": {"prefix": "a" * 257},
    "number": {"prefix": 7},
    "context": {"context": {"a": "b" * 70_000}},
    "type": {"tasktype": ["x"]},
    "slow": {"timeoutSeconds": "soon"},
    "back": {"timeoutSeconds": -1},
}


def test_an_unreadable_message_is_dead_lettered_and_the_next_task_is_done(world: World):
    runtime = world.runtime("--service-time", "0.05")
    agent = world.agent(runtime.url)

    for body in UNREADABLE.values():
        world.send_body(body)
    world.send(["good"])

    assert world.callbacks_for(["good"])["good"]["status"] == "completed"
    assert wait_for(lambda: world.messages_left() == 0)
    assert sorted(world.take_dead_letters()) == sorted(UNREADABLE.values())
    assert runtime.runs() == ["good"]
    assert not [line for line in log_records(agent) if "traceback" in line]


@pytest.mark.thorough
def test_what_has_an_id_is_answered_as_well(world: World):
    runtime = world.runtime("--service-time", "0.05")
    world.agent(runtime.url)

    for name, metadata in ANSWERABLE.items():
        world.send([name], **metadata)
    callbacks = world.callbacks_for(ANSWERABLE)

    assert {callback["error"]["code"] for callback in callbacks.values()} == {"malformed"}
    assert all(callback["status"] == "failed" for callback in callbacks.values())
    assert len(world.take_dead_letters()) == len(ANSWERABLE)
    assert world.outputs() == []


NUMBERS = {
    "nan": '{"metadata": {"id": "nan", "tasktype": "text-to-image"}, "content": {"a": NaN}}',
    "infinite": '{"metadata": {"id": "infinite", "tasktype": "text-to-image"}, "content": {"a": 1e999}}',
    "long": '{"metadata": {"id": "long", "tasktype": "text-to-image"}, "content": {"seed": %s}}'
    % ("9" * 400),
    "very-long": '{"metadata": {"id": "very-long", "tasktype": "text-to-image"}, "content": {"seed": -%s}}'
    % ("9" * 10_000),
    "timeout": '{"metadata": {"id": "timeout", "tasktype": "text-to-image", "timeoutSeconds": %s}, '
    '"content": {}}' % ("9" * 400),
    "in-context": '{"metadata": {"id": "in-context", "tasktype": "text-to-image", "context": [-Infinity]}, '
    '"content": {}}',
    "too-many": json.dumps(
        {"metadata": {"id": "too-many", "tasktype": "text-to-image"}, "content": {"a": [[]] * MAX_CONTAINERS}}
    ),
    "too-deep": UNREADABLE["deeper than any workflow"].replace('"x"', '"too-deep"'),
}


@pytest.mark.thorough
def test_numbers_and_structures_that_no_runtime_takes_are_answered_with_the_id(world: World):
    runtime = world.runtime("--service-time", "0.05")
    world.agent(runtime.url)

    for body in NUMBERS.values():
        world.send_body(body)
    callbacks = world.callbacks_for(NUMBERS)

    assert {callback["error"]["code"] for callback in callbacks.values()} == {"malformed"}
    assert "out of range" in callbacks["long"]["error"]["message"]
    assert "more than 50000 objects" in callbacks["too-many"]["error"]["message"]
    assert sorted(world.take_dead_letters()) == sorted(NUMBERS.values())


@pytest.mark.thorough
def test_content_of_a_strange_shape_is_answered_by_a_dynamic_runtime_too(world: World):
    runtime = world.runtime("--service-time", "0.05", "--dynamic", "--model", "a.safetensors")
    agent = world.agent(runtime.url, DYNAMIC_SD_MODEL="true", MODEL_FILENAME="", MAX_ATTEMPTS=1)
    strange = {
        "scripts": {"alwayson_scripts": 7},
        "settings": {"override_settings": ["a"]},
        "model": {"override_settings": {"sd_model_checkpoint": {"a": 1}}},
        "old-model": {"alwayson_scripts": {"sd_model_checkpoint": [1]}},
        "images": {"init_images": {"a": 1}, "mask": 3, "imageList": "x"},
        "nested": {"alwayson_scripts": {"controlnet": {"args": [1, None, {"image": []}]}}},
    }

    for name, content in strange.items():
        world.send([name], content)
    callbacks = world.callbacks_for(strange)

    assert {callback["status"] for callback in callbacks.values()} <= {"failed", "completed"}
    assert not [line for line in log_records(agent) if "traceback" in line]


@pytest.mark.thorough
def test_a_body_as_large_as_sqs_takes_is_dead_lettered_whole(world: World):
    runtime = world.runtime("--service-time", "0.05")
    world.agent(runtime.url)
    body = "x" * 2**20

    world.send_body(body)

    assert wait_for(lambda: world.messages_left() == 0)
    assert world.take_dead_letters() == [body]
