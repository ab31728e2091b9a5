"""The model files that runtimes use: what their headers say, and whether the nodes have room for them.

Of a file only its header is read, with two range requests; the objects themselves may have many gigabytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.facts.model_types import SAFETENSORS
from generator.models import contents, header
from generator.models.contents import Contents
from generator.models.header import HeaderError
from generator.plan.models import named
from generator.preflight import model_fit
from generator.preflight.check import Check, Subject
from generator.preflight.model_fit import Reader
from generator.preflight.models import CHECKPOINTS, THEME, mounted
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Runtime, Solution
from generator.solution.model_file import ModelObject

# Types whose files are loaded whole into the memory of a GPU; the others are small next to them.
LARGE_TYPES = ("checkpoint", "diffusionModel", "textEncoder")
# Where the main models of a runtime are, and how many are looked at where the config names none.
FOLDERS = (CHECKPOINTS, "checkpoints/", "diffusion_models/", "unet/")
LARGEST = 3
ABSENT = ("404", "NoSuchKey", "NoSuchBucket", "NotFound")
# A file of no bytes has no first byte.
EMPTY = ("416", "InvalidRange")
ARCHIVED = "InvalidObjectState"


@dataclass(frozen=True)
class Unreadable:
    """Why there is no header. `absent`: there is no such file. `unknown`: it may be a good file."""

    reason: str
    absent: bool = False
    unknown: bool = False


Answer = Contents | Unreadable


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each runtime and file that its config names; else for the largest models in its bucket."""
    for runtime in subject.solution.runtimes:
        mount = mounted(runtime)
        if mount is None or runtime.type == "custom":
            continue
        paths = _paths(runtime, subject.solution)
        for path in paths:
            item = ModelObject(mount.bucket, f"{mount.prefix}{path}")
            name = f"{path} of {runtime.name}"
            yield Check(THEME, name, partial(_asked, item), partial(judge, subject, runtime, name))
        if not paths:
            name = f"largest models of {runtime.name}"
            ask = partial(largest, mount.bucket, mount.prefix)
            yield Check(THEME, name, ask, partial(judge_largest, subject, runtime, name))


def _paths(runtime: Runtime, solution: Solution) -> tuple[str, ...]:
    listed = (
        file.path
        for file in solution.model_files
        if runtime.name in file.runtimes and file.type in LARGE_TYPES
    )
    return tuple(dict.fromkeys((*named(runtime), *listed)))


def _asked(item: ModelObject, asker: Asker) -> Answer:
    if not item.key.lower().endswith(SAFETENSORS):
        return Unreadable("only the headers of .safetensors files can be read", unknown=True)
    return asker.once(f"header of {item}", partial(read, item))


def read(item: ModelObject, asker: Asker) -> Answer:
    """What a file holds, by its header of at most 100 MB."""
    client = asker.client("s3")

    def get(start: int, count: int) -> tuple[bytes, int]:
        answer = client.get_object(
            Bucket=item.bucket, Key=item.key, Range=f"bytes={start}-{start + count - 1}"
        )
        return answer["Body"].read(count), int(answer["ContentRange"].rpartition("/")[2])

    try:
        first, size = get(0, header.LENGTH_BYTES)
        length = header.length(first)
        if size < header.LENGTH_BYTES + length:
            return Unreadable(f"the file ends in its header, after {size} bytes")
        parsed = header.parse(get(header.LENGTH_BYTES, length)[0])
    except HeaderError as error:
        return Unreadable(f"not a safetensors file: {error}")
    except errors.refusals() as error:
        return _unreadable(error)
    if parsed.file_size != size:
        return Unreadable(f"the file has {size} bytes, and its header describes {parsed.file_size}")
    return contents.contents(parsed)


def _unreadable(error: Exception) -> Unreadable:
    """The reasons that are about the file; raises the others."""
    code = errors.code(error)
    if code in ABSENT:
        return Unreadable("it is not in the bucket", absent=True)
    if code in EMPTY:
        return Unreadable("not a safetensors file: the file is empty")
    if code == ARCHIVED:
        return Unreadable("it is archived", unknown=True)
    raise error


def largest(bucket: str, prefix: str, asker: Asker) -> dict[str, Answer]:
    """What the largest models in the folders for main models hold, by their paths."""
    lister = asker.client("s3").get_paginator("list_objects_v2")
    sizes: dict[str, int] = {}
    for folder in FOLDERS:
        for page in lister.paginate(Bucket=bucket, Prefix=f"{prefix}{folder}"):
            rows = page.get("Contents", ())
            sizes |= {row["Key"]: row["Size"] for row in rows if row["Key"].lower().endswith(SAFETENSORS)}
    keys = sorted(sizes, key=lambda key: -sizes[key])[:LARGEST]
    return {key.removeprefix(prefix): _asked(ModelObject(bucket, key), asker) for key in keys}


def judge(subject: Subject, runtime: Runtime, name: str, answer: Answer) -> Iterator[Result]:
    """Whether a file that the config names can be loaded, on every instance type that may be started."""
    if isinstance(answer, Contents):
        yield from model_fit.judge(Reader(subject, runtime), name, answer)
        return
    checkpoint = runtime.default_model is not None and name.startswith(
        f"{CHECKPOINTS}{runtime.default_model} "
    )
    if answer.absent:
        if checkpoint:  # preflight.models says so
            return
        help = "`generator models pull` copies what `models` lists; else upload it"
        yield Result(THEME, name, CheckStatus.WARNING, answer.reason, help)
    elif answer.unknown:
        yield Result(THEME, name, CheckStatus.NOT_ASKED, answer.reason)
    else:
        help = "upload it again, or pull it with `generator models pull`"
        yield Result(THEME, name, CheckStatus.FAILED, answer.reason, help)


def judge_largest(
    subject: Subject, runtime: Runtime, name: str, answers: dict[str, Answer]
) -> Iterator[Result]:
    """The same for models that tasks may name: what does not fit is a warning."""
    for path, answer in answers.items():
        for result in judge(subject, runtime, f"{path} of {runtime.name}", answer):
            failed = result.status is CheckStatus.FAILED
            status = CheckStatus.WARNING if failed else result.status
            yield Result(THEME, result.name, status, result.message, result.help)
    if not answers:
        yield Result(
            THEME, name, CheckStatus.NOT_ASKED, "there are no .safetensors files in the usual folders"
        )
