"""Reads the responses of SD WebUI. Pure."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_agent.adapters.shared import data_uris
from queue_agent.adapters.shared.documents import Document
from queue_agent.adapters.shared.outputs import BrokenOutput, media_output
from queue_agent.blobs import Blob
from queue_agent.contract import Output, Progress, RunResult, RuntimeUnavailable
from queue_agent.task.sdwebui import same_model


@dataclass(frozen=True)
class Expected:
    """What the response must hold."""

    model: str | None  # the one that must make the image, where that is known
    batches: int  # that the request asks for
    inputs: int  # of extras, which answer with an image for each
    one_image: bool  # a script may join all images into one


def progress_of(document: Mapping[str, Any]) -> Progress:
    """The progress in a response of /sdapi/v1/progress."""
    state = document.get("state") or {}
    step, steps = state.get("sampling_step"), state.get("sampling_steps")
    return Progress(float(document["progress"]), step=step, steps=steps or None)


def result_of(parsed: Document, expected: Expected) -> RunResult:
    """The images of a response, with their metadata. Raises `RuntimeUnavailable` when they are others."""
    document = parsed.value
    if not isinstance(document, Mapping):
        raise RuntimeUnavailable("runtime_answer", "the response is not a JSON object")
    info = info_of(document)
    used = info.get("sd_model_name")
    if expected.model is not None and used and not same_model(str(used), expected.model):
        raise RuntimeUnavailable("wrong_model", f"{used} made the image, not {expected.model}")
    first = int(info.get("index_of_first_image") or 0)
    images = [document["image"]] if "image" in document else (document.get("images") or [])[first:]
    if not images:
        raise RuntimeUnavailable("no_output", "the runtime made no image")
    texts = (info.get("infotexts") or [])[first:]
    seeds = info.get("all_seeds") or []
    # One `infotext` for each image that was made. Extensions may put one video in the place of all
    # images, and scripts join them into a grid.
    made, count = len(texts) or len(images), _expected_images(info, expected)
    if made < count and not expected.one_image:
        # The result of an interrupt between two images, which SD WebUI does not report as an error.
        raise RuntimeUnavailable("partial_output", f"{made} of {count} images were made")
    files = [_file(image, parsed.files) for image in images]
    outputs = [_output(file, texts, seeds, n) for n, file in enumerate(files)]
    seed = seeds[0] if seeds else info.get("seed")
    return RunResult(
        outputs,
        int(seed) if isinstance(seed, int) else None,
        used or expected.model,
        _result_metadata(info),
    )


def _expected_images(info: Mapping[str, Any], expected: Expected) -> int:
    """How many images the request makes when nothing stops it.

    SD WebUI chooses the seeds before it reduces the batch to the number of `init_images`, where these are
    several (`StableDiffusionProcessingImg2Img.init` in modules/processing.py).
    """
    seeds, batch_size = len(info.get("all_seeds") or ()), info.get("batch_size")
    if seeds and isinstance(batch_size, int):
        return min(seeds, batch_size * expected.batches)
    return seeds or expected.inputs


def info_of(document: Any) -> dict[str, Any]:
    """The `info` of a response, a JSON text within JSON; empty for extras."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        info = json.loads(document.get("info") or "{}")
        return info if isinstance(info, dict) else {}
    return {}


def _result_metadata(info: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `info` for the result: all but the lists that the outputs carry."""
    lists = ("infotexts", "all_prompts", "all_negative_prompts")
    return {key: value for key, value in info.items() if key not in lists}


def _file(image: Any, files: Mapping[str, Blob]) -> Blob:
    """The file of an image in a response, in base64 or by the name of a large one in `files`."""
    try:
        return files.get(str(image)) or Blob(data_uris.decode(str(image)))
    except ValueError:
        raise BrokenOutput("an image of the runtime is not valid base64") from None


def _output(data: Blob, texts: Sequence[str], seeds: Sequence[int], n: int) -> Output:
    named_lists = (("parameters", texts), ("seed", seeds))
    return media_output(data, {name: values[n] for name, values in named_lists if n < len(values)})
