"""The model bucket: in the same region, readable, and holding what the runtimes name and need."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution import direct
from generator.solution.model import Runtime, Solution

THEME = "models"
# Where SD WebUI looks for checkpoints, below the mount of the bucket.
CHECKPOINTS = f"{direct.CHECKPOINTS}/"
SHOWN = 5


@dataclass(frozen=True)
class Mount:
    """A bucket that is mounted as a runtime's models, or a folder of it: `prefix` then ends with /."""

    bucket: str
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class Checkpoints:
    """Whether a file exists, and the names of some others in its folder."""

    exists: bool
    neighbours: tuple[str, ...]


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """Each bucket that is mounted, the folders that must be in it, the checkpoint of each SD WebUI."""
    solution = subject.solution
    mounts = [(runtime, mounted(runtime)) for runtime in solution.runtimes]
    for bucket in buckets(solution):
        yield Check(THEME, bucket, partial(bucket_region, bucket), partial(judge_bucket, solution, bucket))
    for place in dict.fromkeys(filter(None, (mount for _, mount in mounts))):
        kinds = sorted({runtime.type for runtime, mount in mounts if mount == place})
        needed = dict.fromkeys(name for kind in kinds for name in subject.model_folders.get(kind, ()))
        if needed:
            judge = partial(judge_folders, place, tuple(needed), subject.forge_folders)
            yield Check(THEME, f"folders in {place}", partial(folders, place, tuple(needed)), judge)
    for runtime, mount in mounts:
        if mount is None:
            check_name = f"models of {runtime.name}"
            yield Check(THEME, check_name, lambda _: None, partial(judge_elsewhere, check_name))
        elif runtime.type == "sdwebui":
            key = checkpoint(runtime)
            check_name = f"{key} for {runtime.name}"
            yield Check(
                THEME, check_name, partial(checkpoints, mount, key), partial(judge_model, runtime, mount)
            )


def mounted(runtime: Runtime) -> Mount | None:
    """The mount of a runtime's models; None where they come from a claim or an image of the user's."""
    models = runtime.models
    return Mount(models.bucket, models.prefix) if models.mounted else None


def buckets(solution: Solution) -> list[str]:
    """The buckets that are mounted, each once."""
    mounts = filter(None, map(mounted, solution.runtimes))
    return list(dict.fromkeys(mount.bucket for mount in mounts))


def checkpoint(runtime: Runtime) -> str:
    """The key of a runtime's checkpoint, or of the folder for checkpoints where it names none."""
    return f"{runtime.models.prefix}{CHECKPOINTS}{runtime.model_filename or ''}"


def bucket_region(bucket: str, asker: Asker) -> str | None:
    """The region of a bucket that may be listed; None when there is no such bucket."""
    client = asker.client("s3")
    try:
        answer = client.head_bucket(Bucket=bucket)
    except errors.refusals() as error:
        if errors.code(error) in ("404", "NoSuchBucket"):
            return None
        moved = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if errors.code(error) in ("301", "PermanentRedirect") and "x-amz-bucket-region" in moved:
            return str(moved["x-amz-bucket-region"])
        raise
    client.list_objects_v2(Bucket=bucket, MaxKeys=1)
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    # An old bucket of us-east-1 has no location.
    return str(
        answer.get("BucketRegion")
        or headers.get("x-amz-bucket-region")
        or client.get_bucket_location(Bucket=bucket)["LocationConstraint"]
        or "us-east-1"
    )


def folders(mount: Mount, needed: Sequence[str], asker: Asker) -> frozenset[str]:
    """The folders next to those that are needed, as a mount shows them."""
    lister = asker.client("s3").get_paginator("list_objects_v2")
    parents = dict.fromkeys(f"{parent}/" if parent else "" for parent in map(_parent, needed))
    pages = (
        page
        for parent in parents
        for page in lister.paginate(Bucket=mount.bucket, Prefix=f"{mount.prefix}{parent}", Delimiter="/")
    )
    prefixes = (str(row["Prefix"]) for page in pages for row in page.get("CommonPrefixes", ()))
    return frozenset(prefix.removeprefix(mount.prefix).rstrip("/") for prefix in prefixes)


