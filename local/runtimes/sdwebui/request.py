"""Requests to the SD WebUI simulation: defaults, validation, and the `info` of the response."""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.runtimes.shared.picture import opened

SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "DPM++ 2M Karras", "DPM++ SDE", "DDIM", "LCM", "UniPC")
HIRES_UPSCALERS = (
    "Latent",
    "Latent (nearest-exact)",
    "Lanczos",
    "Nearest",
    "ESRGAN_4x",
    "R-ESRGAN 4x+",
    "None",
)
UPSCALERS = ("None", "Lanczos", "Nearest", "ESRGAN_4x", "R-ESRGAN 4x+")
# Always-on scripts: those of A1111, and of three common extensions.
SCRIPTS = (
    "animatediff", "comments", "controlnet", "extra options", "hypertile", "reactor", "refiner", "sampler",
    "seed",
)  # fmt: skip
# The one selectable script of the simulation.
PLOT = "x/y/z plot"
MAX_SEED = 2**32
DEFAULTS: dict[str, Any] = {
    "prompt": "",
    "negative_prompt": "",
    "styles": None,
    "seed": -1,
    "subseed": -1,
    "subseed_strength": 0.0,
    "sampler_name": None,
    "scheduler": None,
    "batch_size": 1,
    "n_iter": 1,
    "steps": 50,
    "cfg_scale": 7.0,
    "width": 512,
    "height": 512,
    "denoising_strength": None,
    "override_settings": None,
    "override_settings_restore_afterwards": True,
    "script_name": None,
    "script_args": [],
    "send_images": True,
    "save_images": False,
    "alwayson_scripts": {},
    "force_task_id": None,
}
IMAGE_DEFAULTS: dict[str, Any] = {
    "init_images": None,
    "mask": None,
    "denoising_strength": 0.75,
    "resize_mode": 0,
}
SHAPES: dict[str, type] = {
    "prompt": str,
    "negative_prompt": str,
    "init_images": list,
    "alwayson_scripts": dict,
    "override_settings": dict,
}
NUMBERS: dict[str, type[int] | type[float]] = {
    "seed": int, "subseed": int, "batch_size": int, "n_iter": int, "steps": int, "width": int, "height": int,
    "cfg_scale": float, "denoising_strength": float,
}  # fmt: skip


class ApiError(Exception):
    """An error response with the fields of A1111's."""

    def __init__(self, status: int, kind: str, detail: str = "", errors: str = "") -> None:
        super().__init__(detail or errors)
        self.status = status
        self.body: dict[str, Any] = {"error": kind, "detail": detail, "body": "", "errors": errors}


class FieldError(ApiError):
    """A field of the wrong type: status 422 with FastAPI's list of problems."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__(422, "")
        self.body = {"detail": problems}


@dataclass(frozen=True)
class Generation:
    """One valid request for pictures."""

    body: dict[str, Any]  # with all defaults
    source: bytes | None

    @property
    def count(self) -> int:
        """How many pictures it requests."""
        return max(1, int(self.body["batch_size"]) * int(self.body["n_iter"]))


def parse(body: Mapping[str, Any], *, from_image: bool) -> Generation:
    """The request with its defaults. Raises ApiError."""
    full = {**DEFAULTS, **(IMAGE_DEFAULTS if from_image else {}), **body}
    if problems := [problem for name in full if (problem := _problem(name, full[name])) is not None]:
        raise FieldError(problems)
    _check_scripts(full["alwayson_scripts"])
    if full.get("enable_hr") and full.get("hr_upscaler", "Latent") not in HIRES_UPSCALERS:
        # Forge and A1111 find this out in the middle of the work, in the words of the exception.
        raise ApiError(500, "Exception", errors=f"could not find upscaler named {full['hr_upscaler']}")
    if (full["script_name"] or PLOT).lower() != PLOT:
        raise ApiError(422, "HTTPException", f"Script '{full['script_name']}' not found")
    if (full["sampler_name"] or "Euler") not in SAMPLERS:
        raise ApiError(400, "HTTPException", "Sampler not found")
    if not from_image:
        return Generation(full, None)
    if not full["init_images"]:
        raise ApiError(404, "HTTPException", "Init image not found")
    return Generation(full, decoded(full["init_images"][0]))


def decoded(text: Any) -> bytes:
    """The bytes of a picture from base64 or a data URI. Raises ApiError."""
    if str(text).startswith(("http://", "https://")):
        raise ApiError(500, "HTTPException", "Request to local resource not allowed")
    body = str(text).partition(",")[2] if str(text).startswith("data:image/") else str(text)
    try:
        data = base64.b64decode(body, validate=True)
        opened(data)
    except (binascii.Error, OSError):
        raise ApiError(500, "HTTPException", "Invalid encoded image") from None
    return data


def makes_animation(scripts: Mapping[str, Any]) -> bool:
    """Whether the AnimateDiff extension is on: `{"animatediff": {"args": [{"enable": true}]}}`."""
    args = [script.get("args") for name, script in scripts.items() if name.lower() == "animatediff"]
    return any(unit.get("enable") for units in args for unit in units or () if isinstance(unit, Mapping))


def _check_scripts(scripts: Mapping[str, Any]) -> None:
    for name, script in scripts.items():
        if name.lower() not in SCRIPTS:
            raise ApiError(422, "HTTPException", f"always on script {name} not found")
        if name.lower() in ("controlnet", "reactor"):
            _check_pictures(script)


def _check_pictures(value: Any) -> None:
    """Raises ApiError where a script's argument is an address: those scripts do not fetch any."""
    if isinstance(value, str) and "://" in value[:16]:
        raise ApiError(500, "HTTPException", "Invalid encoded image")
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        _check_pictures(item)


