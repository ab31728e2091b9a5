"""The mounts of the models: how many volumes they need, and how fast Mountpoint for S3 may read."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

from generator.facts import mount_options
from generator.facts.facts import Facts
from generator.solution import capacity
from generator.solution.capacity import Place
from generator.solution.model import Runtime

THROUGHPUT = "maximum-throughput-gbps"


def volumes(runtimes: Sequence[Runtime]) -> int:
    """The PersistentVolumes that the chart makes: runtimes with a cache and the same mount share one."""
    return len({_volume(runtime) for runtime in runtimes if runtime.models.mounted})


def _volume(runtime: Runtime) -> Hashable:
    """What is equal for runtimes of one volume (sd-runtimes.name.cache of the chart)."""
    models = runtime.models
    if models.cache is None:
        return runtime.name
    options = frozenset(map(mount_options.parse, models.mount_options))
    return runtime.namespace, models.bucket, models.claim, options


def with_throughput(runtimes: Sequence[Runtime], place: Place, facts: Facts) -> tuple[Runtime, ...]:
    """The runtimes, whose mounts may use the bandwidth of their fastest node, unless the config sets a limit.

    A pod that mounts may not ask the instance's metadata service for the type, and Mountpoint then assumes
    10 Gbit/s. All nodes of a runtime have the same mount options; on a slower node, the network is the limit.
    Source: mountpoint-s3/src/cli.rs of awslabs/mountpoint-s3, v1.22.3. Runtimes with a cache on the same
    nodes get the same limit, however large their pods are: else they could not share the cache.
    """
    gbps = {runtime.name: _gbps(runtime, place, facts) for runtime in runtimes}
    for runtime in runtimes:
        if runtime.models.cache is not None:
            gbps[runtime.name] = max(
                gbps[other.name]
                for other in runtimes
                if other.node_pool == runtime.node_pool and other.models.cache is not None
            )
    return tuple(_limited(runtime, gbps[runtime.name]) for runtime in runtimes)


def _gbps(runtime: Runtime, place: Place, facts: Facts) -> int:
    kinds = capacity.select(runtime.nodes, runtime.pod, place, facts).left
    return max((math.ceil(kind.network_gbps) for kind in kinds), default=0)


def _limited(runtime: Runtime, gbps: int) -> Runtime:
    models = runtime.models
    own = mount_options.value(models.mount_options, THROUGHPUT) is not None
    if own or not gbps or not models.mounted:
        return runtime
    options = (*models.mount_options, f"{THROUGHPUT}={gbps}")
    return replace(runtime, models=replace(models, mount_options=options))