def _parent(folder: str) -> str:
    return folder.rpartition("/")[0]


def checkpoints(mount: Mount, key: str, asker: Asker) -> Checkpoints:
    """Whether `key` is there; for a folder, whether it holds a file."""
    client = asker.client("s3")
    listed = client.list_objects_v2(Bucket=mount.bucket, Prefix=key, MaxKeys=SHOWN).get("Contents", ())
    names = [str(row["Key"]) for row in listed if not row["Key"].endswith("/")]
    if key.endswith("/"):
        return Checkpoints(bool(names), ())
    if key in names:
        return Checkpoints(True, ())
    folder = f"{mount.prefix}{CHECKPOINTS}"
    near = client.list_objects_v2(Bucket=mount.bucket, Prefix=folder, MaxKeys=SHOWN + 1).get("Contents", ())
    return Checkpoints(False, tuple(str(row["Key"]) for row in near if not row["Key"].endswith("/"))[:SHOWN])


def judge_bucket(solution: Solution, bucket: str, region: str | None) -> Iterator[Result]:
    """From another region each model would be read slowly, and data transfer is billed."""
    if region is None:
        help = f"create it in {solution.region} and copy the models, or set `modelBucketArn`"
        yield Result(THEME, bucket, CheckStatus.FAILED, "the bucket does not exist", help)
    elif region != solution.region:
        help = f"copy the models to a bucket in {solution.region} and set `modelBucketArn` to it"
        yield Result(THEME, bucket, CheckStatus.FAILED, f"it is in {region}, not {solution.region}", help)
    else:
        yield Result(THEME, bucket, CheckStatus.PASSED, f"in {region}, readable")


def judge_folders(
    mount: Mount, needed: Sequence[str], forge: Sequence[str], present: frozenset[str]
) -> Iterator[Result]:
    """SD WebUI creates missing folders, and exits where it cannot: the mount is read-only.

    Without those of `forge` only Forge does not start, which no config tells from A1111.
    """
    check_name = f"folders in {mount}"
    missing = [name for name in needed if name not in present]
    if not missing:
        yield Result(THEME, check_name, CheckStatus.PASSED, f"{', '.join(needed)} are there")
        return
    only_forge = set(missing) <= set(forge)
    program = "Forge (not A1111)" if only_forge else "SD WebUI"
    message = (
        f"{', '.join(missing)} missing: {program} would create them at start-up, and the mount is read-only"
    )
    status = CheckStatus.WARNING if only_forge else CheckStatus.FAILED
    key = f"{shlex.quote(mount.prefix)}$f/" if mount.prefix else "$f/"
    put = f"aws s3api put-object --bucket {mount.bucket} --key {key}"
    help = f"create them, empty: for f in {' '.join(missing)}; do {put}; done"
    yield Result(THEME, check_name, status, message, help)


def judge_elsewhere(check_name: str, _: None) -> Iterator[Result]:
    """AWS knows nothing about a claim or an image of the user's."""
    message = "not in a bucket: AWS cannot be asked about them"
    yield Result(THEME, check_name, CheckStatus.NOT_ASKED, message)


def judge_model(runtime: Runtime, mount: Mount, answer: Checkpoints) -> Iterator[Result]:
    """A static SD WebUI does not start without its checkpoint; a dynamic one needs any."""
    check_name = f"{checkpoint(runtime)} for {runtime.name}"
    target = f"s3://{mount.bucket}/{checkpoint(runtime)}"
    if answer.exists:
        yield Result(THEME, check_name, CheckStatus.PASSED, "exists")
    elif runtime.model_filename is None:
        help = f"aws s3 cp MODEL.safetensors {shlex.quote(target)}"
        yield Result(THEME, check_name, CheckStatus.WARNING, "holds no checkpoint yet", help)
    else:
        there = f"; there are {', '.join(answer.neighbours)}" if answer.neighbours else ""
        words = shlex.join([runtime.model_filename.rpartition("/")[2], target])
        help = f"aws s3 cp {words}, or change `modelFilename`"
        yield Result(THEME, check_name, CheckStatus.FAILED, f"is not in the bucket{there}", help)
