"""The permissions of `generator models pull`: to write objects of the model buckets, and to delete none."""

import json
from collections.abc import Iterator

from generator.iam import keys
from generator.iam.policy import Statement, actions, allow, bucket_arn, document
from generator.solution.model import Solution

FILE = "iam/models-policy.json"


def files(solution: Solution) -> dict[str, str]:
    """The policy of a person or a program that pulls the files; no file where the config lists none."""
    if not solution.model_files:
        return {}
    return {FILE: json.dumps(document(_statements(solution)), indent=2) + "\n"}


def _statements(solution: Solution) -> Iterator[Statement]:
    objects = [item for file in solution.model_files for item in file.objects]
    buckets = [bucket_arn(solution, bucket) for bucket in sorted({item.bucket for item in objects})]
    write = "AbortMultipartUpload GetObject ListMultipartUploadParts PutObject"
    # Without it S3 answers 403, not 404, for a file that is not there.
    yield allow("FindModels", "s3:ListBucket", buckets)
    yield allow("WriteModels", actions("s3", write), [f"{bucket}/*" for bucket in buckets])
    for number, key in enumerate(solution.keys.models, 1):
        yield from keys.write(f"EncryptModels{number}", key, ("s3",), solution)
