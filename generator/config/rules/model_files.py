"""The model files that `generator models pull` copies into the bucket."""

import unicodedata
from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, bucket_is_mounted, rule
from generator.facts import model_source, model_types, mount_options
from generator.facts.model_source import CivitaiFile, HuggingFaceFile, ModelSource, SourceError
from generator.solution.model_file import RECORD

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
KEY_BYTES_MAX = 1024
# What may be in front of the path: the prefix of a mount, and after it: the name of the record.
KEY_BYTES_RESERVED = 256
_PAGE = "docs/models.md"
# Categories of Unicode: control characters, those that change the direction or cannot be seen, line breaks.
_UNSEEN = ("Cc", "Cf", "Zl", "Zp")


def _entries(case: Case) -> list[ConfigNode]:
    return [entry for entry in case.config.at("models").items() if isinstance(entry.value, dict)]


def _source(entry: ConfigNode) -> ModelSource | None:
    """The source of an entry; None for one that SD340 reports."""
    try:
        return model_source.parse(entry.at("source").text() or "")
    except SourceError:
        return None


def _file(entry: ConfigNode) -> str:
    source = _source(entry)
    return entry.at("file").text() or (source.file if source else "")


def _name_node(entry: ConfigNode) -> ConfigNode:
    return entry.at("file") if entry.at("file").given else entry.at("source")


@rule("SD340")
def model_sources_can_be_read(case: Case) -> Iterator[Finding]:
    """models[].source is a file on Hugging Face, a version on Civitai or an https URL without a secret."""
    for entry in _entries(case):
        node = entry.at("source")
        if text := node.text():
            try:
                model_source.parse(text)
            except SourceError as error:
                yield Finding(node, error.message, error.help)


@rule("SD341")
def model_files_have_names(case: Case) -> Iterator[Finding]:
    """Each entry of models has a file name, which is a path below the folder of its type."""
    for entry in _entries(case):
        source, name, node = _source(entry), _file(entry), _name_node(entry)
        if source is None:
            continue
        if not name:
            reason = (
                "Civitai alone knows the name" if isinstance(source, CivitaiFile) else "its path ends with /"
            )
            help = "set file, such as file: my-model.safetensors: runtimes and tasks name it"
            yield Finding(node, f"the name of the file is missing: {reason}", help)
        elif any(unicodedata.category(character) in _UNSEEN for character in name):
            yield Finding(node, f"{name!a} contains a control character", "write file without it")
        elif name.lower().endswith(RECORD):
            help = f"set file to another name: {RECORD} is the end of the record next to each file"
            yield Finding(node, f"{name!r} is the name of a record", help)
        elif name.startswith("/") or {"", ".", ".."} & set(name.split("/")) or "\\" in name:
            help = "write file as a path below the folder of its type, such as sdxl/turbo.safetensors"
            yield Finding(node, f"{name!r} is not the path of a file", help)
        elif (size := len(name.encode())) > KEY_BYTES_MAX - KEY_BYTES_RESERVED:
            maximum = KEY_BYTES_MAX - KEY_BYTES_RESERVED
            help = f"shorten it by {size - maximum}"
            yield Finding(node, f"the name has {size} bytes; the maximum is {maximum}", help)


@rule("SD342")
def model_objects_differ(case: Case) -> Iterator[Finding]:
    """Two entries of models cannot be the same file of the bucket."""
    seen: dict[tuple[str, ...], int] = {}
    for number, entry in enumerate(_entries(case)):
        name, kind = _file(entry), entry.at("type").text() or ""
        # Programs look for names without regard to case, and would find one of the two.
        objects = [(*mount, kind, name.lower()) for mount in _mounts(entry, case)]
        if name and (first := next((seen[key] for key in objects if key in seen), None)) is not None:
            message = f"models[{first}] is the same file of the bucket, {_path(kind, name)}"
            yield Finding(_name_node(entry), message, "set another file, or remove one of them")
        for key in objects:
            seen.setdefault(key, number)


