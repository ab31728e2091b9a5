"""Uploads templates that are too large for a request, and sources of images, to a bucket of their own."""

from typing import Any

from generator.aws import errors
from generator.deploy.job import Job
from generator.solution.model import Solution

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
BODY_MAX_BYTES = 51_200


def bucket(solution: Solution) -> str:
    """The name of the bucket for templates."""
    return solution.templates_bucket


def large(text: str) -> bool:
    """Whether CloudFormation accepts a template only from S3."""
    return len(text.encode()) > BODY_MAX_BYTES


def argument(job: Job, name: str, text: str) -> dict[str, Any]:
    """The argument of `create_change_set` for a template: its text, or the URL that it is uploaded to."""
    if not large(text):
        return {"TemplateBody": text}
    key = f"{name}.yaml"
    upload(job, key, text.encode())
    return {"TemplateURL": f"{job.aws.client('s3').meta.endpoint_url}/{bucket(job.solution)}/{key}"}


def upload(job: Job, key: str, content: bytes) -> None:
    """Put an object into the bucket, which is created if it does not exist."""
    _create_bucket(job, bucket(job.solution))
    job.aws.client("s3").put_object(Bucket=bucket(job.solution), Key=key, Body=content)


def _create_bucket(job: Job, bucket_name: str) -> None:
    """Create the bucket, if it does not exist. S3 encrypts new buckets by itself."""
    s3, region = job.aws.client("s3"), job.solution.region
    try:
        s3.head_bucket(Bucket=bucket_name)
        return
    except errors.refusals() as error:
        if errors.code(error) not in ("404", "NoSuchBucket"):
            raise
    # S3 does not accept us-east-1 as a location constraint.
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket_name, **where)
    blocked = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }
    s3.put_public_access_block(Bucket=bucket_name, PublicAccessBlockConfiguration=blocked)
    tags = [{"Key": key, "Value": value} for key, value in sorted(job.solution.resource_tags().items())]
    s3.put_bucket_tagging(Bucket=bucket_name, Tagging={"TagSet": tags})


def remove(job: Job) -> None:
    """Delete the bucket with its templates, if it exists."""
    bucket_name = bucket(job.solution)
    if job.dry_run:
        job.say(f"$ aws s3 rb s3://{bucket_name} --force --region {job.solution.region}")
        return
    s3 = job.aws.client("s3")
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket_name)
        for row in [row for page in pages for row in page.get("Contents", ())]:
            s3.delete_object(Bucket=bucket_name, Key=row["Key"])
        s3.delete_bucket(Bucket=bucket_name)
        job.say(f"bucket {bucket_name}: removed")
    except errors.refusals() as error:
        if errors.code(error) not in ("404", "NoSuchBucket"):
            raise errors.refused(error, f"bucket {bucket_name}") from error
