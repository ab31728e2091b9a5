"""The least memory that a model needs, in bytes. Below it a program fails, or moves weights at each step.

Sources, read on 2026-11-26: comfy/sd.py (memory_used_decode) and comfy/model_management.py
(minimum_inference_memory, extra_reserved_memory) of ComfyUI. SD WebUI has no estimates of its own, and the
same decoder. What CUDA takes is not counted, nor are batches and larger pictures.
"""

from collections.abc import Mapping
from decimal import Decimal

from generator.facts.footprint import RUNTIME_MEMORY
from generator.facts.quantity import GIB, MIB

# The side of a picture that an architecture is made for, in pixels; 1024 for those that are not listed.
SIDES: Mapping[str, int] = {"SD 1.x": 512, "SD 2.x": 768}
SIDE = 1024
# The architectures of A1111 1.10; Forge, which runs as SD WebUI too, has more.
A1111 = ("SD 1.x", "SD 2.x", "SDXL", "SDXL refiner", "SD3")
# Next to the weights while a picture is generated.
INFERENCE = Decimal("0.8") * GIB + 400 * MIB
# SD WebUI keeps all parts of a model on the GPU, unless these arguments are set.
SMALL_GPU_ARGUMENTS = ("--medvram", "--medvram-sdxl", "--lowvram")


def decoding(architecture: str) -> Decimal:
    """Bytes of GPU memory with which the VAE decodes one picture of the usual size, in half precision."""
    latent = SIDES.get(architecture, SIDE) // 8
    return Decimal(2178 * latent * latent * 64 * 2)


def main_memory(runtime_type: str, size: int) -> Decimal:
    """Bytes of main memory of the runtime's container: the program, and a file of `size` bytes."""
    return RUNTIME_MEMORY[runtime_type] + size
