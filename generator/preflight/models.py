"""The model bucket: in the same region, readable, and holding what the runtimes name."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator import aws
from generator.model import Runtime, Solution
from generator.preflight.check import Asker, Check, Subject
from generator.preflight.result import Result, Status

THEME = "models"
# Where SD WebUI looks for checkpoints, below the mount of the bucket.
CHECKPOINTS = "Stable-diffusion/"
SHOWN = 5


@dataclass(frozen=True)
class Checkpoints:
    """Whether a file is there, and some of its neighbours."""

    found: bool
    neighbours: tuple[str, ...]


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """The bucket, then the checkpoint of each SD WebUI."""
    solution = subject.solution
    bucket = solution.model_bucket
    yield Check(THEME, bucket, partial(bucket_region, bucket), partial(judge_bucket, solution))
    for runtime in solution.runtimes:
        if runtime.type == "sdwebui":
            key = f"{CHECKPOINTS}{runtime.model_filename or ''}"
            what = f"{key} for {runtime.name}"
            yield Check(THEME, what, partial(checkpoints, bucket, key), partial(judge_model, runtime, bucket))


def bucket_region(bucket: str, asker: Asker) -> str | None:
    """The region of a bucket that may be listed; None when there is no such bucket."""
    client = asker.client("s3")
    try:
        answer = client.head_bucket(Bucket=bucket)
    except aws.refusals() as error:
        if aws.code(error) in ("404", "NoSuchBucket"):
            return None
        moved = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if aws.code(error) in ("301", "PermanentRedirect") and "x-amz-bucket-region" in moved:
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


def checkpoints(bucket: str, key: str, asker: Asker) -> Checkpoints:
    """Whether `key` is there; for a folder, whether it holds a file."""
    client = asker.client("s3")
    listed = client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=SHOWN).get("Contents", ())
    names = [str(row["Key"]) for row in listed if not row["Key"].endswith("/")]
    if key.endswith("/"):
        return Checkpoints(bool(names), ())
    if key in names:
        return Checkpoints(True, ())
    near = client.list_objects_v2(Bucket=bucket, Prefix=CHECKPOINTS, MaxKeys=SHOWN + 1).get("Contents", ())
    return Checkpoints(False, tuple(str(row["Key"]) for row in near if not row["Key"].endswith("/"))[:SHOWN])


def judge_bucket(solution: Solution, region: str | None) -> Iterator[Result]:
    """In another region each model would cross regions, slowly and for money."""
    bucket = solution.model_bucket
    if region is None:
        mend = f"create it in {solution.region} and copy the models, or set `modelBucketArn`"
        yield Result(THEME, bucket, Status.FAILED, "there is no such bucket", mend)
    elif region != solution.region:
        mend = f"copy the models to a bucket in {solution.region} and set `modelBucketArn` to it"
        yield Result(THEME, bucket, Status.FAILED, f"it is in {region}, not {solution.region}", mend)
    else:
        yield Result(THEME, bucket, Status.PASSED, f"in {region}, readable")


def judge_model(runtime: Runtime, bucket: str, answer: Checkpoints) -> Iterator[Result]:
    """A static SD WebUI does not start without its checkpoint; a dynamic one needs any."""
    what = f"{CHECKPOINTS}{runtime.model_filename or ''} for {runtime.name}"
    if answer.found:
        yield Result(THEME, what, Status.PASSED, "is there")
    elif runtime.model_filename is None:
        mend = f"aws s3 cp MODEL.safetensors s3://{bucket}/{CHECKPOINTS}"
        yield Result(THEME, what, Status.WARNING, "holds no checkpoint yet", mend)
    else:
        there = f"; there are {', '.join(answer.neighbours)}" if answer.neighbours else ""
        mend = f"aws s3 cp {runtime.model_filename} s3://{bucket}/{CHECKPOINTS}, or mend `modelFilename`"
        yield Result(THEME, what, Status.FAILED, f"is not in the bucket{there}", mend)
