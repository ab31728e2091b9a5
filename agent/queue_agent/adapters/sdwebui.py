"""SD WebUI (AUTOMATIC1111 and Forge): https://github.com/AUTOMATIC1111/stable-diffusion-webui, `/sdapi/v1`.

A request is answered when its picture is done. A request that waits behind another one is seen by nobody
and cannot be cancelled, so none is sent before the runtime is idle, and none is ever sent twice.
"""

import base64
import binascii
import contextlib
import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_agent.adapters import sniff
from queue_agent.adapters.http import Answer, Http, out_of_memory
from queue_agent.runtime import (
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
ENDPOINTS = {
    "text-to-image": "txt2img",
    "image-to-image": "img2img",
    "extra-single-image": "extra-single-image",
    "extra-batch-images": "extra-batch-images",
    "extra-batch-image": "extra-batch-images",
}
MODEL_TASKS = ("text-to-image", "image-to-image")
# Keys of v1alpha1 in `alwayson_scripts` that are no scripts.
LEGACY_KEYS = ("task", "sd_model_checkpoint", "id_task", "save_dir", "uid", "override_settings")
# The smallest picture that A1111 makes: it waits for the model's load like any other.
WARM_UP = {"prompt": "", "steps": 1, "width": 64, "height": 64, "send_images": False, "save_images": False}
EXTENSIONS = (".safetensors", ".ckpt", ".pt", ".pth")


@dataclass(frozen=True)
class _Request:
    endpoint: str
    body: dict[str, Any]
    model: str | None


class SdWebUi:
    """One SD WebUI; `static_model` is the file it was started with, `dynamic` that tasks name theirs."""

    def __init__(self, http: Http, static_model: str, *, dynamic: bool) -> None:
        self._http = http
        self._static, self._dynamic = static_model, dynamic
        self._interrupted: set[str] = set()

    def model(self, task: Task) -> str | None:
        """The checkpoint that the task names, on a dynamic runtime."""
        return _wanted_model(task.content) if self._dynamic else None

    def image_fields(self, task: Task) -> Sequence[Path]:
        """`init_images`, `mask`, `image`, `imageList` and the images of ControlNet's units."""
        content = task.content
        paths: list[Path] = [(key,) for key in ("mask", "image") if isinstance(content.get(key), str)]
        if isinstance(images := content.get("init_images"), list):
            paths += [("init_images", n) for n, value in enumerate(images) if isinstance(value, str)]
        if isinstance(batch := content.get("imageList"), list):
            paths += [("imageList", n, "data") for n, item in enumerate(batch) if _holds(item, "data")]
        return [*paths, *_controlnet(content)]

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
        used = _info(answer).get("sd_model_name")
        if self._static and used and not _same_model(str(used), self._static):
            raise RuntimeUnavailable("model_not_loaded", f"{used} is loaded, not {self._static}")

    async def prepare(self, task: Task, images: Mapping[Path, InputImage]) -> Prepared:
        """Check the task; put fetched images, model and old-style settings where SD WebUI wants them."""
        if task.tasktype not in ENDPOINTS:
            raise TaskError("unknown_tasktype", f"{task.tasktype!r} is none of {', '.join(ENDPOINTS)}")
        body: dict[str, Any] = copy.deepcopy(dict(task.content))
        for path, image in images.items():
            _place(body, path, base64.b64encode(image.data).decode())
        if task.tasktype not in MODEL_TASKS:
            return Prepared(task, _Request(ENDPOINTS[task.tasktype], body, None))
        model = await self._checked_model(task)
        _modernise(body)
        if model is not None:
            settings = dict(body.get("override_settings") or {})
            body["override_settings"] = {**settings, "sd_model_checkpoint": model}
            body["override_settings_restore_afterwards"] = False
        # SD WebUI answers a list of pictures only when asked to, and keeps files of its own otherwise.
        body |= {"send_images": True, "save_images": False, "force_task_id": task.id}
        return Prepared(task, _Request(ENDPOINTS[task.tasktype], body, model))

    async def _checked_model(self, task: Task) -> str | None:
        """The title of the wanted checkpoint, which SD WebUI would otherwise replace in silence."""
        wanted = _wanted_model(task.content)
        if wanted is None:
            if self._dynamic:
                raise TaskError("model_missing", "this runtime is dynamic: name one in sd_model_checkpoint")
            return None
        if not self._dynamic:
            if self._static and not _same_model(wanted, self._static):
                raise TaskError("model_unknown", f"this runtime serves {self._static}, not {wanted}")
            return None
        if (title := await self._title(wanted)) is None:
            await self._http.call("POST", f"{API}/refresh-checkpoints")
            title = await self._title(wanted)
        if title is None:
            raise TaskError("model_unknown", f"no checkpoint is called {wanted}")
        return title

    async def _title(self, wanted: str) -> str | None:
        listed = (await self._http.call("GET", f"{API}/sd-models")).json()
        for item in listed if isinstance(listed, list) else ():
            names = (item.get("title"), item.get("model_name"), item.get("filename"))
            if any(name and _same_model(str(name), wanted) for name in names):
                return str(item["title"])
        return None

    async def run(self, prepared: Prepared, on_progress: Progress) -> Ran:
        """Send it once; the answer is the record."""
        request: _Request = prepared.payload
        self._interrupted.discard(prepared.task.id)
        answer = await self._http.call(
            "POST", f"{API}/{request.endpoint}", payload=request.body, seconds=None
        )
        if prepared.task.id in self._interrupted:
            # The answer is 200 with a half-made picture, and nothing in it says so.
            raise Cancelled
        if not answer.ok:
            raise _failure(answer)
        on_progress(1.0)
        return Ran(prepared.task, (request, answer))

    async def collect(self, ran: Ran) -> RunResult:
        """The pictures, with what SD WebUI says of them; a picture of another model is a failure."""
        request, answer = ran.payload
        said = answer.json()
        if not isinstance(said, Mapping):
            raise RuntimeUnavailable("runtime_answer", "the answer is no object")
        info = _info(answer)
        used = info.get("sd_model_name")
        if request.model is not None and used and not _same_model(str(used), request.model):
            raise RuntimeUnavailable("wrong_model", f"{used} made the picture, not {request.model}")
        first = int(info.get("index_of_first_image") or 0)
        images = [said["image"]] if "image" in said else (said.get("images") or [])[first:]
        if not images:
            raise RuntimeUnavailable("no_output", "the runtime made no picture")
        texts = info.get("infotexts") or []
        seeds = info.get("all_seeds") or []
        outputs = [_output(image, texts, seeds, first + n) for n, image in enumerate(images)]
        seed = seeds[0] if seeds else info.get("seed")
        return RunResult(
            outputs, int(seed) if isinstance(seed, int) else None, used or request.model, _kept(info)
        )

    async def cancel(self, task: Task) -> None:
        """Interrupt what runs. Only the core's own task can run, since none is sent to a busy runtime."""
        self._interrupted.add(task.id)
        await self._http.call("POST", f"{API}/interrupt")

    async def idle(self) -> bool:
        """Whether no job runs."""
        answer = await self._http.call("GET", PROGRESS, seconds=5)
        state = answer.json().get("state") or {} if answer.ok else {"job_count": 1}
        return int(state.get("job_count") or 0) == 0

    async def aclose(self) -> None:
        """Nothing is held."""


def _info(answer: Answer) -> dict[str, Any]:
    """The `info` of an answer, a JSON text within JSON; empty for extras."""
    said = answer.json()
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        found = json.loads(said.get("info") or "{}")
        return found if isinstance(found, dict) else {}
    return {}


def _kept(info: Mapping[str, Any]) -> dict[str, Any]:
    """What of `info` goes into the result: everything but the lists that the outputs carry."""
    return {
        key: value
        for key, value in info.items()
        if key not in ("infotexts", "all_prompts", "all_negative_prompts")
    }


def _output(image: Any, texts: Sequence[str], seeds: Sequence[int], n: int) -> Output:
    try:
        data = base64.b64decode(str(image).rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        raise RuntimeUnavailable("broken_output", "a picture of the runtime is no base64") from None
    named = (("parameters", texts), ("seed", seeds))
    return sniff.image(data, {name: values[n] for name, values in named if n < len(values)})


def _failure(answer: Answer) -> Exception:
    """A 4xx, or a 500 that the task itself brings about, is the task's fault; the rest is the world's."""
    reason = answer.reason()
    if out_of_memory(reason):
        return RuntimeUnavailable("out_of_memory", reason)
    bad_input = answer.status in (400, 404, 413, 422) or "Invalid encoded image" in reason
    if bad_input or "Request to local resource not allowed" in reason:
        return TaskError("rejected", reason)
    return RuntimeUnavailable("runtime_error", f"{answer.status}: {reason}")


def _wanted_model(content: Mapping[str, Any]) -> str | None:
    """`override_settings.sd_model_checkpoint`, or where v1alpha1 and the reference system put it."""
    scripts = content.get("alwayson_scripts")
    for place in (content.get("override_settings"), scripts):
        if isinstance(place, Mapping) and isinstance(name := place.get("sd_model_checkpoint"), str) and name:
            return name
    return None


def _same_model(one: str, other: str) -> bool:
    """Whether two names are of one checkpoint: title `a.safetensors [hash]`, path, or name without ending."""
    return _stem(one) == _stem(other)


def _stem(name: str) -> str:
    stem = name.split(" [", 1)[0].replace("\\", "/").rsplit("/", 1)[-1]
    for extension in EXTENSIONS:
        stem = stem.removesuffix(extension)
    return stem


def _modernise(body: dict[str, Any]) -> None:
    """Old-style keys leave `alwayson_scripts`, where SD WebUI would look for scripts of these names."""
    scripts = body.get("alwayson_scripts")
    if not isinstance(scripts, dict):
        body.pop("alwayson_scripts", None)
        return
    settings = scripts.get("override_settings")
    if isinstance(settings, Mapping):
        body["override_settings"] = {**settings, **(body.get("override_settings") or {})}
    body["alwayson_scripts"] = {key: value for key, value in scripts.items() if key not in LEGACY_KEYS}


def _holds(item: Any, key: str) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get(key), str)


def _controlnet(content: Mapping[str, Any]) -> list[Path]:
    """Where ControlNet's units hold an image: `alwayson_scripts.controlnet.args[n].image`."""
    scripts = content.get("alwayson_scripts")
    units: list[Path] = []
    for name, script in scripts.items() if isinstance(scripts, Mapping) else ():
        args = script.get("args") if isinstance(script, Mapping) else None
        if name.lower() == "controlnet" and isinstance(args, list):
            found = [
                (n, key)
                for n, unit in enumerate(args)
                for key in ("image", "input_image")
                if _holds(unit, key)
            ]
            units += [("alwayson_scripts", name, "args", n, key) for n, key in found]
    return units


def _place(body: dict[str, Any], path: Path, value: str) -> None:
    place: Any = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
