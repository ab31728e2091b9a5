"""Samplers and schedulers of the SD WebUI simulation: those of A1111 1.10.1, and how it reads their names."""

from __future__ import annotations

SAMPLERS = (
    "DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 2S a", "DPM++ 3M SDE", "Euler a",
    "Euler", "LMS", "Heun", "DPM2", "DPM2 a", "DPM fast", "DPM adaptive", "Restart", "DDIM", "DDIM CFG++",
    "PLMS", "UniPC", "LCM",
)  # fmt: skip
# Name and label.
SCHEDULERS = {
    "automatic": "Automatic",
    "uniform": "Uniform",
    "karras": "Karras",
    "exponential": "Exponential",
    "polyexponential": "Polyexponential",
    "sgm_uniform": "SGM Uniform",
    "kl_optimal": "KL Optimal",
    "align_your_steps": "Align Your Steps",
    "simple": "Simple",
    "normal": "Normal",
    "ddim": "DDIM",
    "beta": "Beta",
}


def resolved(name: str) -> str:
    """The sampler that makes the picture. For an unknown name it is the first one, without an error.

    Source: get_sampler_and_scheduler in modules/sd_samplers.py of A1111 1.10.1.
    """
    for suffix in (f" {word}" for pair in SCHEDULERS.items() for word in reversed(pair)):
        name = name.removesuffix(suffix)
    return name if name in SAMPLERS else SAMPLERS[0]
