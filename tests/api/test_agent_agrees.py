"""What the API takes, the agent takes too: a task that got its 200 must not end as a malformed message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from queue_agent.task import messages, protocol

import sd_on_eks
from api import schema, validation
from api.settings import Runtime
from api.tasks import Task

DEFAULTS = messages.Defaults(runtime_type="sdwebui", timeout_seconds=1800)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
ODD = st.sampled_from(
    ["", "/", "a", "a/b", "a..b", "a.", ".a", "..", "a//b", "/a/", "a/../b", "-", "a" * 64, "a" * 257]
)
METADATA = st.fixed_dictionaries(
    {"runtime": st.just("a"), "tasktype": st.sampled_from(protocol.TASK_TYPES["sdwebui"])},
    optional={
        "id": ODD | st.from_regex(protocol.ID_PATTERN, fullmatch=True),
        "prefix": ODD | st.from_regex(protocol.PREFIX_PATTERN, fullmatch=True) | st.text(),
        "context": JSON,
        "timeoutSeconds": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    },
)


def accepted_by_the_api(metadata: dict[str, Any], content: dict[str, Any]) -> bool:
    """Whether the API takes it."""
    body = {"task": {"metadata": metadata, "content": content}}
    wrong = [
        *validation.schema_errors(body, schema.task_schema("sdwebui", ["a"]), ""),
        *validation.limit_errors(metadata, content, ""),
    ]
    _, number_out_of_range = protocol.parse_json(protocol.canonical_json(body))
    return not wrong and not number_out_of_range


@given(metadata=METADATA, content=st.dictionaries(st.text(), JSON, max_size=3))
def test_a_task_that_the_api_takes_is_a_task_to_the_agent(
    metadata: dict[str, Any], content: dict[str, Any]
) -> None:
    if accepted_by_the_api(metadata, content):
        complete = {"id": "a", **metadata, "prefix": metadata.get("prefix", "").strip("/")}
        task = Task(Runtime("a", "sdwebui", "bucket", None), complete, content, ("runtime", "a"), "web-shop")

        parsed = messages.parse(task.message, DEFAULTS, attempt=1)

        assert (parsed.id, parsed.prefix, parsed.content) == (complete["id"], complete["prefix"], content)
        assert parsed.request_sha256 == task.request["sha256"]
        assert parsed.sender == "web-shop"


@given(prefix=ODD | st.text(max_size=10))
def test_both_refuse_the_same_prefixes(prefix: str) -> None:
    metadata = {"id": "a", "tasktype": "b", "prefix": prefix}
    body = protocol.canonical_json({"metadata": metadata, "content": {}})
    try:
        messages.parse(body, DEFAULTS, attempt=1)
        agent = True
    except messages.MalformedMessageError:
        agent = False

    api = accepted_by_the_api({"runtime": "a", "tasktype": "text-to-image", "prefix": prefix}, {"a": 1})

    assert api is agent


def nested(levels: int) -> dict[str, Any]:
    """An object that holds others, `levels` in all, around a string."""
    return {"a": nested(levels - 1)} if levels else {"a": "x"}


def test_both_accept_the_deepest_task_and_refuse_a_deeper_one() -> None:
    for levels, accepted in ((protocol.MAX_DEPTH - 2, True), (protocol.MAX_DEPTH - 1, False)):
        content = nested(levels)
        metadata = {"id": "a", "runtime": "a", "tasktype": "text-to-image"}
        body = protocol.canonical_json({"metadata": metadata, "content": content})

        assert accepted_by_the_api(metadata, content) is accepted
        if accepted:
            assert messages.parse(body, DEFAULTS, attempt=1).content == content
        else:
            with pytest.raises(messages.MalformedMessageError, match="deeper"):
                messages.parse(body, DEFAULTS, attempt=1)


def test_both_accept_the_most_containers_and_refuse_one_more() -> None:
    metadata = {"id": "a", "runtime": "a", "tasktype": "text-to-image"}
    for more, accepted in ((0, True), (1, False)):
        # Besides those in the list: the list, the content, the metadata, and what holds these two.
        content = {"a": [{}, []] * (protocol.MAX_CONTAINERS // 2 - 2) + [{}] * more}
        body = protocol.canonical_json({"metadata": metadata, "content": content})

        assert accepted_by_the_api(metadata, content) is accepted
        if accepted:
            assert messages.parse(body, DEFAULTS, attempt=1).content == content
        else:
            with pytest.raises(messages.MalformedMessageError, match="more than 50000 objects and arrays"):
                messages.parse(body, DEFAULTS, attempt=1)


def test_the_client_waits_for_the_states_in_which_a_task_has_ended() -> None:
    # The generator's wheel holds no agent: sd_on_eks.ENDED is a copy.
    assert {*protocol.TaskState} - {protocol.TaskState.QUEUED, protocol.TaskState.RUNNING} == sd_on_eks.ENDED
