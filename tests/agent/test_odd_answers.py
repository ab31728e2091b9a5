"""Runtimes whose answers have an unexpected form: the agent waits, and goes on once they make sense."""

import asyncio
import http.server
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from queue_agent.adapters import create
from queue_agent.adapters.guarded import OF_THE_CONTRACT, GuardedAdapter
from queue_agent.adapters.shared.http import session as runtime_session
from queue_agent.blobs import Scratch
from queue_agent.contract import FinishedRun, Prepared, Task
from queue_agent.flow.supervisor import Supervisor
from queue_agent.ops.metrics import Metrics
from queue_agent.settings import Settings, from_environment

from testing.world import World, log_records, wait_for

pytestmark = pytest.mark.thorough

ODD = {
    "list": b"[]",
    "null": b"null",
    "number": b"7",
    "text": b'"ready"',
    "object without fields": b"{}",
    "state is a list": b'{"state": [], "progress": []}',
    "job_count is text": b'{"state": {"job_count": "many"}, "progress": 0}',
    "NaN": b'{"state": {"job_count": NaN}, "progress": NaN}',
    "too deep": b"[" * 100_000,
    "deep and closed": b'{"state":' * 5000 + b"1" + b"}" * 5000,
    "not JSON": b"<html>",
    "not UTF-8": b"\xff\xfe\x00",
    "empty": b"",
}


@contextmanager
def answering(body: bytes, port: int = 0) -> Iterator[str]:
    """A server that answers every request with 200 and this body: its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 (the name that http.server asks for)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


TASKS = {
    "sdwebui": ("text-to-image", {"prompt": "x"}),
    "comfyui": ("pipeline", {"1": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}}}),
    "invokeai": ("graph", {"graph": {"nodes": {"a": {"type": "noise", "id": "a"}}, "edges": []}}),
    "custom": ("custom", {"prompt": "x"}),
}


@pytest.fixture(params=TASKS)
def runtime_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settings_for(runtime_type: str, url: str) -> Settings:
    static = {"MODEL_FILENAME": "m.safetensors"} if runtime_type == "sdwebui" else {}
    return from_environment(
        {
            "AWS_REGION": "us-west-2",
            "RUNTIME_NAME": "painter",
            "RUNTIME_TYPE": runtime_type,
            "RUNTIME_URL": url,
            "SQS_QUEUE_URL": "http://127.0.0.1:1/1/tasks",
            "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:1/1/dead",
            "S3_BUCKET": "pictures",
            "SNS_TOPIC_ARN": "arn:aws:sns:us-west-2:123456789012:results",
            **static,
        }
    )


async def outcome(call: Coroutine[Any, Any, Any]) -> Any:
    """What a call returns, or what it raises of the contract. It may also wait for the runtime."""
    try:
        async with asyncio.timeout(0.3):
            return await call
    except (*OF_THE_CONTRACT, TimeoutError) as error:
        return error


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_whatever_a_runtime_answers_an_adapter_raises_only_what_the_contract_names(
    runtime_type: str, body: bytes
):
    tasktype, content = TASKS[runtime_type]
    task = Task("cat", "painter", tasktype, "", {}, content, "ab", 10, 1)
    with answering(body) as url:
        async with runtime_session() as http:
            adapter = GuardedAdapter(create(settings_for(runtime_type, url), http, Scratch()))
            answers = [await outcome(call()) for call in (adapter.ready, adapter.idle, adapter.clear)]
            answers += [await outcome(adapter.warm_up()), await outcome(adapter.cancel(task))]
            prepared = await outcome(adapter.prepare(task, {}))
            if isinstance(prepared, Prepared):
                finished = await outcome(adapter.run(prepared, lambda progress: None))
                if isinstance(finished, FinishedRun):
                    answers.append(await outcome(adapter.collect(finished)))

    assert isinstance(answers[0], bool)


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_whatever_a_runtime_answers_it_is_watched_on(runtime_type: str, body: bytes):
    with answering(body) as url:
        async with runtime_session() as http:
            adapter = GuardedAdapter(create(settings_for(runtime_type, url), http, Scratch()))
            supervisor = Supervisor(adapter, Metrics(), lambda: False, lambda available: None, 300)
            watching = asyncio.ensure_future(supervisor.watch())
            await asyncio.wait({watching}, timeout=0.2)
            assert not watching.done()
            watching.cancel()


def test_a_runtime_that_answers_nonsense_at_first_does_its_task_later(world: World):
    with answering(b"[]") as url:
        agent = world.agent(url)
        world.send(["cat"])
        wait_for(lambda: [line for line in log_records(agent) if line["event"] == "waiting for the runtime"])
    world.runtime("--service-time", "0.05", port=int(url.rpartition(":")[2]))

    assert world.callbacks_for(["cat"])["cat"]["status"] == "completed"
    assert agent.alive
