"""What a model file is, by the names and shapes of its tensors: kind, architecture, dtype, memory.

The names are those with which ComfyUI (comfy/model_detection.py) and InvokeAI
(invokeai/backend/model_manager/configs) recognize models, read on 2026-11-27.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from generator.models.header import Header, Tensor

# Where a diffusion model is in a file: of a whole checkpoint, of a checkpoint without its other parts, alone.
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.", "net.", "")
VAE_PREFIXES = ("first_stage_model.", "vae.")
TEXT_PREFIXES = ("cond_stage_model.", "conditioner.", "text_encoders.")
# Runtimes turn larger numbers into these on a GPU.
HALF_BYTES = 2

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    `kind`: a key of MODEL_TYPES; empty if it is not recognized. `architecture`: `SD 1.x`, `SDXL`, `Flux`, …,
    of diffusion models; else empty. `dtype`: that of most bytes. `size`: of the file, in bytes. `diffusion`,
    `text`, `vae`: bytes of its parts in the memory of a GPU.
    """

    kind: str
    architecture: str
    dtype: str
    size: int
    diffusion: int = 0
    text: int = 0
    vae: int = 0

    @property
    def on_gpu(self) -> int:
        """Bytes of all parts in the memory of a GPU."""
        return self.diffusion + self.text + self.vae

    def __str__(self) -> str:
        what = f"{self.architecture} {self.kind}".strip() or "tensors that are not recognized"
        return f"{what}, {self.dtype}, {self.size / 1e9:.2f} GB"


def contents(header: Header) -> Contents:
    """What the file with this header holds."""
    tensors = header.tensors
    dtypes: Counter[str] = Counter()
    for tensor in tensors.values():
        dtypes[tensor.dtype] += tensor.size
    dtype = dtypes.most_common(1)[0][0] if dtypes else "empty"
    for is_kind, kind in _ADDED:
        if is_kind(tensors):
            return Contents(kind, "", dtype, header.file_size)
    for prefix in PREFIXES:
        model = {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
        if architecture := architecture_of(model):
            text, vae = _on_gpu(tensors, TEXT_PREFIXES), _on_gpu(tensors, VAE_PREFIXES)
            diffusion = (
                _on_gpu(tensors, (prefix,))
                if prefix in PREFIXES[:2]
                else _on_gpu(tensors, ("",)) - text - vae
            )
            kind = "checkpoint" if text or vae else "diffusionModel"
            return Contents(kind, architecture, dtype, header.file_size, diffusion, text, vae)
    kind = next((kind for is_kind, kind in _PARTS if is_kind(tensors)), "")
    text = _on_gpu(tensors, ("",)) if kind == "textEncoder" else 0
    return Contents(kind, "", dtype, header.file_size, text=text)


def architecture_of(model: Tensors) -> str:
    """The architecture of a diffusion model, from its own names; empty if it is not recognized."""
    named = next((name for name, keys in _MARKS if all(_is_there(key, model) for key in keys)), "")
    return _unet(model) or (_lumina(model) if named == _LUMINA else named)


def _is_there(key: str, model: Tensors) -> bool:
    """Whether a model has a tensor; the scale of a norm may be called its weight, too."""
    return key in model or (key.endswith(".scale") and f"{key.removesuffix('.scale')}.weight" in model)


def _lumina(model: Tensors) -> str:
    """Z-Image has the tensors of Lumina 2 in another width."""
    return "Z-Image" if model["cap_embedder.1.weight"].shape[:1] == (Z_IMAGE_WIDTH,) else _LUMINA


Z_IMAGE_WIDTH = 3840
_LUMINA = "Lumina 2"
# In this order: some have the marks of others as well.
_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("HunyuanVideo", ("txt_in.individual_token_refiner.blocks.0.norm1.weight",)),
    ("FLUX.2", ("double_blocks.0.img_attn.norm.key_norm.scale", "double_stream_modulation_img.lin.weight")),
    ("Chroma", ("double_blocks.0.img_attn.norm.key_norm.scale", "distilled_guidance_layer.norms.0.scale")),
    ("Flux", ("double_blocks.0.img_attn.norm.key_norm.scale",)),
    ("Flux", ("single_transformer_blocks.0.attn.norm_k.weight", "x_embedder.weight")),
    ("SD3", ("joint_blocks.0.context_block.attn.qkv.weight",)),
    ("SD3", ("transformer_blocks.0.attn.add_k_proj.weight", "pos_embed.proj.weight")),
    ("Qwen-Image", ("transformer_blocks.0.img_mlp.net.0.proj.weight", "txt_norm.weight")),
    ("Wan", ("blocks.0.self_attn.norm_q.weight", "head.modulation")),
    (_LUMINA, ("noise_refiner.0.attention.k_norm.weight", "cap_embedder.1.weight")),
    ("PixArt", ("t_block.1.weight", "y_embedder.y_proj.fc1.weight")),
    ("PixArt", ("adaln_single.emb.timestep_embedder.linear_1.bias", "pos_embed.proj.bias")),
    ("LTX-Video", ("adaln_single.emb.timestep_embedder.linear_1.bias",)),
    ("HiDream", ("caption_projection.0.linear.weight",)),
    ("AuraFlow", ("double_layers.0.attn.w1q.weight",)),
    ("Stable Cascade", ("clf.1.weight",)),
    ("Hunyuan-DiT", ("mlp_t5.0.weight",)),
    ("Mochi", ("t5_yproj.weight",)),
    ("Cosmos", ("blocks.block0.blocks.0.block.attn.to_q.0.weight",)),
    ("Anima", ("blocks.0.mlp.layer1.weight", "llm_adapter.blocks.0.cross_attn.q_proj.weight")),
    ("Cosmos-Predict2", ("blocks.0.mlp.layer1.weight",)),
    ("OmniGen2", ("time_caption_embed.timestep_embedder.linear_1.bias",)),
    ("CogVideoX", ("blocks.0.norm1.linear.weight", "patch_embed.proj.weight")),
)
_CROSS_ATTENTION = "transformer_blocks.0.attn2.to_k.weight"
# How wide the text is that a UNet attends to.
_WIDTHS = {768: "SD 1.x", 1024: "SD 2.x", 2048: "SDXL", 1280: "SDXL refiner"}


