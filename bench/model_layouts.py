"""Synthetic model files with the names, shapes and order of the tensors of SD 1.5 and SDXL, and random data.

https://github.com/CompVis/stable-diffusion (configs/stable-diffusion/v1-inference.yaml) and
https://github.com/Stability-AI/generative-models (configs/inference/sd_xl_base.yaml); all in half precision.
"""

import json
import math
import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Shape = tuple[int, ...]
# The data is one random block again and again. Its length is no multiple of a part of a download, so
# that parts in the wrong places are noticed.
BLOCK_BYTES = (16 << 20) + 4099
GGUF_ALIGNMENT = 32
LAYOUTS = ("sd15", "sdxl", "shuffled", "ckpt", "gguf")


@dataclass(frozen=True)
class Unet:
    """The parts of a UNet's config that set its shapes."""

    multipliers: tuple[int, ...]
    depths: tuple[int, ...]  # of the transformers, by level; 0: none
    middle: int  # depth of the transformer in the middle
    context: int
    linear: bool
    label: int = 0


SD15 = Unet((1, 2, 4, 4), (1, 1, 1, 0), 1, 768, linear=False)
SDXL = Unet((1, 2, 4), (0, 2, 10), 10, 2048, linear=True, label=2816)
Tensors = Iterator[tuple[str, Shape]]


def layer(name: str, *shape: int, bias: bool = True) -> Tensors:
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", shape[:1]


def under(prefix: str, tensors: Tensors) -> Tensors:
    return ((f"{prefix}.{name}", shape) for name, shape in tensors)


def unet_block(channels: int, out: int) -> Tensors:
    yield from layer("in_layers.0", channels)
    yield from layer("in_layers.2", out, channels, 3, 3)
    yield from layer("emb_layers.1", out, 1280)
    yield from layer("out_layers.0", out)
    yield from layer("out_layers.3", out, out, 3, 3)
    if channels != out:
        yield from layer("skip_connection", out, channels, 1, 1)


def transformer(c: int, depth: int, config: Unet) -> Tensors:
    one = () if config.linear else (1, 1)
    yield from layer("norm", c)
    yield from layer("proj_in", c, c, *one)
    for n in range(depth):
        block = f"transformer_blocks.{n}"
        for attention, width in (("attn1", c), ("attn2", config.context)):
            yield from layer(f"{block}.{attention}.to_q", c, c, bias=False)
            yield from layer(f"{block}.{attention}.to_k", c, width, bias=False)
            yield from layer(f"{block}.{attention}.to_v", c, width, bias=False)
            yield from layer(f"{block}.{attention}.to_out.0", c, c)
        yield from layer(f"{block}.ff.net.0.proj", 8 * c, c)
        yield from layer(f"{block}.ff.net.2", c, 4 * c)
        for norm in ("norm1", "norm2", "norm3"):
            yield from layer(f"{block}.{norm}", c)
    yield from layer("proj_out", c, c, *one)


def unet(config: Unet, base: int = 320) -> Tensors:
    yield from layer("time_embed.0", 1280, base)
    yield from layer("time_embed.2", 1280, 1280)
    if config.label:
        yield from layer("label_emb.0.0", 1280, config.label)
        yield from layer("label_emb.0.2", 1280, 1280)
    yield from layer("input_blocks.0.0", base, 4, 3, 3)
    skips, channels, n = [base], base, 1
    levels = list(zip(config.multipliers, config.depths, strict=True))
    for level, (multiplier, depth) in enumerate(levels):
        for _ in range(2):
            yield from under(f"input_blocks.{n}.0", unet_block(channels, multiplier * base))
            channels = multiplier * base
            if depth:
                yield from under(f"input_blocks.{n}.1", transformer(channels, depth, config))
            skips.append(channels)
            n += 1
        if level < len(levels) - 1:
            yield from layer(f"input_blocks.{n}.0.op", channels, channels, 3, 3)
            skips.append(channels)
            n += 1
    yield from under("middle_block.0", unet_block(channels, channels))
    yield from under("middle_block.1", transformer(channels, config.middle, config))
    yield from under("middle_block.2", unet_block(channels, channels))
    n = 0
    for level, (multiplier, depth) in reversed(list(enumerate(levels))):
        for last in (False, False, True):
            yield from under(f"output_blocks.{n}.0", unet_block(channels + skips.pop(), multiplier * base))
            channels = multiplier * base
            if depth:
                yield from under(f"output_blocks.{n}.1", transformer(channels, depth, config))
            if last and level:
                name = f"output_blocks.{n}.{2 if depth else 1}.conv"
                yield from layer(name, channels, channels, 3, 3)
            n += 1
    yield from layer("out.0", channels)
    yield from layer("out.2", 4, channels, 3, 3)


def clip_l() -> Tensors:
    yield "embeddings.token_embedding.weight", (49408, 768)
    yield "embeddings.position_embedding.weight", (77, 768)
    for n in range(12):
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from layer(f"encoder.layers.{n}.self_attn.{name}", 768, 768)
        yield from layer(f"encoder.layers.{n}.mlp.fc1", 3072, 768)
        yield from layer(f"encoder.layers.{n}.mlp.fc2", 768, 3072)
        for name in ("layer_norm1", "layer_norm2"):
            yield from layer(f"encoder.layers.{n}.{name}", 768)
    yield from layer("final_layer_norm", 768)


