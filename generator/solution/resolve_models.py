"""From the entries of `models` to the model files, and where in which buckets they belong."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from generator.facts import model_source, model_types
from generator.facts.quantity import parse
from generator.solution.model import Runtime
from generator.solution.model_file import ModelFile, ModelObject


def path_of(model_type: str, file: str) -> str:
    """The path in the models folder of a file of this type."""
    return f"{model_types.MODEL_TYPES[model_type].folder}/{file}"


def model_files(
    entries: Sequence[Mapping[str, Any]], runtimes: Sequence[Runtime], model_bucket: str
) -> tuple[ModelFile, ...]:
    """The files that the entries of `models` describe. The entries must have validated."""
    return tuple(_file(entry, runtimes, model_bucket) for entry in entries)


def _file(entry: Mapping[str, Any], runtimes: Sequence[Runtime], model_bucket: str) -> ModelFile:
    source, kind = model_source.parse(entry["source"]), entry["type"]
    path = path_of(kind, entry.get("file") or source.file)
    readers = list(_readers(entry, runtimes))
    mounts = dict.fromkeys((one.models.bucket, one.models.prefix) for one in readers)
    size = parse(entry["size"]) if entry.get("size") else None
    return ModelFile(
        source=source,
        type=kind,
        path=path,
        sha256=entry["sha256"].lower() if entry.get("sha256") else None,
        license=entry.get("license") or None,
        size=None if size is None else int(size),
        objects=tuple(
            ModelObject(bucket, prefix + path) for bucket, prefix in mounts or {(model_bucket, ""): None}
        ),
        runtimes=tuple(one.name for one in readers),
    )


def _readers(entry: Mapping[str, Any], runtimes: Sequence[Runtime]) -> Iterable[Runtime]:
    """The runtimes that read an entry: those that it names, else every one that reads its type."""
    named = entry.get("runtimes") or ()
    for runtime in runtimes:
        chosen = runtime.name in named if named else model_types.reads(runtime.type, entry["type"])
        if runtime.models.mounted and chosen:
            yield runtime
