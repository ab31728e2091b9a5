"""Buckets, tags and the API."""

import re
from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, node_template, rule
from generator.solution import names

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")

# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
TAG_KEY_MAX, TAG_VALUE_MAX, TAGS_MAX = 128, 256, 40
_TAG = re.compile(r"[\w\s.:/=+\-@]*")
# The CEL rules of karpenter.k8s.aws_ec2nodeclasses.yaml v1.8.8.
KARPENTER_TAGS = ("eks:eks-cluster-name", "karpenter.sh/nodepool", "karpenter.sh/nodeclaim",
                  "karpenter.k8s.aws/ec2nodeclass")  # fmt: skip


def bucket_fault(name: str) -> str | None:
    """Why S3 would refuse a bucket name."""
    if not _BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
        return "3 to 63 lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit"
    if name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(RESERVED_SUFFIXES):
        return "its beginning or its end is reserved by S3"
    return None


def _model_bucket(case: Case) -> str:
    return (case.config.at("modelBucketArn").text() or "").rpartition(":")[2]


@rule("SD721")
def bucket_names_are_possible(case: Case) -> Iterator[Finding]:
    """Names of buckets must be names that S3 allows."""
    places = [(case.config.at("modelBucketArn"), _model_bucket(case))]
    for runtime in case.runtimes:
        own = [agent(runtime).at("s3Bucket"), *agent(runtime).at("inputBuckets").items()]
        own.append(runtime.at("extraValues", "runtime", "persistence", "s3", "modelBucket"))
        places += [(place, place.text() or "") for place in own]
    for place, name in places:
        if name and (fault := bucket_fault(name)):
            what = f"{name!r} is no bucket"
            yield Finding(place, what, f"write a bucket's name alone: {fault}")


@rule("SD722")
def models_are_not_among_the_pictures(case: Case) -> Iterator[Finding]:
    """The model bucket cannot be a bucket for pictures: those expire, and pods may write there."""
    account, region = case.context.account, case.context.region
    for runtime in case.runtimes:
        name = runtime.at("name").text()
        taken = {agent(runtime).at("s3Bucket").text()}
        if case.stack and name and account and region:
            taken.add(names.output_bucket(case.stack, name, account, region))
        if _model_bucket(case) in taken:
            what = f"this bucket is to hold the pictures of runtime {name!r}"
            yield Finding(case.config.at("modelBucketArn"), what, "keep models in a bucket of their own")


def _tag_maps(case: Case) -> list[ConfigNode]:
    return [case.config.at("tags"), *(node_template(runtime).at("tags") for runtime in case.runtimes)]


@rule("SD723")
def tags_are_tags(case: Case) -> Iterator[Finding]:
    """Tags must be ones that AWS allows and that neither AWS nor Karpenter keeps for itself."""
    for tags in _tag_maps(case):
        if len(tags.entries()) > TAGS_MAX:
            what = f"{len(tags.entries())} tags; AWS allows 50, and some are needed for the solution's own"
            yield Finding(tags, what, f"keep {TAGS_MAX} or fewer", True)
        for place in tags.entries():
            if fault := _tag_fault(place.key, place.text() or ""):
                yield Finding(
                    place, f"AWS or Karpenter refuses this tag: {fault}", "change or remove it", True
                )


def _tag_fault(key: str, value: str) -> str | None:
    if not key:
        return "it has no name"
    if key.lower().startswith("aws:"):
        return "names that begin with aws: belong to AWS"
    if key in KARPENTER_TAGS or key.startswith("kubernetes.io/cluster"):
        return f"{key} belongs to Karpenter"
    if len(key) > TAG_KEY_MAX or len(value) > TAG_VALUE_MAX:
        return f"a name has at most {TAG_KEY_MAX} characters, a value {TAG_VALUE_MAX}"
    return (
        None
        if _TAG.fullmatch(key) and _TAG.fullmatch(value)
        else "letters, digits, spaces and . : / = + - @ only"
    )


@rule("SD724", WARNING)
def bursts_are_not_below_the_rate(case: Case) -> Iterator[Finding]:
    """A burst limit below the rate limit makes the API refuse requests that the rate would allow."""
    throttle = case.config.at("APIGW", "throttle")
    rate, burst = throttle.at("rateLimit").whole(), throttle.at("burstLimit").whole()
    if rate and burst and burst < rate:
        place = throttle.at("burstLimit") if throttle.at("burstLimit").given else throttle.at("rateLimit")
        what = f"burstLimit {burst} is below rateLimit {rate}: requests that come together are refused"
        yield Finding(place, what, f"set burstLimit to {rate} or more")
