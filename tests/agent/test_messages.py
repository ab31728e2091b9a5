import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from queue_agent.task.messages import Defaults, MalformedMessageError, parse, with_content
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


CONTENT = {"prompt": "x" * 300_000, "n": 1}
DIGEST = hashlib.sha256(canonical_json(CONTENT).encode()).hexdigest()


def a_short_message(**changes: object) -> str:
    metadata = {"id": "cat", "tasktype": "text-to-image"}
    return json.dumps({"metadata": metadata, "contentSha256": DIGEST, **changes})


def test_a_large_content_is_that_of_the_message_or_none():
    task = parse(a_short_message(), DEFAULTS, 1)
    assert task.stored and task.content == {} and task.request_sha256 == DIGEST

    whole = with_content(task, json.dumps(CONTENT).encode())

    assert (whole.content, whole.stored, whole.request_sha256) == (CONTENT, False, DIGEST)
    assert whole.size > 300_000
    for data in (b"{}", b"", b"\xff", b"[1]", json.dumps({**CONTENT, "n": 2}).encode()):
        with pytest.raises(MalformedMessageError):
            with_content(task, data)


@pytest.mark.parametrize("digest", ["", "a" * 63, "A" * 64, 7, [], "../" + "a" * 61])
def test_what_is_no_digest_is_malformed(digest: object):
    with pytest.raises(MalformedMessageError):
        parse(a_short_message(contentSha256=digest), DEFAULTS, 1)


def test_a_message_with_its_content_needs_nothing_of_the_bucket():
    task = parse(a_short_message(content={"prompt": "y"}), DEFAULTS, 1)

    assert (task.stored, task.content) == (False, {"prompt": "y"})


@pytest.mark.parametrize("metadata", [{"webhook": 7}, {"webhook": ""}, {"webhook": "a\nb"}, {"links": 1}])
def test_a_webhook_or_links_of_another_kind_are_malformed(metadata: dict[str, object]):
    with pytest.raises(MalformedMessageError, match=f"metadata.{next(iter(metadata))}"):
        parse(body(**metadata), DEFAULTS, 1)


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
