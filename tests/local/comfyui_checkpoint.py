"""Writes a small random checkpoint of Stable Diffusion 1: `PYTHON comfyui_checkpoint.py FILE`.

Runs with ComfyUI's Python, and with its folder as PYTHONPATH. The text encoder has its full size: it is not
read from the file; the U-Net has one level, and the VAE is TAESD. Pictures are noise.
"""

import sys

(FILE,) = sys.argv[1:]
sys.argv[1:] = ["--cpu"]  # ComfyUI's modules read the command line when they are imported

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.ops  # noqa: E402
import safetensors.torch  # noqa: E402
import torch  # noqa: E402
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel  # noqa: E402
from comfy.taesd.taesd import TAESD  # noqa: E402

WIDTH, LAYERS, TOKENS, LENGTH = 768, 12, 49408, 77


def random(shape):
    return torch.randn(shape) * 0.02


def text_encoder():
    shapes = {
        "embeddings.token_embedding.weight": (TOKENS, WIDTH),
        "embeddings.position_embedding.weight": (LENGTH, WIDTH),
        "final_layer_norm.weight": (WIDTH,),
        "final_layer_norm.bias": (WIDTH,),
    }
    for n in range(LAYERS):
        layer = f"encoder.layers.{n}"
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{layer}.{norm}.weight": (WIDTH,), f"{layer}.{norm}.bias": (WIDTH,)}
        for name, rows, columns in [
            *((f"self_attn.{part}_proj", WIDTH, WIDTH) for part in ("q", "k", "v", "out")),
            ("mlp.fc1", 4 * WIDTH, WIDTH),
            ("mlp.fc2", WIDTH, 4 * WIDTH),
        ]:
            shapes |= {f"{layer}.{name}.weight": (rows, columns), f"{layer}.{name}.bias": (rows,)}
    return {name: random(shape) for name, shape in shapes.items()}


def unet():
    model = UNetModel(
        image_size=32,
        in_channels=4,
        model_channels=320,
        out_channels=4,
        num_res_blocks=[1],
        channel_mult=(1,),
        num_heads=8,
        use_spatial_transformer=True,
        transformer_depth=[1],
        transformer_depth_output=[1, 1],
        transformer_depth_middle=1,
        context_dim=WIDTH,
        operations=comfy.ops.disable_weight_init,
    )
    return {name: random(tensor.shape) for name, tensor in model.state_dict().items()}


parts = {
    "model.diffusion_model.": unet(),
    "first_stage_model.": {name: random(tensor.shape) for name, tensor in TAESD().state_dict().items()},
    "cond_stage_model.transformer.text_model.": text_encoder(),
}
safetensors.torch.save_file(
    {f"{prefix}{name}": t.half().contiguous() for prefix, part in parts.items() for name, t in part.items()},
    FILE,
)
