"""A container of the user's own: each task is one POST, whose answer holds the pictures.

The body is the task as it came: `{"id", "tasktype", "context", "content"}`. The answer is a picture itself,
or JSON `{"images": [base64, data URI, URL or {"url": URL or path}], "seed"?, "model"?, "metadata"?}`; a URL
must be the program's own. A 4xx says that the task is wrong, a 5xx that it is worth another try. A program
that honours the header `Idempotency-Key` (the task's id) does no task twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from yarl import URL

from queue_agent.adapters.shared import inline, sniff
from queue_agent.adapters.shared.http import Http, out_of_memory
from queue_agent.contract import (
    InputImage,
    Output,
    Path,
    Prepared,
    Progress,
    Ran,
    RunResult,
    RuntimeUnavailable,
    Task,
    TaskError,
)

IMAGE_KEYS = ("image", "mask")
IMAGE_LISTS = ("images", "init_images")
# Answers that ask for patience, not for another task.
LATER = (408, 425, 429)


class Custom:
    """One program behind a port, with its two paths."""

    def __init__(self, http: Http, task_path: str, ready_path: str) -> None:
        self._http, self._task_path, self._ready_path = http, task_path, ready_path
        self._running = 0

    def model(self, task: Task) -> str | None:
        """`content.model`, when the task names one."""
        wanted = task.content.get("model")
        return wanted if isinstance(wanted, str) else None

    def image_fields(self, task: Task) -> Sequence[Path]:
        """`image`, `mask`, `images[]` and `init_images[]` of the content."""
        content = task.content
        single: list[Path] = [(key,) for key in IMAGE_KEYS if isinstance(content.get(key), str)]
        lists = ((key, content.get(key)) for key in IMAGE_LISTS)
        return single + [
            (key, n)
            for key, values in lists
            if isinstance(values, list)
            for n, value in enumerate(values)
            if isinstance(value, str)
        ]

    async def ready(self) -> bool:
        """Its probe answers 2xx."""
        answer = await self._http.probe(self._ready_path)
        return answer is not None and answer.ok

    async def warm_up(self) -> None:
        """Its own readiness is all that is known of it."""

    async def prepare(self, task: Task, images: Mapping[Path, InputImage]) -> Prepared:
        """The body to post, with fetched images as data URIs in place of their URLs."""
        content: dict[str, Any] = dict(task.content)
        for path, image in images.items():
            text = inline.data_uri(image)
            if len(path) == 1:
                content[str(path[0])] = text
            else:
                values = list(content[str(path[0])])
                values[int(path[1])] = text
                content[str(path[0])] = values
        return Prepared(
            task, {"id": task.id, "tasktype": task.tasktype, "context": task.context, "content": content}
        )

    async def run(self, prepared: Prepared, on_progress: Progress) -> Ran:
        """Post it once and wait for the answer."""
        self._running += 1
        try:
            answer = await self._http.call(
                "POST", self._task_path, payload=prepared.payload, seconds=None,
                headers={"Idempotency-Key": prepared.task.id},
            )  # fmt: skip
        finally:
            self._running -= 1
        if 400 <= answer.status < 500 and answer.status not in LATER:
            raise TaskError("rejected", f"{answer.status}: {answer.reason()}")
        if not answer.ok:
            reason = answer.reason()
            code = "out_of_memory" if out_of_memory(reason) else "runtime_error"
            raise RuntimeUnavailable(code, f"{answer.status}: {reason}")
        on_progress(1.0)
        return Ran(prepared.task, answer)

    async def collect(self, ran: Ran) -> RunResult:
        """The pictures in the answer."""
        answer = ran.payload
        if answer.content_type.startswith(("image/", "video/", "audio/")):
            return RunResult([sniff.output(answer.body, {})])
        said = answer.json()
        if not isinstance(said, Mapping):
            raise RuntimeUnavailable("runtime_answer", "the answer is neither a picture nor an object")
        outputs = [await self._output(image) for image in _list(said.get("images"))]
        if not outputs:
            raise RuntimeUnavailable("no_output", "the answer holds no images")
        seed, model, metadata = said.get("seed"), said.get("model"), said.get("metadata")
        return RunResult(
            outputs,
            seed if isinstance(seed, int) else None,
            model if isinstance(model, str) else None,
            metadata if isinstance(metadata, Mapping) else {},
        )

    async def _output(self, image: Any) -> Output:
        url = image.get("url", "") if isinstance(image, Mapping) else image
        if isinstance(image, Mapping) or str(url).startswith(("http://", "https://")):
            path = self._own(str(url))
            answer = await self._http.call("GET", path)
            if not answer.ok:
                raise sniff.BrokenOutput(f"{answer.status} for {path[:200]}")
            return sniff.output(answer.body, {}, path)
        try:
            made = sniff.output(inline.decoded(str(image)), {})
        except ValueError:
            raise sniff.BrokenOutput("an image in the answer is no base64") from None
        if made.kind in ("text", "file"):
            raise sniff.BrokenOutput("an image in the answer is no picture, video or sound")
        return made

    def _own(self, text: str) -> str:
        """The path of a URL of the program's own: this pod's network may reach what nobody else may."""
        base = self._http.base
        try:
            url = str(URL(f"{base}/").join(URL(text)))
        except ValueError:
            url = ""
        if not text or not url.startswith(f"{base}/"):
            raise TaskError("output_refused", f"the URL of an output is not one of {base}: {text[:200]}")
        return url.removeprefix(base)

    async def cancel(self, task: Task) -> None:
        """Closing the connection is all that is known to every program; `run` did that."""

    async def clear(self) -> None:
        """Nothing: what is at work is not known."""

    async def idle(self) -> bool:
        """Whether no POST of ours is open."""
        return self._running == 0


def _list(images: Any) -> Sequence[Any]:
    return images if isinstance(images, list) else []
