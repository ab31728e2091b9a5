"""Safetensors files as models have them: names and shapes of tensors, without sense in their numbers."""

import json
import os
from collections.abc import Mapping

SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1}
Shapes = Mapping[str, tuple[int, ...]]

SD15: Shapes = {
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (4, 768),
    "model.diffusion_model.out.2.weight": (4, 32, 3, 3),
    "first_stage_model.decoder.conv_in.weight": (32, 4, 3, 3),
    "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight": (8, 768),
}
SDXL: Shapes = {
    "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (4, 2048),
    "model.diffusion_model.label_emb.0.0.weight": (4, 2816),
    "first_stage_model.decoder.conv_in.weight": (32, 4, 3, 3),
    "conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight": (8, 768),
}
FLUX: Shapes = {
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "double_blocks.0.img_mlp.0.weight": (16, 3072),
}
LORA: Shapes = {
    "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (16, 320),
    "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": (320, 16),
}
VAE: Shapes = {"decoder.conv_in.weight": (32, 4, 3, 3), "encoder.conv_in.weight": (128, 3, 3, 3)}


def header(shapes: Shapes, dtype: str = "F16") -> tuple[bytes, int]:
    """The header of a file, with its length in front, and how many bytes the tensors have."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in shapes.items():
        size = SIZES[dtype]
        for side in shape:
            size *= side
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text, offset


def model(shapes: Shapes, dtype: str = "F16") -> bytes:
    """A whole file, with random numbers."""
    start, size = header(shapes, dtype)
    return start + os.urandom(size)


def padded(shapes: Shapes, size: int) -> bytes:
    """A file that has this many bytes more, for an upload in parts."""
    return model({**shapes, "more": (size // 2,)})
