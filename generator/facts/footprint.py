"""What containers and nodes need besides the values of a runtime: requests, and the least that works."""

from collections.abc import Mapping
from decimal import Decimal

from generator.facts.instance_types import Resources
from generator.facts.quantity import GIB, MIB

# The requests of the DaemonSets of every node: vpc-cni 50m, kube-proxy 100m, S3 CSI driver 30m and 120 MiB.
DAEMONS = Resources(Decimal("0.18"), Decimal(120 * MIB))
# Of Fluent Bit and of the DCGM exporter: `logs` and `gpuMetrics` in charts/sd-runtimes/values.yaml.
LOG_COLLECTOR = Resources(Decimal("0.05"), Decimal(64 * MIB))
GPU_EXPORTER = Resources(Decimal("0.1"), Decimal(256 * MIB))
# The trace collector's container, in charts/sd-runtimes/templates/runtime/_containers.tpl.
COLLECTOR = Resources(Decimal("0.05"), Decimal(64 * MIB))
# The model loader's, in charts/sd-runtimes/templates/models/_direct.tpl.
MODEL_LOADER = Resources(Decimal("0.01"), Decimal(96 * MIB))


def daemons(*, logs: bool, gpu_metrics: bool) -> Resources:
    """The requests of all DaemonSets of a GPU node."""
    total = DAEMONS + LOG_COLLECTOR if logs else DAEMONS
    return total + GPU_EXPORTER if gpu_metrics else total


# The queue agent has under 80 MB when idle (`make bench-agent` measures it), and a task adds its pictures.
AGENT_MEMORY = Decimal(128 * MIB)
# Its imports take 0.6 s of CPU time, and its liveness probe gives up after 70 s.
AGENT_CORES = Decimal("0.05")
# Python, PyTorch and a CUDA context, before a model is loaded. A custom program may be anything.
RUNTIME_MEMORY: Mapping[str, Decimal] = {
    "sdwebui": Decimal(2 * GIB),
    "comfyui": Decimal(GIB),
    "invokeai": Decimal(GIB),
    "custom": Decimal(16 * MIB),
}
# A start takes 20 to 40 s of CPU time, and the startup probe gives up after 30 minutes.
RUNTIME_CORES = Decimal("0.1")
# One thread starts the kernels on the GPU.
BUSY_CORES = Decimal(1)
# Images with PyTorch and CUDA: 12 GB of files next to their compressed layers, about half of that.
# Source: issue 9 of camenduru/stable-diffusion-webui-docker, August 2023.
COMPRESSED_SHARE = Decimal(1) / 3
IMAGES: Mapping[str, Decimal] = dict.fromkeys(("sdwebui", "comfyui", "invokeai"), Decimal(18 * 10**9))
