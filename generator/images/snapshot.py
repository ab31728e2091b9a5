"""The command that makes a snapshot with the images of a runtime, for dataVolume.snapshotID."""

import math
import shlex

from generator.facts import quantity
from generator.solution.model import Runtime, Solution

# Source: snapshot.sh of https://github.com/aws-samples/bottlerocket-images-cache, 2025-04.
SCRIPT = "./snapshot.sh"


def command(solution: Solution, runtime: Runtime) -> str:
    """A call of AWS's script, which starts an instance, pulls the images and prints the ID of the snapshot.

    The script reads --kms-id only after --encrypt.
    """
    key = solution.keys.volumes
    words = [
        SCRIPT,
        *("--region", solution.region),
        *("--ami", _parameter(solution, runtime)),
        "--encrypt",
        *(("--kms-id", key) if key else ()),
        *("--snapshot-size", str(_gib(runtime))),
        "--quiet",
        ",".join(_images(runtime)),
    ]
    return shlex.join(words)


def _parameter(solution: Solution, runtime: Runtime) -> str:
    """The SSM parameter with the ID of the AMI. Its variant without GPUs has the same data volume."""
    version = (runtime.ami_version or solution.versions.bottlerocket).removeprefix("v")
    return f"/aws/service/bottlerocket/aws-k8s-{solution.versions.eks}/x86_64/{version}/image_id"


def _gib(runtime: Runtime) -> int:
    """The size of the data volume, in GiB. Raises ValueError for what validation does not let through."""
    size = quantity.parse(runtime.nodes.data_volume.size)
    if size is None:
        raise ValueError(f"{runtime.nodes.data_volume.size!r} is not a quantity")
    return math.ceil(size / quantity.GIB)


def _images(runtime: Runtime) -> list[str]:
    """The images of the containers of a pod, each once."""
    images = [runtime.runtime_image, runtime.agent_image]
    images += [runtime.collector_image] if runtime.xray else []
    return list(dict.fromkeys(image.name for image in images))
