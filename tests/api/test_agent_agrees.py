"""What the API takes, the agent takes too: a task that got its 200 must not end as a malformed message."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from queue_agent.task import messages

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
    {"runtime": st.just("a"), "tasktype": st.sampled_from(schema.SD_WEBUI_TASKS)},
    optional={
        "id": ODD | st.from_regex(schema.ID_PATTERN, fullmatch=True),
        "prefix": ODD | st.from_regex(schema.PREFIX_PATTERN, fullmatch=True) | st.text(),
        "context": JSON,
        "timeoutSeconds": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    },
)


def taken(metadata: dict[str, Any], content: dict[str, Any]) -> bool:
    """Whether the API takes it."""
    body = {"task": {"metadata": metadata, "content": content}}
    wrong = [
        *validation.faults(body, schema.task("sdwebui", ["a"]), ""),
        *validation.too_much(metadata, content, ""),
    ]
    return not wrong


@given(metadata=METADATA, content=st.dictionaries(st.text(), JSON, max_size=3))
def test_a_task_that_the_api_takes_is_a_task_to_the_agent(
    metadata: dict[str, Any], content: dict[str, Any]
) -> None:
    if taken(metadata, content):
        told = {"id": "a", **metadata, "prefix": metadata.get("prefix", "").strip("/")}
        task = Task(Runtime("a", "sdwebui", "bucket", None), told, content, ("runtime", "a"))

        parsed = messages.parse(task.message, DEFAULTS, attempt=1)

        assert (parsed.id, parsed.prefix, parsed.content) == (told["id"], told["prefix"], content)
        assert parsed.request_sha256 == task.request["sha256"]


@given(prefix=ODD | st.text(max_size=10))
def test_both_refuse_the_same_prefixes(prefix: str) -> None:
    told = {"id": "a", "tasktype": "b", "prefix": prefix}
    body = validation.canonical({"metadata": told, "content": {}})
    try:
        messages.parse(body, DEFAULTS, attempt=1)
        agent = True
    except messages.Malformed:
        agent = False

    api = taken({"runtime": "a", "tasktype": "text-to-image", "prefix": prefix}, {"a": 1})

    assert api is agent


def test_both_draw_the_line_at_the_same_depth_and_size() -> None:
    assert (validation.MAX_DEPTH, validation.MAX_CONTEXT_BYTES) == (messages.DEPTH, messages.CONTEXT_BYTES)
