"""Which model files each runtime loads, and how long that takes."""

from collections.abc import Iterator

from generator.facts import loading
from generator.facts.facts import Facts
from generator.plan.model import ModelCopy, ModelLoad
from generator.solution import capacity, direct
from generator.solution.capacity import Place
from generator.solution.model import Runtime, Solution


def loads(solution: Solution, facts: Facts) -> Iterator[ModelLoad]:
    """For each runtime the files that its config names, and those of `models` that it reads."""
    for runtime in solution.runtimes:
        sizes = {file.path: file.size for file in solution.model_files if runtime.name in file.runtimes}
        place = Place(facts.region(solution.region), solution.zones)
        kinds = capacity.select(runtime.nodes, runtime.pod, place, facts).left
        bandwidths = [kind.network_gbps for kind in kinds if kind.network_gbps]
        for path in dict.fromkeys((*named(runtime), *(path for path in sizes if sizes[path]))):
            way = "direct" if path in runtime.models.direct else "mount"
            size = sizes.get(path)
            if size is None or not bandwidths:
                yield ModelLoad(runtime.name, path, size, way)
                continue
            disk = (
                None
                if solution.auto_mode or runtime.nodes.local_disks
                else runtime.nodes.data_volume.throughput
            )
            times = [
                loading.seconds(size, way, bandwidth, disk)
                for bandwidth in (min(bandwidths), max(bandwidths))
            ]
            yield ModelLoad(runtime.name, path, size, way, *times)


def size(solution: Solution, runtime: Runtime) -> int | None:
    """The bytes of the first file that the config names for a runtime, or of its largest; None if unknown."""
    sizes = {
        file.path: file.size for file in solution.model_files if runtime.name in file.runtimes and file.size
    }
    first = next((sizes[path] for path in named(runtime) if path in sizes), None)
    return first or max(sizes.values(), default=None)


def named(runtime: Runtime) -> tuple[str, ...]:
    """The model files that the config names for a runtime, as paths in its models folder."""
    if not runtime.models.mounted:
        return ()
    checkpoint = (f"{direct.CHECKPOINTS}/{runtime.default_model}",) if runtime.default_model else ()
    return tuple(dict.fromkeys((*checkpoint, *runtime.models.direct)))


def copies(solution: Solution) -> Iterator[ModelCopy]:
    """What `generator models pull` copies."""
    for file in solution.model_files:
        yield ModelCopy(
            path=file.path,
            source=str(file.source),
            objects=tuple(map(str, file.objects)),
            sha256=file.sha256,
            license=file.license,
        )
