"""Writes a small random checkpoint of Stable Diffusion 1: `PYTHON sdwebui_checkpoint.py FILE`.

Runs with SD WebUI's Python, in its folder. The U-Net has one level; a .yaml file next to the checkpoint tells
A1111 so, and Forge sees it in the file. Text encoder and VAE have their full size, which Forge does not read
from the file. Pictures are noise.
"""

import sys
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

WIDTH, LAYERS, TOKENS, LENGTH = 768, 12, 49408, 77
CHANNELS, TIME = 320, 1280
VAE_CHANNELS = (128, 256, 512, 512)
# Only A1111 has it.
CONFIG = Path("configs/v1-inference.yaml")


def linear(name, rows, columns, bias=True):
    return {f"{name}.weight": (rows, columns)} | ({f"{name}.bias": (rows,)} if bias else {})


def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def conv(name, out, into, size=3):
    return {f"{name}.weight": (out, into, size, size), f"{name}.bias": (out,)}


def text_encoder(prefix="cond_stage_model.transformer.text_model"):
    shapes = {
        f"{prefix}.embeddings.token_embedding.weight": (TOKENS, WIDTH),
        f"{prefix}.embeddings.position_embedding.weight": (LENGTH, WIDTH),
        **norm(f"{prefix}.final_layer_norm", WIDTH),
    }
    for n in range(LAYERS):
        layer = f"{prefix}.encoder.layers.{n}"
        shapes |= norm(f"{layer}.layer_norm1", WIDTH) | norm(f"{layer}.layer_norm2", WIDTH)
        for part in ("q", "k", "v", "out"):
            shapes |= linear(f"{layer}.self_attn.{part}_proj", WIDTH, WIDTH)
        shapes |= linear(f"{layer}.mlp.fc1", 4 * WIDTH, WIDTH) | linear(f"{layer}.mlp.fc2", WIDTH, 4 * WIDTH)
    return shapes


def residual(name, into):
    shapes = norm(f"{name}.in_layers.0", into) | conv(f"{name}.in_layers.2", CHANNELS, into)
    shapes |= linear(f"{name}.emb_layers.1", CHANNELS, TIME)
    shapes |= norm(f"{name}.out_layers.0", CHANNELS) | conv(f"{name}.out_layers.3", CHANNELS, CHANNELS)
    return shapes | (conv(f"{name}.skip_connection", CHANNELS, into, 1) if into != CHANNELS else {})


def transformer(name):
    block = f"{name}.transformer_blocks.0"
    shapes = norm(f"{name}.norm", CHANNELS)
    shapes |= conv(f"{name}.proj_in", CHANNELS, CHANNELS, 1) | conv(f"{name}.proj_out", CHANNELS, CHANNELS, 1)
    for attention, context in (("attn1", CHANNELS), ("attn2", WIDTH)):
        for part, columns in (("to_q", CHANNELS), ("to_k", context), ("to_v", context)):
            shapes |= linear(f"{block}.{attention}.{part}", CHANNELS, columns, bias=False)
        shapes |= linear(f"{block}.{attention}.to_out.0", CHANNELS, CHANNELS)
    shapes |= linear(f"{block}.ff.net.0.proj", 8 * CHANNELS, CHANNELS)
    shapes |= linear(f"{block}.ff.net.2", CHANNELS, 4 * CHANNELS)
    for n in (1, 2, 3):
        shapes |= norm(f"{block}.norm{n}", CHANNELS)
    return shapes


def unet(prefix="model.diffusion_model"):
    shapes = linear(f"{prefix}.time_embed.0", TIME, CHANNELS) | linear(f"{prefix}.time_embed.2", TIME, TIME)
    shapes |= conv(f"{prefix}.input_blocks.0.0", CHANNELS, 4)
    for name, into in (("input_blocks.1", CHANNELS), ("output_blocks.0", 640), ("output_blocks.1", 640)):
        shapes |= residual(f"{prefix}.{name}.0", into) | transformer(f"{prefix}.{name}.1")
    middle = f"{prefix}.middle_block"
    shapes |= (
        residual(f"{middle}.0", CHANNELS) | transformer(f"{middle}.1") | residual(f"{middle}.2", CHANNELS)
    )
    return shapes | norm(f"{prefix}.out.0", CHANNELS) | conv(f"{prefix}.out.2", 4, CHANNELS)


def vae_block(name, into, out):
    shapes = norm(f"{name}.norm1", into) | conv(f"{name}.conv1", out, into)
    shapes |= norm(f"{name}.norm2", out) | conv(f"{name}.conv2", out, out)
    return shapes | (conv(f"{name}.nin_shortcut", out, into, 1) if into != out else {})


def vae_middle(name, width):
    shapes = vae_block(f"{name}.block_1", width, width) | vae_block(f"{name}.block_2", width, width)
    shapes |= norm(f"{name}.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        shapes |= conv(f"{name}.attn_1.{part}", width, width, 1)
    return shapes


def vae(prefix="first_stage_model"):
    first, *_, last = VAE_CHANNELS
    encoder, decoder = f"{prefix}.encoder", f"{prefix}.decoder"
    shapes = conv(f"{encoder}.conv_in", first, 3) | conv(f"{decoder}.conv_out", 3, first)
    shapes |= conv(f"{encoder}.conv_out", 8, last) | conv(f"{decoder}.conv_in", last, 4)
    shapes |= norm(f"{encoder}.norm_out", last) | norm(f"{decoder}.norm_out", first)
    shapes |= vae_middle(f"{encoder}.mid", last) | vae_middle(f"{decoder}.mid", last)
    shapes |= conv(f"{prefix}.quant_conv", 8, 8, 1) | conv(f"{prefix}.post_quant_conv", 4, 4, 1)
    for level, width in enumerate(VAE_CHANNELS):
        below = VAE_CHANNELS[max(0, level - 1)]
        above = VAE_CHANNELS[min(level + 1, len(VAE_CHANNELS) - 1)]
        for n in range(2):
            shapes |= vae_block(f"{encoder}.down.{level}.block.{n}", width if n else below, width)
        for n in range(3):
            shapes |= vae_block(f"{decoder}.up.{level}.block.{n}", width if n else above, width)
        if level + 1 < len(VAE_CHANNELS):
            shapes |= conv(f"{encoder}.down.{level}.downsample.conv", width, width)
        if level:
            shapes |= conv(f"{decoder}.up.{level}.upsample.conv", width, width)
    return shapes


def config(text):
    """A1111's config of Stable Diffusion 1, for a U-Net of one level."""
    document = yaml.safe_load(text)
    document["model"]["params"]["unet_config"]["params"] |= {
        "channel_mult": [1],
        "num_res_blocks": 1,
        "attention_resolutions": [1],
    }
    return yaml.safe_dump(document)


def main():
    file = Path(sys.argv[1])
    torch.manual_seed(1)
    shapes = text_encoder() | unet() | vae()
    save_file({name: (torch.randn(shape) * 0.02).half() for name, shape in shapes.items()}, file)
    if CONFIG.exists():
        file.with_suffix(".yaml").write_text(config(CONFIG.read_text()))


if __name__ == "__main__":
    main()
