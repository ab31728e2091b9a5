"""Writes a small random Stable Diffusion 1 as a folder of diffusers: `PYTHON invokeai_model.py FOLDER`.

Runs with InvokeAI's Python. Each part has the fewest and narrowest layers that it may have; the text encoder
has the width of the real one, by which InvokeAI knows Stable Diffusion 1. The tokenizer has a token for each
byte. Pictures are noise.
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH, LENGTH = 768, 77
START, END = "<|startoftext|>", "<|endoftext|>"


def tokenizer(folder):
    """CLIP's tokenizer without merges: a token for each byte, inside and at the end of a word."""
    letters = [chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    words = [*letters, *(f"{letter}</w>" for letter in letters), START, END]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=LENGTH)


def main():
    folder = Path(sys.argv[1])
    torch.manual_seed(1)
    words = tokenizer(folder / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        projection_dim=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=12,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )
    channels = (32, 64)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=channels,
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )
    vae = AutoencoderKL(
        sample_size=64,
        block_out_channels=(32, 32, 64, 64),
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=words,
        unet=unet,
        scheduler=EulerDiscreteScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


if __name__ == "__main__":
    main()