def clip_g(width: int = 1280) -> Tensors:
    yield "token_embedding.weight", (49408, width)
    yield "positional_embedding", (77, width)
    yield "text_projection", (width, width)
    yield "logit_scale", ()
    for n in range(32):
        block = f"transformer.resblocks.{n}"
        yield f"{block}.attn.in_proj_weight", (3 * width, width)
        yield f"{block}.attn.in_proj_bias", (3 * width,)
        yield from layer(f"{block}.attn.out_proj", width, width)
        yield from layer(f"{block}.mlp.c_fc", 4 * width, width)
        yield from layer(f"{block}.mlp.c_proj", width, 4 * width)
        yield from layer(f"{block}.ln_1", width)
        yield from layer(f"{block}.ln_2", width)
    yield from layer("ln_final", width)


def vae_block(channels: int, out: int) -> Tensors:
    yield from layer("norm1", channels)
    yield from layer("conv1", out, channels, 3, 3)
    yield from layer("norm2", out)
    yield from layer("conv2", out, out, 3, 3)
    if channels != out:
        yield from layer("nin_shortcut", out, channels, 1, 1)


def vae_middle(c: int) -> Tensors:
    yield from under("mid.block_1", vae_block(c, c))
    yield from layer("mid.attn_1.norm", c)
    for name in ("q", "k", "v", "proj_out"):
        yield from layer(f"mid.attn_1.{name}", c, c, 1, 1)
    yield from under("mid.block_2", vae_block(c, c))


def vae_half(side: str, name: str, blocks: int, widths: list[tuple[int, int]], ends: Shape) -> Tensors:
    """The encoder or the decoder; `widths` are level and width in the order of the data flow."""
    channels = ends[1]
    yield from layer(f"{side}.conv_in", ends[1], ends[0], 3, 3)
    for place, (level, width) in enumerate(widths):
        for n in range(blocks):
            yield from under(f"{side}.{name}.{level}.block.{n}", vae_block(channels, width))
            channels = width
        if place < len(widths) - 1:
            yield from layer(f"{side}.{name}.{level}.{name}sample.conv", channels, channels, 3, 3)
    yield from under(side, vae_middle(512))
    yield from layer(f"{side}.norm_out", channels)
    yield from layer(f"{side}.conv_out", ends[2], channels, 3, 3)


def vae() -> Tensors:
    widths = list(enumerate((128, 256, 512, 512)))
    yield from vae_half("encoder", "down", 2, widths, (3, 128, 8))
    yield from layer("quant_conv", 8, 8, 1, 1)
    yield from layer("post_quant_conv", 4, 4, 1, 1)
    yield from vae_half("decoder", "up", 3, widths[::-1], (4, 512, 3))


def tensors(layout: str, scale: float) -> dict[str, Shape]:
    """The shapes of a layout by name, in the order of the data; `scale` shortens the first axis of each."""
    if layout == "sd15":
        parts = [
            under("model.diffusion_model", unet(SD15)),
            under("cond_stage_model.transformer.text_model", clip_l()),
            under("first_stage_model", vae()),
        ]
    elif layout == "gguf":  # a UNet only, as such files have it
        parts = [unet(SDXL)]
    else:
        parts = [
            under("model.diffusion_model", unet(SDXL)),
            under("conditioner.embedders.0.transformer.text_model", clip_l()),
            under("conditioner.embedders.1.model", clip_g()),
            under("first_stage_model", vae()),
        ]
    names = sorted((name, shape) for part in parts for name, shape in part)
    if layout == "shuffled":
        random.Random(7).shuffle(names)
    return {name: (max(1, round(shape[0] * scale)), *shape[1:]) if shape else shape for name, shape in names}


def write(path: Path, layout: str, scale: float) -> None:
    """Write a layout as .safetensors, or as .gguf; a .ckpt is made from a .safetensors file, with PyTorch."""
    shapes = tensors(layout, scale)
    sizes = {name: 2 * math.prod(shape) for name, shape in shapes.items()}
    head, alignment = (_gguf, GGUF_ALIGNMENT) if layout == "gguf" else (_safetensors, 1)
    offsets, end = {}, 0
    for name, size in sizes.items():
        offsets[name] = end
        end += size + -size % alignment
    block = os.urandom(BLOCK_BYTES)
    with path.open("wb") as file:
        file.write(head(shapes, sizes, offsets))
        while end > 0:
            file.write(block[:end])
            end -= len(block)


def _safetensors(shapes: dict[str, Shape], sizes: dict[str, int], offsets: dict[str, int]) -> bytes:
    entries = {
        name: {"dtype": "F16", "shape": shape, "data_offsets": [offsets[name], offsets[name] + sizes[name]]}
        for name, shape in shapes.items()
    }
    # As the library writes it: sorted by name, and padded so that the data is aligned.
    text = json.dumps({"__metadata__": {"format": "pt"}, **dict(sorted(entries.items()))}).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _gguf(shapes: dict[str, Shape], _: dict[str, int], offsets: dict[str, int]) -> bytes:
    """https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3, all tensors in half precision."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    parts = [b"GGUF", struct.pack("<IQQ", 3, len(shapes), 1)]
    parts += [text("general.architecture"), struct.pack("<I", 8), text("sdxl")]
    for name, shape in shapes.items():
        dimensions = (shape or (1,))[::-1]
        parts += [text(name), struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)]
        parts += [struct.pack("<IQ", 1, offsets[name])]
    head = b"".join(parts)
    return head + bytes(-len(head) % GGUF_ALIGNMENT)
