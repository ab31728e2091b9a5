"""EC2's instance families with accelerators that the runtimes cannot use, or that the table of types lacks.

Source: https://docs.aws.amazon.com/ec2/latest/instancetypes/ac.html and the pages of the previous generation
(https://aws.amazon.com/ec2/previous-generation/), read on 2026-11-26.
"""

from collections.abc import Mapping

NVIDIA_CHIPS: Mapping[str, str] = {
    "cg1": "NVIDIA Tesla M2050 GPUs",
    "g2": "NVIDIA GRID K520 GPUs",
    "g3": "NVIDIA Tesla M60 GPUs",
    "g3s": "an NVIDIA Tesla M60 GPU",
    "p2": "NVIDIA K80 GPUs",
    "p3": "NVIDIA V100 GPUs",
    "p6e-gb200": "NVIDIA GB200 GPUs with ARM processors",
}
OTHER_CHIPS: Mapping[str, str] = {
    "dl1": "Intel Gaudi accelerators",
    "dl2q": "Qualcomm AI 100 accelerators",
    "f1": "FPGAs",
    "f2": "FPGAs",
    "g4ad": "AMD Radeon Pro V520 GPUs",
    "inf1": "AWS Inferentia chips",
    "inf2": "AWS Inferentia2 chips",
    "trn1": "AWS Trainium chips",
    "trn1n": "AWS Trainium chips",
    "trn2": "AWS Trainium2 chips",
    "trn2u": "AWS Trainium2 chips",
    "vt1": "video transcoding cards",
}


def family(instance_type: str) -> str:
    """`p3` of `p3.2xlarge`."""
    return instance_type.partition(".")[0]
