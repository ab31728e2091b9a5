"""Which model files the pods of a runtime download, in place of reading them from the mounted bucket."""

from collections.abc import Sequence

from generator.facts.model_types import MODEL_TYPES

CHECKPOINTS = MODEL_TYPES["checkpoint"].folder


def files(
    kind: str, checkpoint: str | None, further: Sequence[str], load: str, *, mounted: bool, disks: bool
) -> tuple[str, ...]:
    """The files as paths in the models folder, as the chart decides it (sd-runtimes.direct.files).

    `load`: direct, mount or auto. `mounted`: the models come from the bucket. `disks`:
    the nodes have NVMe disks for files of pods.
    """
    downloads = load == "direct" or (load == "auto" and disks)
    if not mounted or kind == "custom" or not downloads:
        return ()
    first = (f"{CHECKPOINTS}/{checkpoint}",) if kind == "sdwebui" and checkpoint else ()
    return tuple(dict.fromkeys((*first, *further)))
