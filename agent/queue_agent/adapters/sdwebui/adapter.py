"""SD WebUI (AUTOMATIC1111 and Forge): https://github.com/AUTOMATIC1111/stable-diffusion-webui, `/sdapi/v1`.

A request returns when its image is done. A request that is queued behind another one is not visible in any
way and cannot be cancelled, so none is sent before the runtime is idle, and none is sent twice.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_agent.adapters.sdwebui import request as bodies
from queue_agent.adapters.sdwebui import samplers
from queue_agent.adapters.sdwebui.models import titles
from queue_agent.adapters.sdwebui.results import Expected, info_of, progress_of, result_of
from queue_agent.adapters.shared import bodies as json_bodies
from queue_agent.adapters.shared.faults import failed_response, words_of
from queue_agent.adapters.shared.http import Http, OpenResponse
from queue_agent.adapters.shared.listener import listening
from queue_agent.blobs import Blob
from queue_agent.concurrency import off_loop
from queue_agent.contract import (
    Cancelled,
    FieldPath,
    FinishedRun,
    InputImage,
    Prepared,
    Progress,
    ProgressCallback,
    RunResult,
    RuntimeUnavailable,
    Task,
    TaskError,
)
from queue_agent.task.sdwebui import MODEL_TASKS, image_paths, named_model, same_model

API = "/sdapi/v1"
PROGRESS = f"{API}/progress?skip_current_image=true"
PROGRESS_SECONDS = 0.5
# The smallest image of A1111: the request waits until the model is loaded.
WARM_UP = {"prompt": "", "steps": 1, "width": 64, "height": 64, "send_images": False, "save_images": False}
# Messages of a 500 with which a task is refused before it runs.
REFUSALS = (
    "Invalid encoded image",
    "Request to local resource not allowed",
    "Could not find checkpoint",
    "could not find upscaler",
)
# A job that makes no progress for so long may be one that has ended: see `idle`.
STALE_SECONDS = 3.0


@dataclass(frozen=True)
class _Request:
    endpoint: str
    body: Blob
    expected: Expected


@dataclass(frozen=True)
class _Finished:
    response: OpenResponse
    expected: Expected


class SdWebUi:
    """One SD WebUI. `default_model` is the file that it was started with, or "" if it was started with none.

    `dynamic`: tasks may name another model; a task that names none gets the default.
    """

    def __init__(self, http: Http, default_model: str, *, dynamic: bool) -> None:
        self._http = http
        self._default, self._dynamic = default_model, dynamic
        self._interrupted: str | None = None
        self._busy_state, self._busy_since = "", 0.0
        self._proof: asyncio.Task[None] | None = None
        self._samplers = samplers.Samplers()

    def model(self, task: Task) -> str | None:
        """The model that the task names or gets by default, on a dynamic runtime."""
        return (named_model(task.content) or self._default or None) if self._dynamic else None

    def image_fields(self, task: Task) -> Sequence[FieldPath]:
        """`init_images`, `mask`, `image`, `imageList`, and URLs among the arguments of scripts."""
        return image_paths(task.content)

    def media_fields(self, _task: Task) -> Sequence[FieldPath]:
        """None: SD WebUI has no inputs of this kind."""
        return ()

    async def nodes(self) -> None:
        """None: its tasks have no nodes that the API could check."""

    async def ready(self) -> bool:
        """Whether it responds. That its model is loaded only a request for an image shows."""
        response = await self._http.probe(PROGRESS)
        return response is not None and response.ok

    async def warm_up(self) -> None:
        """Make the smallest image, which shows that the default model is loaded, or loads it."""
        if self._dynamic and not self._default:
            return
        body = bodies.with_model(WARM_UP, await self._default_title()) if self._dynamic else WARM_UP
        response = await self._http.call("POST", f"{API}/txt2img", payload=body, seconds=None)
        if not response.ok:
            raise RuntimeUnavailable("model_not_loaded", response.reason())
        used = info_of(response.json()).get("sd_model_name")
        if self._default and used and not same_model(str(used), self._default):
            raise RuntimeUnavailable("model_not_loaded", f"{used} is loaded, not {self._default}")

    async def prepare(self, task: Task, images: Mapping[FieldPath, InputImage]) -> Prepared:
        """Validate the task and make the request body, with the fetched images and the model."""
        if task.tasktype not in bodies.ENDPOINTS:
            raise TaskError(
                "unknown_tasktype", f"{task.tasktype!r} is not one of {', '.join(bodies.ENDPOINTS)}"
            )
        body = await off_loop(task.size, bodies.request_body, task, images)
        if body.get("imageList") == []:  # it would answer 200 without an image, at each attempt
            raise TaskError("rejected", "imageList has no images")
        model = None
        if task.tasktype in MODEL_TASKS:
            await self._check_sampler(task.content)
            model = await self._checked_model(named_model(task.content))
            body = bodies.with_model(body, model) if model and self._dynamic else body
        inputs, one_image = len(body.get("imageList") or ()), bool(body.get("script_name"))
        expected = Expected(model, bodies.batches(task.content), inputs, one_image)
        encoded = await json_bodies.encode(body, task.size, self._http.scratch)
        return Prepared(task, _Request(bodies.ENDPOINTS[task.tasktype], encoded, expected), encoded.size)

    async def _checked_model(self, name: str | None) -> str | None:
        """The model that must make the image. For an unknown name SD WebUI would use the current model."""
        if not self._dynamic:
            if name and self._default and not await self._is_default(name):
                raise TaskError("model_unknown", f"this runtime serves {self._default}, not {name}")
            return self._default or None
        if name is None and not self._default:
            raise TaskError("model_missing", "this runtime has no default model: set sd_model_checkpoint")
        return await (self._default_title() if name is None else self._title(name))

    async def _check_sampler(self, content: Mapping[str, Any]) -> None:
        """Raise TaskError for an unknown sampler. Versions without schedulers refuse it themselves."""
        if not samplers.named(content) or not self._samplers.unknown(content):
            return
        rows = [await self._list("samplers"), await self._list("schedulers")]
        if all(rows):
            self._samplers = samplers.listed(*rows)
            if problem := self._samplers.unknown(content):
                raise TaskError("rejected", problem)

    async def _list(self, name: str) -> list[Any]:
        """One of the runtime's lists; empty where it has no such list."""
        response = await self._http.call("GET", f"{API}/{name}")
        if not response.ok and response.status != 404:
            raise RuntimeUnavailable("runtime_error", response.reason())
        document = response.json() if response.ok else None
        return document if isinstance(document, list) else []

    async def _is_default(self, name: str) -> bool:
        """Whether the name means the default model: by file name, title, hash or short hash."""
        return same_model(name, self._default) or any(
            same_model(title, self._default) for title in await self._titles(name)
        )

    async def _default_title(self) -> str:
        """The title of the default model. That it is missing is not the fault of a task."""
        try:
            return await self._title(self._default)
        except TaskError as error:
            raise RuntimeUnavailable("model_not_loaded", error.message) from None

    async def _title(self, name: str) -> str:
        """The title of the model that the name matches. Raises TaskError where that is not exactly one."""
        matches = await self._titles(name)
        if not matches:
            await self._http.call("POST", f"{API}/refresh-checkpoints")
            matches = await self._titles(name)
        if not matches:
            raise TaskError("model_unknown", f"there is no model {name}")
        if len(matches) > 1:
            raise TaskError("model_ambiguous", f"{name} matches {', '.join(matches[:10])}")
        return matches[0]

    async def _titles(self, name: str) -> list[str]:
        return titles(await self._list("sd-models"), name)

    async def run(self, prepared: Prepared, on_progress: ProgressCallback) -> FinishedRun:
        """Send the request once. The response begins when the images are made, so the GPU is free then."""
        request: _Request = prepared.payload
        self._interrupted = None
        async with listening(self._follow(on_progress)):
            response = await self._http.post(f"{API}/{request.endpoint}", request.body)
        if self._interrupted == prepared.task.id:
            # The response is 200 with an unfinished image, and does not say so.
            response.close()
            raise Cancelled
        if not response.ok:
            asked = await self._http.document_of(request.body)
            own = await off_loop(request.body.size, words_of, asked)
            raise failed_response(await response.read(), REFUSALS, own)
        on_progress(Progress(1.0))
        return FinishedRun(prepared.task, _Finished(response, request.expected))

    async def _follow(self, on_progress: ProgressCallback) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            response = await self._http.probe(PROGRESS)
            if response is not None and response.ok:
                on_progress(progress_of(response.json()))

    async def collect(self, run: FinishedRun) -> RunResult:
        """The images with their metadata. An image of another model is a failure."""
        ran: _Finished = run.payload
        return result_of(await (await ran.response.read()).document(), ran.expected)

    async def cancel(self, task: Task) -> None:
        """Interrupt the running request. It is the core's own: none is sent to a busy runtime."""
        self._interrupted = task.id
        await self._http.call("POST", f"{API}/interrupt")

    async def clear(self) -> None:
        """Interrupt the running request: its connection, and so its response, is lost."""
        await self._http.call("POST", f"{API}/interrupt")

    async def idle(self) -> bool:
        """Whether no job runs.

        A request for extras that fails leaves its job counted until another job ends, for SD WebUI's
        `state.begin` has no `finally` there. So a job without progress is put to the proof: the smallest
        image, whose request waits for a job that does run, and resets the count otherwise.
        """
        response = await self._http.call("GET", PROGRESS, seconds=5)
        state = response.json().get("state") or {} if response.ok else {"job_count": 1}
        if int(state.get("job_count") or 0) == 0:
            self._busy_state = ""
            return True
        now, described = asyncio.get_running_loop().time(), str(sorted(state.items()))
        if described != self._busy_state:
            self._busy_state, self._busy_since = described, now
        elif now - self._busy_since >= STALE_SECONDS and (self._proof is None or self._proof.done()):
            self._busy_since = now
            self._proof = asyncio.ensure_future(self._prove_idle())
        return False

    async def _prove_idle(self) -> None:
        with contextlib.suppress(RuntimeUnavailable):
            await self._http.call("POST", f"{API}/txt2img", payload=WARM_UP, seconds=None)
