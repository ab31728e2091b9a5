"""What a model file is, by the header alone; and headers that are none."""

import json
import math

import pytest

from generator.models import contents, header
from generator.models.contents import Contents
from generator.models.header import HeaderError
from testing import model_files as files
from testing.model_files import Shapes


def contents_of(shapes: Shapes, dtype: str = "F16") -> Contents:
    start, _ = files.header(shapes, dtype)
    return contents.contents(header.parse(start[header.LENGTH_BYTES :]))


SD2: Shapes = {
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
}
SD3: Shapes = {
    "model.diffusion_model.joint_blocks.0.context_block.attn.qkv.weight": (4608, 1536),
    "first_stage_model.decoder.conv_in.weight": (8, 4, 3, 3),
}
CONTROL_NET: Shapes = {
    "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
}
KINDS: dict[str, tuple[Shapes, str, str]] = {
    "SD 1.5": (files.SD15, "checkpoint", "SD 1.x"),
    "SD 2": (SD2, "checkpoint", "SD 2.x"),
    "SDXL": (files.SDXL, "checkpoint", "SDXL"),
    "SD 3": (SD3, "checkpoint", "SD3"),
    "Flux": (files.FLUX, "diffusionModel", "Flux"),
    "Chroma": (
        {**files.FLUX, "distilled_guidance_layer.norms.0.scale": (8,)},
        "diffusionModel",
        "Chroma",
    ),
    "a UNet in the names of diffusers": (
        {"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, 2048)},
        "diffusionModel",
        "SDXL",
    ),
    "LoRA": (files.LORA, "lora", ""),
    "VAE": (files.VAE, "vae", ""),
    "ControlNet": (CONTROL_NET, "controlnet", ""),
    "CLIP": ({"text_model.encoder.layers.0.mlp.fc1.weight": (3072, 768)}, "textEncoder", ""),
    "T5": ({"encoder.block.0.layer.0.SelfAttention.q.weight": (64, 64)}, "textEncoder", ""),
    "embedding": ({"emb_params": (4, 768)}, "embedding", ""),
    "upscaler": ({"conv_first.weight": (64, 3, 3, 3)}, "upscaler", ""),
    "a norm that has a weight": (
        {"double_blocks.0.img_attn.norm.key_norm.weight": (128,)},
        "diffusionModel",
        "Flux",
    ),
    "Z-Image": (
        {"noise_refiner.0.attention.k_norm.weight": (128,), "cap_embedder.1.weight": (3840, 2560)},
        "diffusionModel",
        "Z-Image",
    ),
    "Lumina 2": (
        {"noise_refiner.0.attention.k_norm.weight": (96,), "cap_embedder.1.weight": (2304, 2304)},
        "diffusionModel",
        "Lumina 2",
    ),
    "HiDream": (
        {"model.diffusion_model.caption_projection.0.linear.weight": (2560, 4096)},
        "diffusionModel",
        "HiDream",
    ),
    "Cosmos": (
        {"net.blocks.0.mlp.layer1.weight": (8192, 2048), "net.x_embedder.proj.1.weight": (2048, 68)},
        "diffusionModel",
        "Cosmos-Predict2",
    ),
    "LTX-Video": (
        {"adaln_single.emb.timestep_embedder.linear_1.bias": (2048,), "proj_out.weight": (128, 2048)},
        "diffusionModel",
        "LTX-Video",
    ),
    "VAE of Wan": ({"decoder.middle.0.residual.0.gamma": (384, 1, 1, 1)}, "vae", ""),
    "a UNet of one number": (
        {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": ()},
        "",
        "",
    ),
    "something else": ({"classifier.weight": (10, 10)}, "", ""),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_recognized_by_its_tensors(name: str) -> None:
    shapes, kind, architecture = KINDS[name]

    found = contents_of(shapes)
    assert (found.kind, found.architecture, found.dtype) == (kind, architecture, "F16")


def test_parts_of_a_checkpoint_are_counted_as_they_are_on_a_gpu() -> None:
    single, half, eighth = (contents_of(files.SDXL, dtype) for dtype in ("F32", "F16", "F8_E4M3"))

    assert half.size > half.on_gpu > half.size - 2000
    assert (single.diffusion, single.text, single.vae) == (half.diffusion, half.text, half.vae)
    assert 2 * eighth.diffusion == half.diffusion
    assert half.text == 2 * 8 * 768


def test_a_text_encoder_alone_is_counted_too() -> None:
    shapes: Shapes = {"model.layers.0.self_attn.q_proj.weight": (4096, 5120)}
    assert contents_of(shapes, "F32").text == 2 * 4096 * 5120


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"", "only 0 bytes"),
        (b"PK\x03\x04\x00\x00\x00", "only 7 bytes"),
        (b"PK\x03\x04\x14\x00\x00\x00", "does not start as a safetensors file does"),
        ((0).to_bytes(8, "little"), "does not start"),
        ((100_000_001).to_bytes(8, "little"), "does not start"),
    ],
)
def test_a_length_that_no_header_has_is_refused(first: bytes, reason: str) -> None:
    with pytest.raises(HeaderError, match=reason):
        header.length(first)


def test_the_longest_header_is_a_hundred_megabytes() -> None:
    assert header.length((100_000_000).to_bytes(8, "little")) == 100_000_000


@pytest.mark.parametrize(
    "entries",
    [
        [],
        {"a": 1},
        {"a": {"dtype": "F16", "shape": [1]}},
        {"a": {"dtype": "F16", "shape": [1], "data_offsets": [2, 0]}},
        {"a": {"dtype": "F16", "shape": [-1], "data_offsets": [0, 2]}},
        {"a": {"dtype": "F16", "shape": ["x"], "data_offsets": [0, 2]}},
        {"a": {"dtype": "F16", "shape": [1], "data_offsets": [0]}},
        {"a": {"dtype": "F16", "shape": [math.inf], "data_offsets": [0, 2]}},
        {"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, math.inf]}},
    ],
    ids=str,
)
def test_a_header_that_describes_no_tensors_is_refused(entries: object) -> None:
    with pytest.raises(HeaderError):
        header.parse(json.dumps(entries).encode())


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(HeaderError):
        header.parse(b"[" * 200_000)
