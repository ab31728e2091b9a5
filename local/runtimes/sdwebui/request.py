"""Requests to the SD WebUI simulation: defaults, validation, and the `info` of the response."""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.runtimes.sdwebui.fields import INTEGER, LIST, NUMBER, OBJECT, TEXT, ApiError, missing, typed
from local.runtimes.sdwebui.samplers import resolved
from local.runtimes.shared.picture import opened

# Upscalers of the second pass, besides those of files.
LATENT_UPSCALERS = (
    "Latent", "Latent (antialiased)", "Latent (bicubic)", "Latent (bicubic antialiased)", "Latent (nearest)",
    "Latent (nearest-exact)",
)  # fmt: skip
UPSCALERS = ("None", "Lanczos", "Nearest", "ESRGAN_4x", "R-ESRGAN 4x+")
# Always-on scripts: those of A1111, and of three common extensions.
SCRIPTS = (
    "animatediff", "comments", "controlnet", "extra options", "hypertile", "reactor", "refiner", "sampler",
    "seed",
)  # fmt: skip
# The one selectable script of the simulation.
PLOT = "x/y/z plot"
MAX_SEED = 2**32
MAX_LONG = 2**63
DEFAULTS: dict[str, Any] = {
    "prompt": "",
    "negative_prompt": "",
    "styles": None,
    "seed": -1,
    "subseed": -1,
    "subseed_strength": 0.0,
    "sampler_name": None,
    "sampler_index": "Euler",
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
    "enable_hr": False,
    "hr_upscaler": None,
    "hr_scale": 2.0,
    "hr_resize_x": 0,
    "hr_resize_y": 0,
    "refiner_checkpoint": None,
}
IMAGE_DEFAULTS: dict[str, Any] = {
    "init_images": None,
    "mask": None,
    "denoising_strength": 0.75,
    "resize_mode": 0,
}
TYPES = {
    **dict.fromkeys(
        ("prompt", "negative_prompt", "sampler_name", "sampler_index", "scheduler", "script_name",
         "force_task_id", "hr_upscaler", "refiner_checkpoint", "mask"),
        TEXT,
    ),
    **dict.fromkeys(
        ("seed", "subseed", "batch_size", "n_iter", "steps", "width", "height", "hr_resize_x", "hr_resize_y"),
        INTEGER,
    ),
    **dict.fromkeys(("cfg_scale", "denoising_strength", "subseed_strength", "hr_scale"), NUMBER),
    **dict.fromkeys(("styles", "script_args", "init_images"), LIST),
    **dict.fromkeys(("alwayson_scripts", "override_settings"), OBJECT),
}  # fmt: skip
# Pixels of one cell of the latent image.
CELL = 8


