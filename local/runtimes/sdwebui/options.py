"""The options of the SD WebUI simulation, with the rules by which a request changes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local.runtimes.sdwebui.fields import ApiError

# Those that requests often override, with A1111's defaults.
DEFAULTS: dict[str, Any] = {
    "sd_model_checkpoint": None,
    "sd_vae": "Automatic",
    "CLIP_stop_at_last_layers": 1,
    "samples_format": "png",
    "jpeg_quality": 80,
    "eta_noise_seed_delta": 0,
    "randn_source": "GPU",
    "upcast_attn": False,
    "token_merging_ratio": 0.0,
    "sd_unet": "Automatic",
    "face_restoration_model": "CodeFormer",
    "code_former_weight": 0.5,
    "img2img_color_correction": False,
    "live_previews_enable": True,
    "enable_pnginfo": True,
    "return_grid": True,
    "do_not_show_images": False,
    "samples_save": True,
    "tiling": False,
}


class Options:
    """The options of one server. They last as long as its process."""

    def __init__(self) -> None:
        self.values = dict(DEFAULTS)

    def set(self, changes: Mapping[str, Any]) -> None:
        """Change options. Raises ApiError for an unknown one, as A1111 does: a KeyError."""
        if unknown := [key for key in changes if key not in self.values]:
            raise ApiError(500, "KeyError", errors=repr(unknown[0]))
        self.values.update(changes)

    @contextmanager
    def overridden(self, settings: Mapping[str, Any] | None, *, restore: bool) -> Iterator[None]:
        """The options during a request. Without `restore` they stay for every later request of the process.

        So does a checkpoint where the server started without one. Source: process_images in
        modules/processing.py of A1111 1.10, with the chart's sitecustomize.py.
        """
        stored = {
            key: self.values[key]
            for key in settings or {}
            if key in self.values and (key != "sd_model_checkpoint" or self.values[key] is not None)
        }
        try:
            self.set(settings or {})
            yield
        finally:
            if restore:
                self.values.update(stored)
