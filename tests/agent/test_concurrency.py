"""Long work outside of the event loop."""

import asyncio
import json

import pytest
from queue_agent.concurrency import off_loop
from queue_agent.task.messages import Defaults, parse
from queue_agent.task.protocol import MAX_CONTAINERS

# What takes most time to parse: as many objects as a task may have, and numbers up to the size of a message.
CONTENT = {"a": [{"a": 1}] * (MAX_CONTAINERS - 10) + [1] * 300_000}
BODY = json.dumps({"metadata": {"id": "cat", "tasktype": "text-to-image"}, "content": CONTENT})


async def test_the_event_loop_goes_on_while_the_largest_message_is_parsed():
    turns, reading = 0, asyncio.ensure_future(off_loop(len(BODY), parse, BODY, Defaults("sdwebui", 100), 1))

    while not reading.done():
        await asyncio.sleep(0.001)
        turns += 1

    assert reading.result().id == "cat"
    assert turns > 10


@pytest.mark.parametrize("size", [0, 2**16])
async def test_short_work_is_done_at_once(size: int):
    begun = off_loop(size, len, "abc")

    with pytest.raises(StopIteration) as done:
        begun.send(None)
    assert done.value.value == 3