def _mounts(entry: ConfigNode, case: Case) -> set[tuple[str, ...]]:
    """The folders of buckets that the runtimes of an entry mount."""
    named, mounts = entry.at("runtimes").words(), set[tuple[str, ...]]()
    for runtime in case.runtimes:
        if not named or runtime.at("name").text() in named:
            s3 = runtime.at("extraValues", "runtime", "persistence", "s3")
            prefix = mount_options.value(s3.at("mountOptions").words(), "prefix") or ""
            mounts.add((s3.at("modelBucket").text() or "", prefix))
    return mounts


def _path(kind: str, name: str) -> str:
    known = model_types.MODEL_TYPES.get(kind)
    return f"{known.folder}/{name}" if known else name


@rule("SD343")
def model_runtimes_exist(case: Case) -> Iterator[Finding]:
    """models[].runtimes names runtimes of the config that mount a model bucket."""
    runtimes = {runtime.at("name").text(): runtime for runtime in case.runtimes}
    for entry in _entries(case):
        for node in entry.at("runtimes").items():
            if (name := node.text()) is None:
                continue
            if name not in runtimes:
                there = ", ".join(sorted(filter(None, runtimes)))
                yield Finding(node, f"there is no runtime {name!r}", f"name one of {there}")
            elif not bucket_is_mounted(runtimes[name]):
                message = f"the models of {name!r} do not come from a bucket"
                yield Finding(node, message, "remove it")


@rule("SD344", WARNING)
def model_types_are_read(case: Case) -> Iterator[Finding]:
    """A model file should be of a type that its runtimes read from the bucket."""
    runtimes = [runtime for runtime in case.runtimes if bucket_is_mounted(runtime)]
    for entry in _entries(case):
        kind, named = entry.at("type").text() or "", entry.at("runtimes").words()
        if kind not in model_types.MODEL_TYPES:
            continue
        chosen = [runtime for runtime in runtimes if not named or runtime.at("name").text() in named]
        unable = [one for one in chosen if not model_types.reads(one.at("type").text() or "", kind)]
        if not unable or (len(unable) < len(chosen) and not named):
            continue
        names = ", ".join(f"{one.at('name').text()} ({one.at('type').text()})" for one in unable)
        known = model_types.MODEL_TYPES[kind]
        readers = " and ".join(known.readers)
        verb = "does not read" if len(unable) == 1 else "do not read"
        message = f"{names} {verb} files of type {kind} from the bucket"
        yield Finding(entry.at("type"), message, f"{readers} does: see the table in {_PAGE}")


@rule("SD345", WARNING)
def model_files_cannot_change(case: Case) -> Iterator[Finding]:
    """A model file should have a sha256, or a source that cannot change: a commit, a version on Civitai."""
    for entry in _entries(case):
        source = _source(entry)
        if source is None or source.pinned or entry.at("sha256").text():
            continue
        node = entry.at("source")
        if isinstance(source, HuggingFaceFile):
            message = f"{source.revision!r} may be another file tomorrow, with other pictures"
            help = f"set sha256, or write hf://{source.repository}@COMMIT/{source.path}"
            yield Finding(node, message, f"{help}: `generator models pull --dry-run` prints both")
        else:
            message = "nobody publishes a checksum for this URL: what is pulled cannot be verified"
            yield Finding(node, message, "set sha256: `generator models pull` prints that of what it copied")


@rule("SD346", WARNING)
def model_files_run_no_code(case: Case) -> Iterator[Finding]:
    """A model file should be no pickle (.ckpt, .pt, .pth, .bin), which can run code when it is loaded."""
    for entry in _entries(case):
        name = _file(entry)
        if name.lower().endswith(model_types.PICKLED):
            end = "." + name.rpartition(".")[2]
            message = f"{end} files are pickles, which can run code on your nodes when they are loaded"
            yield Finding(
                _name_node(entry), message, "use a .safetensors file of the same model, if there is one"
            )


@rule("SD347", WARNING)
def model_files_have_an_end_that_is_read(case: Case) -> Iterator[Finding]:
    """The name of a model file should end as a runtime expects it: others are not found."""
    if all(runtime.at("type").text() == model_types.CUSTOM for runtime in case.runtimes):
        return
    for entry in _entries(case):
        name = _file(entry)
        if name and not name.lower().endswith(model_types.READ):
            message = f"runtimes read no file that is called {name!r}"
            yield Finding(
                _name_node(entry), message, "set file to a name that ends with .safetensors or .gguf"
            )
