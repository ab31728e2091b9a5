"""The adapter for containers of one's own, against a program that answers in each of the ways."""

import asyncio
import json
from collections.abc import Callable

import pytest
from aiohttp import ClientSession, web
from queue_agent.adapters.custom.adapter import Custom
from queue_agent.adapters.shared.http import Http
from queue_agent.contract import RuntimeUnavailable, TaskError

from tests.agent.adapters.conftest import Sim, as_input, as_text, picture, run_task, task, wait_until

SMALL = {"prompt": "a cat", "seed": 3, "width": 64, "height": 48}


@pytest.fixture(scope="module")
def sim(simulate: Callable[..., Sim]) -> Sim:
    return simulate("custom", "--plain", "--service-time", "0.05")


@pytest.fixture
def custom(sim: Sim, http: Callable[[Sim], Http]) -> Custom:
    sim.clear_faults()
    return Custom(http(sim), "/tasks", "/health")


@pytest.mark.parametrize("answer", ["json", "bytes", "url"])
async def test_pictures_come_as_base64_as_bytes_or_by_url(custom: Custom, answer: str):
    result = (await run_task(custom, task("custom", {**SMALL, "answer": answer}))).result

    assert [(o.content_type, o.kind) for o in result.outputs] == [("image/png", "image")]


async def test_seed_model_and_metadata_are_kept(custom: Custom):
    result = (await run_task(custom, task("custom", SMALL))).result

    assert (result.seed, result.model) == (3, "simulated-painter")
    assert result.metadata["size"] == "64x48"


async def test_a_fetched_picture_is_sent_as_data_uri_in_its_place(custom: Custom):
    asked = task("custom", {**SMALL, "images": ["kept", "https://example.com/a.png"], "mask": "m"})
    assert custom.image_fields(asked) == [("mask",), ("images", 0), ("images", 1)]

    prepared = await custom.prepare(asked, {("images", 1): as_input(picture())})

    document = json.loads(prepared.payload.read())
    assert document["content"]["images"] == ["kept", f"data:image/png;base64,{as_text(picture())}"]
    assert document["id"] == asked.id


async def test_a_program_that_knows_the_key_does_no_task_twice(sim: Sim, custom: Custom):
    sim.fault("slow")
    asked = task("custom", SMALL)
    prepared = await custom.prepare(asked, {})
    first = asyncio.ensure_future(custom.run(prepared, lambda _: None))
    await wait_until(lambda: sim.runs(asked.id))
    first.cancel()

    await run_task(custom, asked)

    assert sim.outcomes(asked.id) == ["done"]


async def test_what_the_program_refuses_is_the_tasks_fault(custom: Custom):
    with pytest.raises(TaskError, match="rejected"):
        await run_task(custom, task("custom", {**SMALL, "width": -1}))


@pytest.mark.parametrize(
    ("fault", "code"),
    [("oom", "out_of_memory"), ("mount", "node_error"), ("refuse", "runtime_error")],
)
async def test_what_the_program_fails_at_is_worth_another_try(
    sim: Sim, custom: Custom, fault: str, code: str
):
    sim.fault(fault)

    with pytest.raises(RuntimeUnavailable) as caught:
        await run_task(custom, task("custom", SMALL))
    assert caught.value.code == code


async def test_an_exception_of_the_program_is_the_tasks_fault(sim: Sim, custom: Custom):
    sim.fault("error")

    with pytest.raises(TaskError, match="execution_error"):
        await run_task(custom, task("custom", SMALL))


@pytest.mark.parametrize(
    ("status", "body", "content_type"),
    [
        (500, "", "text/plain"),
        (500, "Internal Server Error", "text/plain"),
        (500, '{"detail": "Internal Server Error"}', "application/json"),
        (500, "<h1>Internal Server Error</h1><p>ValueError</p>", "text/html"),
        (500, '{"error": "CUDA out of memory. Tried to allocate 2.00 GiB"}', "application/json"),
        (500, '{"error": "RuntimeError", "detail": "CUDA error: device-side assert"}', "application/json"),
        (500, "OSError: [Errno 28] No space left on device", "text/plain"),
        (502, '{"error": "bad prompt"}', "application/json"),
        (503, '{"error": "bad prompt"}', "application/json"),
        (504, '{"error": "bad prompt"}', "application/json"),
        (507, '{"error": "bad prompt"}', "application/json"),
    ],
)
async def test_a_5xx_without_a_reason_or_by_gpu_and_node_is_worth_another_try(
    session: ClientSession, status: int, body: str, content_type: str
):
    answer = {"status": status, "text": body, "content_type": content_type}
    async with program(lambda _: web.Response(**answer)) as url:
        with pytest.raises(RuntimeUnavailable):
            await run_task(Custom(Http(session, url, 10_000), "/tasks", "/health"), task("custom", SMALL))


