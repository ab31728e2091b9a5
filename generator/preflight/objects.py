"""Objects of the model and input buckets: how they are encrypted, and whether they can be read at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.preflight import keys, usage
from generator.preflight.check import Check, Subject
from generator.preflight.models import Mount, checkpoint, mounted
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import Solution

THEME = "encryption"
# Objects of a bucket that are asked for, besides the checkpoints that the config names.
SAMPLE = 20
SHOWN = 3
# Objects of these classes must be restored before they can be read.
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")


@dataclass(frozen=True)
class StoredObject:
    """How S3 stores an object: the ARN of its KMS key, or none; whether AWS manages that key."""

    name: str
    key: str = ""
    by_aws: bool = False
    archived: bool = False
    # Encrypted with a key that the client sends with each request, and that S3 does not have.
    by_client: bool = False


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each bucket that is mounted, and for each bucket with inputs."""
    solution = subject.solution
    for mount in dict.fromkeys(filter(None, map(mounted, solution.runtimes))):
        named = [
            checkpoint(runtime)
            for runtime in solution.runtimes
            if runtime.default_model and mounted(runtime) == mount
        ]
        name = f"objects in {mount}"
        yield Check(THEME, name, partial(objects, solution, mount, named), partial(judge, solution, name))
    for bucket in dict.fromkeys(name for runtime in solution.runtimes for name in runtime.input_buckets):
        name = f"inputs in {bucket}"
        yield Check(THEME, name, partial(bucket_key, solution, bucket), partial(judge_inputs, solution, name))


def objects(solution: Solution, mount: Mount, named: Sequence[str], asker: Asker) -> list[StoredObject]:
    """The checkpoints that the config names, as far as they exist, and a sample of all others."""
    client = asker.client("s3")
    rows = client.list_objects_v2(Bucket=mount.bucket, Prefix=mount.prefix).get("Contents", ())
    listed = [str(row["Key"]) for row in rows if row["Size"] or row["Key"] in named]
    step = max(1, len(listed) // SAMPLE)
    heads = (
        _head(solution, mount.bucket, name, asker)
        for name in dict.fromkeys([*named, *listed[::step][:SAMPLE]])
    )
    return [head for head in heads if head]


def _head(solution: Solution, bucket: str, name: str, asker: Asker) -> StoredObject | None:
    try:
        row = asker.client("s3").head_object(Bucket=bucket, Key=name)
    except errors.refusals() as error:
        if errors.code(error) in ("404", "NoSuchKey"):
            return None
        # S3 answers so for an object that needs the client's key.
        if errors.code(error) in ("400", "InvalidRequest"):
            return StoredObject(name, by_client=True)
        raise
    arn = str(row.get("SSEKMSKeyId", ""))
    archived = row.get("StorageClass") in ARCHIVED and 'ongoing-request="false"' not in row.get("Restore", "")
    return StoredObject(name, arn, _is_by_aws(solution, arn, asker), archived or "ArchiveStatus" in row)


def _is_by_aws(solution: Solution, arn: str, asker: Asker) -> bool:
    """Whether AWS manages a key, which S3 then uses for every principal of the account."""
    if not arn or arn in solution.keys.all():
        return False
    key = keys.key(solution, arn, asker)
    return key is not None and not key.is_customers


def judge(solution: Solution, name: str, stored: Sequence[StoredObject]) -> Iterator[Result]:
    """What the CSI driver cannot read is listed and mounted all the same, and each read fails (EIO)."""
    if archived := [one.name for one in stored if one.archived]:
        message = f"{_words(archived)} must be restored before a runtime can read it"
        help = "restore it to S3 Standard: aws s3 cp s3://…/OBJECT s3://…/OBJECT --storage-class STANDARD"
        yield Result(THEME, name, CheckStatus.FAILED, message, help)
    if by_client := [one.name for one in stored if one.by_client]:
        message = (
            f"{_words(by_client)} is encrypted with a client's own key (SSE-C), which the mount does not have"
        )
        yield Result(THEME, name, CheckStatus.FAILED, message, "copy it with SSE-S3 or SSE-KMS")
    missing: dict[str, list[str]] = {}
    for one in stored:
        if one.key and not one.by_aws and one.key not in solution.keys.models:
            missing.setdefault(one.key, []).append(one.name)
    for key, names in missing.items():
        message = f"{_words(names)} is encrypted with {key}, which the CSI driver's role may not use"
        help = f"set kmsKeys.models: [{', '.join([*solution.keys.models, *missing])}]"
        yield Result(THEME, name, CheckStatus.FAILED, message, help)
    if not (archived or by_client or missing):
        yield Result(THEME, name, CheckStatus.PASSED, f"{len(stored)} objects looked at; all can be read")


def bucket_key(solution: Solution, bucket: str, asker: Asker) -> StoredObject | None:
    """How a bucket encrypts new objects; None where only its owner may ask."""
    try:
        answer = asker.client("s3").get_bucket_encryption(Bucket=bucket)
    except errors.refusals() as error:
        if errors.code(error) == "ServerSideEncryptionConfigurationNotFoundError":
            return StoredObject(bucket)
        if errors.denied(error) and bucket not in usage.account_buckets(asker):
            return None
        raise
    [rule, *_] = answer["ServerSideEncryptionConfiguration"]["Rules"]
    default = rule.get("ApplyServerSideEncryptionByDefault", {})
    name = str(default.get("KMSMasterKeyID", ""))
    if not name:
        return StoredObject(bucket)
    key = keys.key(solution, keys.key_arn(solution, name), asker)
    return StoredObject(bucket, key.arn if key else name, by_aws=key is not None and not key.is_customers)


def judge_inputs(solution: Solution, name: str, bucket: StoredObject | None) -> Iterator[Result]:
    """The agent could not read an input that is encrypted with a key that its role may not use."""
    if bucket is None:
        message = "only the owner of the bucket may ask how it is encrypted"
        yield Result(THEME, name, CheckStatus.NOT_ASKED, message)
    elif bucket.key and not bucket.by_aws and bucket.key not in solution.keys.inputs:
        message = f"new objects are encrypted with {bucket.key}, which the runtimes' roles may not use"
        help = f"set kmsKeys.inputs: [{', '.join([*solution.keys.inputs, bucket.key])}]"
        yield Result(THEME, name, CheckStatus.FAILED, message, help)
    else:
        yield Result(THEME, name, CheckStatus.PASSED, "the runtimes' roles may read what is encrypted there")


def _words(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
