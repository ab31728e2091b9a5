"""S3 buckets, tags and the API's limits."""

import re
from collections.abc import Iterable, Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, node_template, rule
from generator.facts import s3
from generator.facts.karpenter import NodePoolRules
from generator.solution import names

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"[0-9]+(\.[0-9]+){3}")

# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
TAG_KEY_MAX, TAG_VALUE_MAX, TAGS_MAX = 128, 256, 40
# The chart's own tags of instances. Karpenter gives an instance's tags to its IAM instance profile too.
INSTANCE_TAGS = ("stack", "runtime")
_TAG = re.compile(r"[\w\s.:/=+\-@]*")


def bucket_fault(name: str) -> str | None:
    """Why S3 rejects a bucket name; None when it is valid."""
    if not _BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
        return "3 to 63 lowercase letters, digits, `-` and `.`, starting and ending with a letter or digit"
    if name.startswith(s3.RESERVED_PREFIXES) or name.endswith(s3.RESERVED_SUFFIXES):
        return "S3 reserves its prefix or its suffix"
    return None


def _model_bucket(case: Case) -> str:
    return (case.config.at("modelBucketArn").text() or "").rpartition(":")[2]


@rule("SD721")
def bucket_names_are_possible(case: Case) -> Iterator[Finding]:
    """Bucket names must be valid in S3."""
    nodes = [(case.config.at("modelBucketArn"), _model_bucket(case))]
    for runtime in case.runtimes:
        own = [agent(runtime).at("s3Bucket"), *agent(runtime).at("inputBuckets").items()]
        own.append(runtime.at("extraValues", "runtime", "persistence", "s3", "modelBucket"))
        nodes += [(node, node.text() or "") for node in own]
    for node, name in nodes:
        if name and (fault := bucket_fault(name)):
            yield Finding(
                node, f"{name!r} is not a valid bucket name", f"write only the bucket name: {fault}"
            )


@rule("SD722")
def model_bucket_is_not_an_output_bucket(case: Case) -> Iterator[Finding]:
    """The model bucket cannot be an output bucket: the stack creates those, and agents write to them."""
    account, region = case.context.account, case.context.region
    for runtime in case.runtimes:
        name = runtime.at("name").text()
        taken = {agent(runtime).at("s3Bucket").text()}
        if case.stack and name and account and region:
            taken.add(names.output_bucket(case.stack, name, account, region))
        if _model_bucket(case) in taken:
            message = f"this bucket is the output bucket of runtime {name!r}"
            yield Finding(case.config.at("modelBucketArn"), message, "keep the models in a separate bucket")


def _tag_maps(case: Case) -> list[ConfigNode]:
    return [case.config.at("tags"), *(node_template(runtime).at("tags") for runtime in case.runtimes)]


@rule("SD723")
def tags_are_valid(case: Case) -> Iterator[Finding]:
    """Tags must be valid in AWS, and not reserved by AWS or Karpenter."""
    for tags in _tag_maps(case):
        if len(tags.entries()) > TAGS_MAX:
            message = f"{len(tags.entries())} tags; AWS allows 50, and the solution needs some for itself"
            yield Finding(tags, message, f"keep {TAGS_MAX} or fewer", True)
        for node in tags.entries():
            if fault := _tag_fault(node.key, node.text() or "", case.node_rules):
                yield Finding(
                    node, f"AWS or Karpenter rejects this tag: {fault}", "change or remove it", True
                )


@rule("SD528")
def tag_keys_differ_by_more_than_case(case: Case) -> Iterator[Finding]:
    """Tags must not differ by case only: IAM, where roles and instance profiles have them, rejects both."""
    tags = case.config.at("tags")
    yield from _same_but_case(tags.entries(), (names.STACK_TAG, names.RUNTIME_TAG, *INSTANCE_TAGS))
    shared = [node.key for node in tags.entries()]
    for runtime in case.runtimes:
        yield from _same_but_case(node_template(runtime).at("tags").entries(), (*INSTANCE_TAGS, *shared))


def _same_but_case(tags: Iterable[ConfigNode], present: Iterable[str]) -> Iterator[Finding]:
    keys = {key.lower(): key for key in present}
    for node in tags:
        other = keys.setdefault(node.key.lower(), node.key)
        if other != node.key:
            message = f"{node.key!r} and {other!r} differ only by case, which tags of IAM do not distinguish"
            yield Finding(node, message, "keep one of them", True)


def _tag_fault(key: str, value: str, rules: NodePoolRules) -> str | None:
    if not key:
        return "its key is empty"
    if key.lower().startswith("aws:"):
        return "keys that start with aws: are reserved"
    if not rules.allows_tag(key):
        return f"{key} is reserved by Karpenter"
    if len(key) > TAG_KEY_MAX or len(value) > TAG_VALUE_MAX:
        return f"a key has at most {TAG_KEY_MAX} characters, a value {TAG_VALUE_MAX}"
    return (
        None
        if _TAG.fullmatch(key) and _TAG.fullmatch(value)
        else "letters, digits, spaces and . : / = + - @ only"
    )


@rule("SD724", WARNING)
def burst_is_not_below_rate(case: Case) -> Iterator[Finding]:
    """A burst limit below the rate limit makes the API reject requests that the rate allows."""
    throttle = case.config.at("APIGW", "throttle")
    rate, burst = throttle.at("rateLimit").whole(), throttle.at("burstLimit").whole()
    if rate and burst and burst < rate:
        node = throttle.at("burstLimit") if throttle.at("burstLimit").given else throttle.at("rateLimit")
        message = f"burstLimit {burst} is below rateLimit {rate}: simultaneous requests are rejected"
        yield Finding(node, message, f"set burstLimit to {rate} or more")