async def test_a_value_of_the_task_that_reads_like_a_fault_is_the_tasks(session: ClientSession):
    answer = web.json_response({"error": "ValueError", "detail": "no scheduler cudnn"}, status=500)
    async with program(lambda _: answer) as url:
        adapter = Custom(Http(session, url, 10_000), "/tasks", "/health")
        with pytest.raises(TaskError, match="execution_error"):
            await run_task(adapter, task("custom", {**SMALL, "scheduler": "cudnn", "image": "x" * 100_000}))


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (500, '{"error": "ValueError", "detail": "unknown scheduler euler_x"}', "execution_error"),
        (500, '{"detail": "mat1 and mat2 shapes cannot be multiplied"}', "execution_error"),
        (500, "RuntimeError: The size of tensor a (96) must match", "execution_error"),
        (501, '{"error": "no such operation"}', "execution_error"),
        (404, '{"error": "no such model"}', "rejected"),
        (422, '{"detail": "width: field required"}', "rejected"),
    ],
)
async def test_any_other_error_has_one_answer(session: ClientSession, status: int, body: str, code: str):
    async with program(lambda _: web.Response(status=status, text=body)) as url:
        with pytest.raises(TaskError) as caught:
            await run_task(Custom(Http(session, url, 10_000), "/tasks", "/health"), task("custom", SMALL))
    assert caught.value.code == code


async def test_an_answer_without_pictures_is_not_a_success(sim: Sim, custom: Custom):
    sim.fault("no-output")

    with pytest.raises(RuntimeUnavailable, match="no_output"):
        await run_task(custom, task("custom", SMALL))


async def test_an_output_that_is_not_a_picture_is_not_a_success(sim: Sim, custom: Custom):
    sim.fault("broken-output")

    with pytest.raises(RuntimeUnavailable, match="broken_output"):
        await run_task(custom, task("custom", SMALL))


async def test_it_is_ready_when_its_probe_answers(sim: Sim, http: Callable[[Sim], Http]):
    assert await Custom(http(sim), "/tasks", "/health").ready()
    assert not await Custom(http(sim), "/tasks", "/no-such-path").ready()


@pytest.mark.parametrize("status", [408, 425, 429, 503])
async def test_an_answer_that_asks_for_patience_is_not_the_tasks_fault(session: ClientSession, status: int):
    async with program(lambda _: web.Response(status=status)) as url:
        with pytest.raises(RuntimeUnavailable):
            await run_task(Custom(Http(session, url, 10_000), "/tasks", "/health"), task("custom", SMALL))


@pytest.mark.parametrize(
    "image",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://example.com/a.png",
        {"url": "//example.com/a.png"},
        {},
    ],
)
async def test_a_url_that_is_not_the_programs_own_is_not_fetched(session: ClientSession, image: object):
    async with program(lambda _: web.json_response({"images": [image]})) as url:
        with pytest.raises(TaskError, match="output_refused"):
            await run_task(Custom(Http(session, url, 10_000), "/tasks", "/health"), task("custom", SMALL))


async def test_base64_that_begins_like_a_path_is_base64(session: ClientSession):
    jpeg = as_text(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00")
    assert jpeg.startswith("/")

    async with program(lambda _: web.json_response({"images": [jpeg]})) as url:
        adapter = Custom(Http(session, url, 10_000), "/tasks", "/health")
        assert (await run_task(adapter, task("custom", SMALL))).result.outputs[0].content_type == "image/jpeg"


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b"fLaC" + bytes(40), "application/octet-stream", "audio"),
        (b"glTF\2\0\0\0" + bytes(20), "model/gltf-binary", "model"),
        (picture(), "binary/octet-stream", "image"),
    ],
)
async def test_a_file_whose_response_names_no_type_or_a_model_is_the_output(
    session: ClientSession, body: bytes, content_type: str, kind: str
):
    async with program(lambda _: web.Response(body=body, content_type=content_type)) as url:
        adapter = Custom(Http(session, url, 10_000), "/tasks", "/health")
        (output,) = (await run_task(adapter, task("custom", SMALL))).result.outputs

    assert output.kind == kind


class program:  # noqa: N801 (used as a function is)
    """A program that answers every task so."""

    def __init__(self, answer: Callable[[web.Request], web.Response]) -> None:
        self._answer = answer

    async def __aenter__(self) -> str:
        async def act(request: web.Request) -> web.Response:
            return self._answer(request)

        app = web.Application()
        app.router.add_post("/tasks", act)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
