"""Templates that are too large to send go through a bucket of their own."""

from typing import Any

from generator.aws import errors
from generator.deploy.job import Job
from generator.solution.model import Solution

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
BODY_MAX_BYTES = 51_200


def bucket(solution: Solution) -> str:
    """Its name: of this solution, and none that a runtime's bucket can have."""
    return solution.templates_bucket


def large(text: str) -> bool:
    """Whether CloudFormation takes a template from S3 only."""
    return len(text.encode()) > BODY_MAX_BYTES


def argument(job: Job, name: str, text: str) -> dict[str, Any]:
    """How `create_change_set` is told of a template: by its text, or by where it lies."""
    if not large(text):
        return {"TemplateBody": text}
    s3, holder, key = job.aws.client("s3"), bucket(job.solution), f"{name}.yaml"
    _make(job, holder)
    s3.put_object(Bucket=holder, Key=key, Body=text.encode())
    return {"TemplateURL": f"{s3.meta.endpoint_url}/{holder}/{key}"}


def _make(job: Job, holder: str) -> None:
    """A private bucket; S3 makes new ones private and encrypted, this says so."""
    s3, region = job.aws.client("s3"), job.solution.region
    try:
        s3.head_bucket(Bucket=holder)
        return
    except errors.refusals() as error:
        if errors.code(error) not in ("404", "NoSuchBucket"):
            raise
    # us-east-1 is the one region that must not be named.
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=holder, **where)
    blocked = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }
    s3.put_public_access_block(Bucket=holder, PublicAccessBlockConfiguration=blocked)
    tags = [{"Key": key, "Value": value} for key, value in sorted(job.solution.resource_tags().items())]
    s3.put_bucket_tagging(Bucket=holder, Tagging={"TagSet": tags})


def remove(job: Job) -> None:
    """Delete the bucket with its templates, if it is there."""
    holder = bucket(job.solution)
    if job.dry_run:
        job.say(f"$ aws s3 rb s3://{holder} --force --region {job.solution.region}")
        return
    s3 = job.aws.client("s3")
    try:
        listed = s3.list_objects_v2(Bucket=holder).get("Contents", ())
        for row in listed:
            s3.delete_object(Bucket=holder, Key=row["Key"])
        s3.delete_bucket(Bucket=holder)
        job.say(f"bucket {holder}: removed")
    except errors.refusals() as error:
        if errors.code(error) not in ("404", "NoSuchBucket"):
            raise errors.refused(error, f"bucket {holder}") from error
