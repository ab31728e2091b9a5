"""Constant lists of the SD WebUI simulation, and calls without effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from local.runtimes.sdwebui.request import LATENT_UPSCALERS, PLOT, SCRIPTS, UPSCALERS
from local.runtimes.sdwebui.samplers import SAMPLERS, SCHEDULERS

EMPTY = (
    "sd-vae", "hypernetworks", "face-restorers", "realesrgan-models", "prompt-styles", "loras", "script-info",
)  # fmt: skip
GIGABYTE = 2**30


def routes(api: str) -> list[web.RouteDef]:
    """The routes of the lists and of the calls without effect; `api` is the path prefix."""
    fixed: dict[str, Any] = {
        "cmd-flags": {"api": True, "nowebui": True, "ckpt": None, "no_hashing": True},
        "samplers": [{"name": name, "aliases": [name.lower()], "options": {}} for name in SAMPLERS],
        "schedulers": [{"name": name, "label": label, "aliases": None} for name, label in SCHEDULERS.items()],
        "upscalers": [
            {"name": name, "model_name": None, "model_path": None, "model_url": None, "scale": 4.0}
            for name in UPSCALERS
        ],
        "latent-upscale-modes": [{"name": name} for name in LATENT_UPSCALERS],
        "scripts": {"txt2img": [*SCRIPTS, PLOT], "img2img": [*SCRIPTS, PLOT]},
        "embeddings": {"loaded": {}, "skipped": {}},
        "memory": {
            "ram": {"free": 8 * GIGABYTE, "used": 8 * GIGABYTE, "total": 16 * GIGABYTE},
            "cuda": {"system": {"free": 12 * GIGABYTE, "used": 12 * GIGABYTE, "total": 24 * GIGABYTE}},
        },
        **{name: [] for name in EMPTY},
    }
    no_effect = ("skip", "unload-checkpoint", "reload-checkpoint")
    return [
        *(web.get(f"{api}/{name}", _always(value)) for name, value in fixed.items()),
        *(web.post(f"{api}/{name}", _always({})) for name in no_effect),
    ]


def _always(value: Any) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response(value)

    return handle
