"""A container that the user provides: each task is one POST, whose response holds the images.

The body is the task: `{"id", "tasktype", "context", "content"}`. The response is an image,
or JSON `{"images": [base64, data URI, URL or {"url": URL or path}], "seed"?, "model"?, "metadata"?}`; a URL
must belong to the container itself. A container that supports the header `Idempotency-Key` (the task's id)
runs no task twice. `failed_response` in shared/faults.py says after which status the task is retried.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from yarl import URL

from queue_agent.adapters.shared import bodies, data_uris
from queue_agent.adapters.shared.faults import failed_response, words_of
from queue_agent.adapters.shared.http import Http
from queue_agent.adapters.shared.outputs import BrokenOutput, output_of
from queue_agent.blobs import Blob
from queue_agent.concurrency import off_loop
from queue_agent.contract import (
    FieldPath,
    FinishedRun,
    InputImage,
    Output,
    Prepared,
    Progress,
    ProgressCallback,
    RunResult,
    RuntimeUnavailable,
    Task,
    TaskError,
)
from queue_agent.task.media_types import media_type

IMAGE_KEYS = ("image", "mask")
IMAGE_LISTS = ("images", "init_images")
# The types of responses that are one file, and those that say nothing of it.
MEDIA_TYPES = ("image/", "video/", "audio/", "model/")
BINARY_TYPES = ("application/octet-stream", "binary/octet-stream")


class Custom:
    """One container, with the paths for tasks and for its readiness."""

    def __init__(self, http: Http, task_path: str, ready_path: str) -> None:
        self._http, self._task_path, self._ready_path = http, task_path, ready_path
        self._running = 0

    def model(self, task: Task) -> str | None:
        """`content.model`, when the task names one."""
        model = task.content.get("model")
        return model if isinstance(model, str) else None

    def image_fields(self, task: Task) -> Sequence[FieldPath]:
        """`image`, `mask`, `images[]` and `init_images[]` of the content."""
        content = task.content
        single: list[FieldPath] = [(key,) for key in IMAGE_KEYS if isinstance(content.get(key), str)]
        lists = ((key, content.get(key)) for key in IMAGE_LISTS)
        return single + [
            (key, n)
            for key, values in lists
            if isinstance(values, list)
            for n, value in enumerate(values)
            if isinstance(value, str)
        ]

    def media_fields(self, _task: Task) -> Sequence[FieldPath]:
        """None: the fields of a custom task are images."""
        return ()

    async def nodes(self) -> None:
        """None: its tasks have no nodes that the API could check."""

    async def ready(self) -> bool:
        """Whether its readiness path returns 2xx."""
        response = await self._http.probe(self._ready_path)
        return response is not None and response.ok

    async def warm_up(self) -> None:
        """Nothing to check but its readiness."""

    async def prepare(self, task: Task, images: Mapping[FieldPath, InputImage]) -> Prepared:
        """The JSON of the request, with fetched images as data URIs instead of their URLs."""
        content: dict[str, Any] = dict(task.content)
        for path, image in images.items():
            text = data_uris.data_uri(image)
            if len(path) == 1:
                content[str(path[0])] = text
            else:
                values = list(content[str(path[0])])
                values[int(path[1])] = text
                content[str(path[0])] = values
        document = {"id": task.id, "tasktype": task.tasktype, "context": task.context, "content": content}
        body = await bodies.encode(document, task.size, self._http.scratch)
        return Prepared(task, body, body.size)

    async def run(self, prepared: Prepared, on_progress: ProgressCallback) -> FinishedRun:
        """Send the request once and wait for the response."""
        self._running += 1
        try:
            response = await self._http.call(
                "POST", self._task_path, body=prepared.payload, seconds=None,
                headers={"Idempotency-Key": prepared.task.id}, max_output_bytes=self._http.max_bytes,
            )  # fmt: skip
        finally:
            self._running -= 1
        if not response.ok:
            asked = await self._http.document_of(prepared.payload)
            own = await off_loop(prepared.payload.size, words_of, asked)
            raise failed_response(response, own=own)
        on_progress(Progress(1.0))
        return FinishedRun(prepared.task, response)

    async def collect(self, run: FinishedRun) -> RunResult:
        """The images in the response."""
        response = run.payload
        if response.content_type.startswith(MEDIA_TYPES) or (
            response.content_type in BINARY_TYPES and await asyncio.to_thread(media_type, response.body)
        ):
            return RunResult([output_of(response.body, {})])
        parsed = await response.document()
        document = parsed.value
        if not isinstance(document, Mapping):
            raise RuntimeUnavailable("runtime_answer", "the response is neither an image nor a JSON object")
        outputs = await self._outputs(_list(document.get("images")), parsed.files)
        if not outputs:
            raise RuntimeUnavailable("no_output", "the response holds no images")
        seed, model, metadata = (document.get(key) for key in ("seed", "model", "metadata"))
        return RunResult(
            outputs,
            seed if isinstance(seed, int) else None,
            model if isinstance(model, str) else None,
            metadata if isinstance(metadata, Mapping) else {},
        )

    async def _outputs(self, images: Sequence[Any], files: Mapping[str, Blob]) -> list[Output]:
        outputs: list[Output] = []
        left = self._http.max_bytes
        for image in images:
            outputs.append(await self._output(image, files, left))
            left -= outputs[-1].data.size
        return outputs

    async def _output(self, image: Any, files: Mapping[str, Blob], max_bytes: int) -> Output:
        url = image.get("url", "") if isinstance(image, Mapping) else image
        if isinstance(image, Mapping) or str(url).startswith(("http://", "https://")):
            path = self._own_path(str(url))
            response = await self._http.call("GET", path, max_output_bytes=max_bytes)
            if not response.ok:
                raise BrokenOutput(f"HTTP {response.status} for {path[:200]}")
            return output_of(response.body, {}, path)
        try:
            file = files.get(str(image))
            output = output_of(file or Blob(data_uris.decode(str(image))), {})
        except ValueError:
            raise BrokenOutput("an image in the response is not valid base64") from None
        if output.kind in ("text", "file"):
            raise BrokenOutput("an image in the response is not an image, video or audio file")
        return output

    def _own_path(self, text: str) -> str:
        """The path of a URL of the container itself: through others it could reach into the pod's network."""
        base = self._http.base
        try:
            url = str(URL(f"{base}/").join(URL(text)))
        except ValueError:
            url = ""
        if not text or not url.startswith(f"{base}/"):
            raise TaskError(
                "output_refused", f"the URL of an output does not start with {base}/: {text[:200]}"
            )
        return url.removeprefix(base)

    async def cancel(self, task: Task) -> None:
        """Does nothing more: `run` has closed the connection, and there is no standard request to cancel."""

    async def clear(self) -> None:
        """Nothing: it is unknown what runs."""

    async def idle(self) -> bool:
        """Whether no request of the agent is open."""
        return self._running == 0


def _list(images: Any) -> Sequence[Any]:
    return images if isinstance(images, list) else []
