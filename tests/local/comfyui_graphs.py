"""Workflows that a real ComfyUI runs, or fails in."""

import base64
import io
import uuid
import wave
from typing import Any

from tests.local.comfyui_server import CHECKPOINT

Graph = dict[str, dict[str, Any]]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def blank(color: int = 255, kind: str = "SaveImage", **save: Any) -> Graph:
    """A workflow that needs no model."""
    save = {"filename_prefix": "blank", **save} if kind != "PreviewImage" else save
    return {
        "1": node("EmptyImage", width=64, height=48, batch_size=1, color=color),
        "2": node(kind, images=["1", 0], **save),
    }


def sampled(steps: int = 2, seed: int = 7) -> Graph:
    """A workflow with the small checkpoint."""
    return {
        "4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "5": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "6": node("CLIPTextEncode", text="a lighthouse", clip=["4", 1]),
        "3": node(
            "KSampler", seed=seed, steps=steps, cfg=1.0, sampler_name="euler", scheduler="normal",
            denoise=1.0, model=["4", 0], positive=["6", 0], negative=["6", 0], latent_image=["5", 0],
        ),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="a/b"),
    }  # fmt: skip


def failing(kind: str, message: str) -> Graph:
    # A text of its own: ComfyUI does not run a node with the same inputs again.
    return {"1": node("TestFail", error=kind, message=f"{message} {uuid.uuid4()}")}


def changed(name: str, **inputs: Any) -> Graph:
    graph = sampled()
    graph[name]["inputs"].update(inputs)
    return graph


def sound() -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(b"\1\2" * 8000)
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"
