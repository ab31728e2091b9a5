"""SD WebUI (AUTOMATIC1111 and Forge): https://github.com/AUTOMATIC1111/stable-diffusion-webui, `/sdapi/v1`.

A request is answered when its picture is done. A request that waits behind another one is seen by nobody
and cannot be cancelled, so none is sent before the runtime is idle, and none is ever sent twice.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_agent.adapters.sdwebui import request as bodies
from queue_agent.adapters.sdwebui.models import named, same_model, titles
from queue_agent.adapters.shared import inline, sniff
from queue_agent.adapters.shared.beside import beside
from queue_agent.adapters.shared.http import Answer, Http, out_of_memory
from queue_agent.contract import (
    Cancelled,
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

API = "/sdapi/v1"
PROGRESS = f"{API}/progress?skip_current_image=true"
PROGRESS_SECONDS = 0.5
# The smallest picture that A1111 makes: it waits for the model's load like any other.
WARM_UP = {"prompt": "", "steps": 1, "width": 64, "height": 64, "send_images": False, "save_images": False}
# Errors of a 500 that the task itself brings about, in A1111's words.
TASK_ERRORS = ("Invalid encoded image", "Request to local resource not allowed", "Could not find checkpoint")


@dataclass(frozen=True)
class _Request:
    endpoint: str
    body: dict[str, Any]
    model: str | None  # the one that has to make the picture, where that is known


class SdWebUi:
    """One SD WebUI; `static_model` is the file it was started with, `dynamic` that tasks name theirs."""

    def __init__(self, http: Http, static_model: str, *, dynamic: bool) -> None:
        self._http = http
        self._static, self._dynamic = static_model, dynamic
        self._interrupted: str | None = None

    def model(self, task: Task) -> str | None:
        """The checkpoint that the task names, on a dynamic runtime."""
        return named(task.content) if self._dynamic else None

    def image_fields(self, task: Task) -> Sequence[Path]:
        """`init_images`, `mask`, `image`, `imageList` and the images of ControlNet's units."""
        return bodies.image_fields(task.content)

    async def ready(self) -> bool:
        """It answers; whether its model is loaded only a picture can tell."""
        answer = await self._http.probe(PROGRESS)
        return answer is not None and answer.ok

    async def warm_up(self) -> None:
        """Make the smallest picture: with a static model that proves the model."""
        if self._dynamic:
            return
        answer = await self._http.call("POST", f"{API}/txt2img", payload=WARM_UP, seconds=None)
        if not answer.ok:
            raise RuntimeUnavailable("model_not_loaded", answer.reason())
        used = _info(answer.json()).get("sd_model_name")
        if self._static and used and not same_model(str(used), self._static):
            raise RuntimeUnavailable("model_not_loaded", f"{used} is loaded, not {self._static}")

    async def prepare(self, task: Task, images: Mapping[Path, InputImage]) -> Prepared:
        """Check the task; put fetched images, model and old-style settings where SD WebUI wants them."""
        if task.tasktype not in bodies.ENDPOINTS:
            raise TaskError("unknown_tasktype", f"{task.tasktype!r} is none of {', '.join(bodies.ENDPOINTS)}")
        body = bodies.body(task, images)
        model = None
        if task.tasktype in bodies.MODEL_TASKS:
            model = await self._checked_model(named(task.content))
            body = bodies.with_model(body, model) if model and self._dynamic else body
        return Prepared(task, _Request(bodies.ENDPOINTS[task.tasktype], body, model))

    async def _checked_model(self, wanted: str | None) -> str | None:
        """The checkpoint that has to make the picture: SD WebUI takes the current one for a wrong name."""
        if not self._dynamic:
            if wanted and self._static and not same_model(wanted, self._static):
                raise TaskError("model_unknown", f"this runtime serves {self._static}, not {wanted}")
            return self._static or None
        if wanted is None:
            raise TaskError("model_missing", "this runtime is dynamic: name one in sd_model_checkpoint")
        found = await self._titles(wanted)
        if not found:
            await self._http.call("POST", f"{API}/refresh-checkpoints")
            found = await self._titles(wanted)
        if not found:
            raise TaskError("model_unknown", f"no checkpoint is called {wanted}")
        if len(found) > 1:
            raise TaskError("model_ambiguous", f"{wanted} may be any of {', '.join(found[:10])}")
        return found[0]

    async def _titles(self, wanted: str) -> list[str]:
        listed = (await self._http.call("GET", f"{API}/sd-models")).json()
        return titles(listed if isinstance(listed, list) else [], wanted)

    async def run(self, prepared: Prepared, on_progress: Progress) -> Ran:
        """Send it once; the answer is the record."""
        request: _Request = prepared.payload
        self._interrupted = None
        async with beside(self._follow(on_progress)):
            answer = await self._http.call(
                "POST", f"{API}/{request.endpoint}", payload=request.body, seconds=None
            )
        if self._interrupted == prepared.task.id:
            # The answer is 200 with a half-made picture, and nothing in it says so.
            raise Cancelled
        if not answer.ok:
            raise _failure(answer)
        on_progress(1.0)
        return Ran(prepared.task, (request, answer))

    async def _follow(self, on_progress: Progress) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            answer = await self._http.probe(PROGRESS)
            if answer is not None and answer.ok:
                on_progress(float(answer.json()["progress"]))

    async def collect(self, ran: Ran) -> RunResult:
        """The pictures, with what SD WebUI says of them; a picture of another model is a failure."""
        request, answer = ran.payload
        said = answer.json()
        if not isinstance(said, Mapping):
            raise RuntimeUnavailable("runtime_answer", "the answer is no object")
        info = _info(said)
        used = info.get("sd_model_name")
        if request.model is not None and used and not same_model(str(used), request.model):
            raise RuntimeUnavailable("wrong_model", f"{used} made the picture, not {request.model}")
        first = int(info.get("index_of_first_image") or 0)
        images = [said["image"]] if "image" in said else (said.get("images") or [])[first:]
        if not images:
            raise RuntimeUnavailable("no_output", "the runtime made no picture")
        texts = (info.get("infotexts") or [])[first:]
        seeds = info.get("all_seeds") or []
        # A script may make one picture of many, such as the grid of an X/Y/Z plot.
        wanted = 1 if request.body.get("script_name") else len(seeds or request.body.get("imageList") or ())
        if len(images) < wanted:
            # What an interrupt between two pictures leaves, which is no error to SD WebUI.
            raise RuntimeUnavailable("partial_output", f"{len(images)} of {wanted} pictures were made")
        outputs = [_output(image, texts, seeds, n) for n, image in enumerate(images)]
        seed = seeds[0] if seeds else info.get("seed")
        return RunResult(
            outputs, int(seed) if isinstance(seed, int) else None, used or request.model, _kept(info)
        )

    async def cancel(self, task: Task) -> None:
        """Interrupt what runs. Only the core's own task can run, since none is sent to a busy runtime."""
        self._interrupted = task.id
        await self._http.call("POST", f"{API}/interrupt")

    async def clear(self) -> None:
        """Interrupt: the answer would go to a connection that is gone."""
        await self._http.call("POST", f"{API}/interrupt")

    async def idle(self) -> bool:
        """Whether no job runs."""
        answer = await self._http.call("GET", PROGRESS, seconds=5)
        state = answer.json().get("state") or {} if answer.ok else {"job_count": 1}
        return int(state.get("job_count") or 0) == 0


