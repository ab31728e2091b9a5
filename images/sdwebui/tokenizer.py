"""Writes CLIP's tokenizer and the config of its text encoder, for SD WebUI: `tokenizer.py FOLDER`.

FOLDER becomes a cache of Hugging Face's hub, where SD WebUI looks both up when it loads a checkpoint. The
words and their order are those of the package `clip`; transformers reads them in files of its own form. The
config is that of openai/clip-vit-large-patch14, the text encoder of Stable Diffusion 1 and XL.
"""

import json
import sys
from pathlib import Path

from clip.simple_tokenizer import SimpleTokenizer

NAME = "models--openai--clip-vit-large-patch14"
# The name of a version there has 40 hexadecimal digits: here the commit of the package.
VERSION = "d50d76daa670286dd6cacf3bcd80b5e4823fc8e1"
START, END = "<|startoftext|>", "<|endoftext|>"
SPECIAL = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
TEXT_ENCODER = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
    "max_position_embeddings": 77,
    "vocab_size": 49408,
    "hidden_act": "quick_gelu",
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}


def files() -> dict[str, str]:
    """The files by name."""
    words = SimpleTokenizer()
    merges = [" ".join(pair) for pair in sorted(words.bpe_ranks, key=words.bpe_ranks.get)]
    tokenizer = {**SPECIAL, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "model_max_length": 77}
    return {
        "vocab.json": json.dumps(words.encoder),
        "merges.txt": "\n".join(["#version: 0.2", *merges, ""]),
        "special_tokens_map.json": json.dumps(SPECIAL),
        "tokenizer_config.json": json.dumps(tokenizer),
        "config.json": json.dumps({"model_type": "clip", "projection_dim": 768, "text_config": TEXT_ENCODER}),
    }


def main() -> None:
    """Write the cache."""
    model = Path(sys.argv[1]) / NAME
    snapshot = model / "snapshots" / VERSION
    snapshot.mkdir(parents=True)
    for name, text in files().items():
        (snapshot / name).write_text(text, "utf-8")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(VERSION)


if __name__ == "__main__":
    main()