def _unet(model: Tensors) -> str:
    """The architecture of a UNet: in the names of Stability AI, or in those of diffusers."""
    places = (
        "input_blocks.1.1",
        "input_blocks.4.1",
        "down_blocks.0.attentions.0",
        "down_blocks.1.attentions.0",
    )
    for place in places:
        if tensor := model.get(f"{place}.{_CROSS_ATTENTION}"):
            return _WIDTHS.get(tensor.shape[-1], "") if tensor.shape else ""
    return ""


def _on_gpu(tensors: Tensors, prefixes: Iterable[str]) -> int:
    """The bytes of tensors with these prefixes on a GPU, where no number has more than two."""
    chosen = (tensor for name, tensor in tensors.items() if name.startswith(tuple(prefixes)))
    return sum(min(tensor.size, HALF_BYTES * tensor.elements) for tensor in chosen)


Test = Callable[[Tensors], bool]


def _any_has(*parts: str) -> Test:
    return lambda tensors: any(part in name for name in tensors for part in parts)


def _any_starts(*starts: str) -> Test:
    return lambda tensors: any(name.startswith(starts) for name in tensors)


def _embedding(tensors: Tensors) -> bool:
    return 0 < len(tensors) <= 4 and bool({"emb_params", "clip_l", "clip_g", "<concept>"} & tensors.keys())


# What has the tensors of a diffusion model too, or parts of it.
_ADDED: tuple[tuple[Test, str], ...] = (
    (_any_has("lora_down.", "lora_A.", "lora_unet_", "hada_w1_", ".lokr_w1", ".lora.down."), "lora"),
    (
        _any_has("control_model.", "controlnet_cond_embedding", "controlnet_blocks.", "input_hint_block"),
        "controlnet",
    ),
    (_embedding, "embedding"),
)
_PARTS: tuple[tuple[Test, str], ...] = (
    (_any_has("vision_model.encoder.layers.", "visual.transformer.resblocks."), "clipVision"),
    (_any_has("text_model.encoder.layers.", "encoder.block.0.layer.0.SelfAttention."), "textEncoder"),
    (_any_starts("model.layers.0.self_attn.", "layers.0.self_attn."), "textEncoder"),
    (_any_has("decoder.conv_in.", "decoder.up_blocks.", "decoder.up.0.block.", "decoder.middle.0."), "vae"),
    (_any_starts("conv_first.", "model.0.weight", "layers.0.residual_group."), "upscaler"),
)
