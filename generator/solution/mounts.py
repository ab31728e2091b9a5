"""How fast Mountpoint for S3 may read the models of a runtime, where it cannot find that out itself."""

import math
from dataclasses import replace

from generator.facts import mount_options
from generator.facts.facts import Facts
from generator.solution import capacity
from generator.solution.capacity import Place
from generator.solution.model import Runtime

THROUGHPUT = "maximum-throughput-gbps"


def with_throughput(runtime: Runtime, place: Place, facts: Facts) -> Runtime:
    """The runtime whose mount may use the bandwidth of its fastest node, unless the config sets a limit.

    A pod that mounts may not ask the instance's metadata service for the type, and Mountpoint then assumes
    10 Gbit/s. All nodes of a runtime have the same mount options; on a slower node, the network is the limit.
    Source: mountpoint-s3/src/cli.rs of awslabs/mountpoint-s3, v1.22.3.
    """
    models = runtime.models
    if not models.mounted or mount_options.value(models.mount_options, THROUGHPUT) is not None:
        return runtime
    kinds = capacity.select(runtime.nodes, runtime.pod, place, facts).left
    gbps = max((math.ceil(kind.network_gbps) for kind in kinds), default=0)
    if not gbps:
        return runtime
    options = (*models.mount_options, f"{THROUGHPUT}={gbps}")
    return replace(runtime, models=replace(models, mount_options=options))
