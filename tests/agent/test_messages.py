import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from queue_agent.task.messages import Defaults, MalformedMessageError, parse
from queue_agent.task.protocol import canonical_json

DEFAULTS = Defaults("sdwebui", 100)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def body(content: object = None, **metadata: object) -> str:
    complete = {"id": "cat", "runtime": "painter", "tasktype": "text-to-image", **metadata}
    return json.dumps({"metadata": complete, "content": {} if content is None else content})


def test_a_task_has_what_its_sender_wrote():
    task = parse(body({"prompt": "x"}, prefix="/a/b/", context=[1]), DEFAULTS, 2)

    assert (task.id, task.prefix, task.context, task.attempt) == ("cat", "a/b", [1], 2)
    assert task.request_sha256 == hashlib.sha256(b'{"prompt":"x"}').hexdigest()


def test_the_order_of_keys_makes_no_other_request():
    first, reordered = {"a": 1, "b": {"c": 2, "d": "é"}}, {"b": {"d": "é", "c": 2}, "a": 1}

    assert canonical_json(first) == canonical_json(reordered)


def test_a_sender_may_ask_for_less_time_but_not_for_more():
    asked = [parse(body(timeoutSeconds=seconds), DEFAULTS, 1).timeout_seconds for seconds in (5, 500)]

    assert asked == [5, 100]


def test_a_task_type_may_be_left_out_where_there_is_one_only():
    text = json.dumps({"metadata": {"id": "cat"}, "content": {"1": {}}})

    assert parse(text, Defaults("comfyui", 100), 1).tasktype == "pipeline"
    with pytest.raises(MalformedMessageError, match="tasktype"):
        parse(text, DEFAULTS, 1)


@given(JSON, JSON, JSON, JSON)
def test_any_metadata_gives_a_safe_task_or_malformed(task_id, prefix, tasktype, context):
    try:
        task = parse(body(id=task_id, prefix=prefix, tasktype=tasktype, context=context), DEFAULTS, 1)
    except MalformedMessageError:
        return
    key = f"{task.prefix}/{task.id}"
    assert ".." not in key.split("/") and len(key) <= 321
    assert key.isascii() and key.isprintable()


@given(st.text() | JSON.map(json.dumps))
def test_any_body_gives_a_task_or_malformed(text: str):
    try:
        parse(text, DEFAULTS, 1)
    except MalformedMessageError as fault:
        assert fault.reason


def test_a_task_may_wait_as_long_as_it_says() -> None:
    waits = [parse(body(**fields), DEFAULTS, 1).ttl_seconds for fields in ({}, {"ttlSeconds": 90})]

    assert waits == [math.inf, 90.0]


@pytest.mark.parametrize("ttl", [0, -1, True, "60", [60]])
def test_a_time_to_live_is_a_positive_number(ttl: Any) -> None:
    with pytest.raises(MalformedMessageError, match="ttlSeconds"):
        parse(body(ttlSeconds=ttl), DEFAULTS, 1)