def _info(said: Any) -> dict[str, Any]:
    """The `info` of an answer, a JSON text within JSON; empty for extras."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        found = json.loads(said.get("info") or "{}")
        return found if isinstance(found, dict) else {}
    return {}


def _kept(info: Mapping[str, Any]) -> dict[str, Any]:
    """What of `info` goes into the result: everything but the lists that the outputs carry."""
    lists = ("infotexts", "all_prompts", "all_negative_prompts")
    return {key: value for key, value in info.items() if key not in lists}


def _output(image: Any, texts: Sequence[str], seeds: Sequence[int], n: int) -> Output:
    try:
        data = inline.decoded(str(image))
    except ValueError:
        raise sniff.BrokenOutput("a picture of the runtime is no base64") from None
    named_lists = (("parameters", texts), ("seed", seeds))
    return sniff.image(data, {name: values[n] for name, values in named_lists if n < len(values)})


def _failure(answer: Answer) -> Exception:
    """A 4xx, or a 500 that the task itself brings about, is the task's fault; the rest is the world's."""
    reason = answer.reason()
    if out_of_memory(reason):
        return RuntimeUnavailable("out_of_memory", reason)
    if answer.status in (400, 404, 413, 422) or any(text in reason for text in TASK_ERRORS):
        return TaskError("rejected", reason)
    return RuntimeUnavailable("runtime_error", f"{answer.status}: {reason}")