def info(generation: Generation, model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The `info` of a response; `model` is the loaded checkpoint, `options` those of the request."""
    body, count = generation.body, generation.count
    first = int(body["seed"])
    first = random.randrange(MAX_SEED) if first < 0 else first  # noqa: S311 (a seed, not a secret)
    seeds = [first + n for n in range(count)]
    size, sampler = f"{body['width']}x{body['height']}", body["sampler_name"] or "Euler"
    negative = f"\nNegative prompt: {body['negative_prompt']}" if body["negative_prompt"] else ""
    head = body["prompt"] + negative
    tail = f"Sampler: {sampler}, CFG scale: {body['cfg_scale']}, Size: {size}, Model: {model}"
    return {
        "prompt": body["prompt"],
        "all_prompts": [body["prompt"]] * count,
        "negative_prompt": body["negative_prompt"],
        "all_negative_prompts": [body["negative_prompt"]] * count,
        "seed": first,
        "all_seeds": seeds,
        "subseed": first,
        "all_subseeds": seeds,
        "subseed_strength": body["subseed_strength"],
        "width": int(body["width"]),
        "height": int(body["height"]),
        "sampler_name": sampler,
        "cfg_scale": float(body["cfg_scale"]),
        "steps": int(body["steps"]),
        "batch_size": int(body["batch_size"]),
        "restore_faces": False,
        "sd_model_name": model,
        "sd_model_hash": None,
        "sd_vae_name": None if options["sd_vae"] in ("Automatic", "None") else options["sd_vae"],
        "denoising_strength": body["denoising_strength"],
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [f"{head}\nSteps: {body['steps']}, Seed: {seed}, {tail}" for seed in seeds],
        "styles": [],
        "job_timestamp": "20260101000000",
        "clip_skip": options["CLIP_stop_at_last_layers"],
        "is_using_inpainting_conditioning": False,
        "version": "simulated",
    }


def enlarged_size(body: Mapping[str, Any], size: tuple[int, int]) -> tuple[int, int]:
    """The target size of an extras request, in pixels. Raises ApiError."""
    if body.get("upscaler_1", "None") not in UPSCALERS:
        raise ApiError(500, "AssertionError", errors=f"could not find upscaler named {body['upscaler_1']}")
    if body.get("resize_mode", 0) == 1:
        return int(body.get("upscaling_resize_w", 512)), int(body.get("upscaling_resize_h", 512))
    factor = float(body.get("upscaling_resize", 2))
    return max(1, int(size[0] * factor)), max(1, int(size[1] * factor))


def _problem(name: str, value: Any) -> dict[str, Any] | None:
    """The problem with the type of a field, or None."""
    if value is None:
        return None
    if (shape := SHAPES.get(name)) is not None and not isinstance(value, shape):
        return _field_problem(
            f"{shape.__name__}_type", name, f"Input should be a valid {shape.__name__}", value
        )
    if (number := NUMBERS.get(name)) is not None:
        try:
            number(value)
        except (TypeError, ValueError):
            return _field_problem(
                f"{number.__name__}_parsing", name, f"Input should be a valid {number.__name__}", value
            )
    return None


def _field_problem(kind: str, name: str, text: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "loc": ["body", name], "msg": text, "input": value}