@dataclass(frozen=True)
class Generation:
    """One valid request for pictures."""

    body: dict[str, Any]  # with all defaults
    sources: tuple[bytes, ...] = ()

    @property
    def source(self) -> bytes | None:
        """The picture to start from."""
        return self.sources[0] if self.sources else None

    @property
    def batch_size(self) -> int:
        """Pictures made at once: several pictures to start from make a smaller batch of their number."""
        return len(self.sources) if len(self.sources) > 1 else int(self.body["batch_size"])

    @property
    def count(self) -> int:
        """How many pictures are made."""
        return self.batch_size * int(self.body["n_iter"])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture in pixels: a multiple of 8, after a second pass larger."""
        body, scale = self.body, 1.0
        width, height = body["width"], body["height"]
        if body["enable_hr"] and self.source is None:
            scale = body["hr_scale"]
            if body["hr_resize_x"] and body["hr_resize_y"]:
                width, height, scale = body["hr_resize_x"], body["hr_resize_y"], 1.0
        return int(width * scale) // CELL * CELL, int(height * scale) // CELL * CELL


def parse(body: Mapping[str, Any], *, from_image: bool) -> Generation:
    """The request with its defaults. Raises ApiError."""
    full = typed(body, {**DEFAULTS, **(IMAGE_DEFAULTS if from_image else {})}, TYPES)
    if from_image and full["init_images"] is None:
        raise ApiError(404, "HTTPException", "Init image not found")
    if from_image and full["mask"]:
        decoded(full["mask"])
    _check_scripts(full)
    sources = [decoded(item) for item in full["init_images"]] if from_image else []
    _check_numbers(full)
    if full["enable_hr"] and (full["hr_upscaler"] or "Latent") not in (*LATENT_UPSCALERS, *UPSCALERS):
        # Forge and A1111 find this out in the middle of the work, in the words of the exception.
        raise ApiError(500, "Exception", errors=f"could not find upscaler named {full['hr_upscaler']}")
    if not from_image:
        return Generation(full)
    if not sources:
        text = "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [0]"
        raise ApiError(500, "RuntimeError", errors=text)
    if len(sources) > full["batch_size"]:
        text = f"bad number of images passed: {len(sources)}; expecting {full['batch_size']} or less"
        raise ApiError(500, "RuntimeError", errors=text)
    return Generation(full, tuple(sources))


def _check_numbers(body: Mapping[str, Any]) -> None:
    """Raises ApiError in the words of the exceptions that such numbers end in."""
    for name in ("width", "height", "steps", "batch_size", "n_iter"):
        if body[name] is None:
            text = "unsupported operand type(s) for //: 'NoneType' and 'int'"
            raise ApiError(500, "TypeError", errors=text)
    if body["prompt"] is None:
        raise ApiError(500, "AssertionError")
    if body["batch_size"] < 1 or body["n_iter"] < 1:
        raise ApiError(500, "IndexError", errors="list index out of range")
    if body["steps"] == 0:
        raise ApiError(500, "ZeroDivisionError", errors="integer division or modulo by zero")
    if body["steps"] < 0:
        raise ApiError(500, "RuntimeError", errors="number of steps must be non-negative")
    if abs(body["seed"] or 0) >= MAX_LONG:
        raise ApiError(500, "RuntimeError", errors="Overflow when unpacking long")
    cells = [body[side] // CELL for side in ("height", "width")]
    if min(cells) < 0:
        text = f"Trying to create tensor with negative dimension {min(cells)}: {[4, *cells]}"
        raise ApiError(500, "RuntimeError", errors=text)
    if min(cells) == 0:
        text = "Kernel size can't be greater than actual input size"
        raise ApiError(500, "RuntimeError", errors=text)


def decoded(encoding: Any) -> bytes:
    """The bytes of a picture from base64 or a data URI. Raises ApiError."""
    if not isinstance(encoding, str):
        text = f"'{type(encoding).__name__}' object has no attribute 'startswith'"
        raise ApiError(500, "AttributeError", errors=text)
    if encoding.startswith(("http://", "https://")):
        # The chart's config.json turns off `api_enable_requests`.
        raise ApiError(500, "HTTPException", "Requests not allowed")
    body = encoding.partition(",")[2] if encoding.startswith("data:image/") else encoding
    try:
        data = base64.b64decode(body, validate=True)
        opened(data)
    except (binascii.Error, OSError):
        raise ApiError(500, "HTTPException", "Invalid encoded image") from None
    return data


def asked_picture(body: Mapping[str, Any]) -> bytes:
    """The picture of a request that must have one. Raises ApiError."""
    if "image" not in body:
        raise missing("image")
    return decoded(body["image"])


def makes_animation(scripts: Mapping[str, Any]) -> bool:
    """Whether the AnimateDiff extension is on: `{"animatediff": {"args": [{"enable": true}]}}`."""
    args = [script.get("args") for name, script in scripts.items() if name.lower() == "animatediff"]
    return any(unit.get("enable") for units in args for unit in units or () if isinstance(unit, Mapping))


def _check_scripts(body: Mapping[str, Any]) -> None:
    if (body["script_name"] or PLOT).lower() != PLOT:
        raise ApiError(422, "HTTPException", f"Script '{body['script_name']}' not found")
    for name, script in (body["alwayson_scripts"] or {}).items():
        if name.lower() == PLOT:
            text = "Cannot have a selectable script in the always on scripts params"
            raise ApiError(422, "HTTPException", text)
        if name.lower() not in SCRIPTS:
            raise ApiError(422, "HTTPException", f"Script '{name}' not found")
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
    body = generation.body
    first = int(body["seed"])
    first = random.randrange(MAX_SEED) if first == -1 else first  # noqa: S311 (a seed, not a secret)
    # As on the real server, of the batch that was asked for, also when a smaller one is made.
    count = int(body["batch_size"]) * int(body["n_iter"])
    seeds = [first + n for n in range(count)]
    size = f"{body['width']}x{body['height']}"
    sampler = resolved(body["sampler_name"] or body["sampler_index"])
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
        "batch_size": generation.batch_size,
        "restore_faces": False,
        "sd_model_name": model,
        "sd_model_hash": None,
        "sd_vae_name": None if options["sd_vae"] in ("Automatic", "None") else options["sd_vae"],
        "denoising_strength": body["denoising_strength"],
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": [
            f"{head}\nSteps: {body['steps']}, Seed: {seed}, {tail}" for seed in seeds[: generation.count]
        ],
        "styles": [],
        "job_timestamp": "20260101000000",
        "clip_skip": options["CLIP_stop_at_last_layers"],
        "is_using_inpainting_conditioning": False,
        "version": "simulated",
    }
