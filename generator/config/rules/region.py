"""Region, account and partition, and what AWS offers there."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, node_template, provisioner, rule
from generator.config.schema import nearest
from generator.facts.facts import Region, eks_zones

# The GPU families that people use for pictures: named first when a region lacks another.
USUAL_CONTROLLERS = ("m7g.large", "m6g.large", "m7i.large", "m6i.large", "m5.large")
USUAL_GPUS = ("g4dn", "g5", "g6", "g6e", "g7e")


def _region(case: Case) -> Region | None:
    return case.facts.region(case.context.region or "")


@rule("SD701")
def region_exists(case: Case) -> Iterator[Finding]:
    """The region must be one that has EKS."""
    name = case.context.region
    if name and case.facts.region(name) is None:
        close = nearest(name, case.facts.regions())
        help = f"did you mean {close!r}?" if close else "use a region such as us-east-1 or us-west-2"
        yield Finding(case.config.at("region"), f"no region {name!r} with EKS is known", help)


@rule("SD702", WARNING)
def region_is_verified(case: Case) -> Iterator[Finding]:
    """The product was tried in us-east-1 and us-west-2; other regions should work."""
    region = _region(case)
    if region and not region.verified:
        what = f"region {region.name} is not verified: the product was tried in us-east-1 and us-west-2"
        yield Finding(
            case.config.at("region"), what, "try it before you rely on it; `generator preflight` helps"
        )


@rule("SD703")
def arns_are_of_the_partition(case: Case) -> Iterator[Finding]:
    """The partition of an ARN must be the region's: aws-cn in China, aws elsewhere."""
    if (region := _region(case)) is None:
        return
    places = [case.config.at("modelBucketArn")]
    for runtime in case.runtimes:
        places += [
            agent(runtime).at("snsTopicArn"),
            runtime.at("extraValues", "runtime", "serviceAccountRoleArn"),
        ]
    for place in places:
        parts = (place.text() or "").split(":")
        if len(parts) >= 6 and parts[0] == "arn" and parts[1] != region.partition:
            what = f"an ARN of partition {parts[1]}, while {region.name} is in {region.partition}"
            parts[1] = region.partition
            yield Finding(place, what, f"write {':'.join(parts)}, or change the region")


@rule("SD704", WARNING)
def place_is_said(case: Case) -> Iterator[Finding]:
    """Without region or account, the rules that need them are skipped (only `validate` goes on then)."""
    if not case.deriving:
        for missing, key, flags in _unsaid(case):
            what = f"no {missing} is said: rules that need it are skipped"
            yield Finding(case.config, what, f"set `{key}`, or give {flags}")


@rule("SD705")
def place_is_known(case: Case) -> Iterator[Finding]:
    """Names and ARNs hold region and account, so commands that derive them must know both."""
    if case.deriving:
        for missing, key, flags in _unsaid(case):
            what = f"no {missing} is said, and names hold it"
            yield Finding(case.config, what, f"set `{key}`, or give {flags}")


def _unsaid(case: Case) -> list[tuple[str, str, str]]:
    """What no one said: its name, key and flags. (A key with a wrong value is reported by the schema.)"""
    rows = [
        ("region", "region", case.context.region, "--region (or AWS_REGION)"),
        ("account", "accountId", case.context.account, "--account or --account-from-sts"),
    ]
    return [
        (name, key, flags) for name, key, value, flags in rows if not value and not case.config.at(key).given
    ]


@rule("SD706")
def account_is_an_account(case: Case) -> Iterator[Finding]:
    """An AWS account has 12 digits."""
    account = case.context.account
    said_by_flag = account != case.config.at("accountId").text()
    if account and said_by_flag and not (account.isdecimal() and len(account) == 12):
        yield Finding(case.config.at("accountId"), f"{account!r} is no AWS account", "give 12 digits")


@rule("SD707")
def region_has_three_zones(case: Case) -> Iterator[Finding]:
    """The fixed network has three availability zones, so the region must have three that EKS accepts."""
    region = _region(case)
    if region and len(zones := eks_zones(region)) < 3:
        what = f"{region.name} has {len(zones)} availability zones for EKS, and the fixed network needs three"
        yield Finding(case.config.at("region"), what, "use another region")


@rule("SD708")
def region_offers_the_gpus(case: Case) -> Iterator[Finding]:
    """The region must offer the instance types of each runtime."""
    if (region := _region(case)) is None:
        return
    for runtime in case.runtimes:
        kinds = provisioner(runtime).at("instanceType")
        gone = [kind for kind in kinds.items() if _missing(kind, region, case)]
        if kinds.given:
            for kind in gone:
                yield Finding(kind, f"{region.name} does not offer {kind.value}", _what_there_is(region))
        elif gone and len(gone) == len(kinds.items()):
            what = f"{region.name} offers none of {', '.join(kinds.words())} (the default)"
            help = f"name types in extraValues.karpenter.provisioner.instanceType: {_what_there_is(region)}"
            yield Finding(kinds, what, help)
    controllers = case.config.at("clusterComponents", "instanceType")
    if _missing(controllers, region, case):
        what = f"{region.name} does not offer {controllers.value}"
        offered = [kind for kind in USUAL_CONTROLLERS if region.offers(kind)]
        yield Finding(
            controllers, what, f"use another type, such as {offered[0] if offered else 'one of its list'}"
        )


def _missing(kind: ConfigNode, region: Region, case: Case) -> bool:
    name = kind.text()
    return bool(name and case.facts.instance_type(name) and not region.offers(name))


def _what_there_is(region: Region) -> str:
    families = sorted({kind.partition(".")[0] for kind in region.gpu_types})
    if not families:
        return f"{region.name} offers no GPUs: use another region"
    usual = [family for family in families if family in USUAL_GPUS]
    return f"it offers {', '.join(usual or families)}"


@rule("SD709", WARNING)
def default_gpus_are_all_there(case: Case) -> Iterator[Finding]:
    """Where the config names no instance types, some of the default ones may not be offered in the region."""
    if (region := _region(case)) is None:
        return
    for runtime in case.runtimes:
        kinds = provisioner(runtime).at("instanceType")
        gone = [kind.value for kind in kinds.items() if _missing(kind, region, case)]
        if not kinds.given and 0 < len(gone) < len(kinds.items()):
            what = (
                f"{region.name} does not offer {', '.join(gone)}, which are among the default instance types"
            )
            yield Finding(
                kinds, what, f"name your types in provisioner.instanceType: {_what_there_is(region)}"
            )


@rule("SD710", WARNING)
def gpus_are_in_enough_zones(case: Case) -> Iterator[Finding]:
    """The cluster has three zones; types that few zones of the region offer may be in none of them."""
    region = _region(case)
    if region is None:
        return
    for runtime in case.runtimes:
        kinds = provisioner(runtime).at("instanceType")
        known = [region.gpu_types.get(name, ()) for name in kinds.words()]
        zones = {zone for offered in known for zone in offered}
        if zones and len(zones) + 3 <= len(eks_zones(region)):
            few = ", ".join(sorted(zones))
            what = f"of the {len(region.zones)} zones of {region.name} only {few} offer these types"
            yield Finding(kinds, what, "name more types: the three zones of the cluster may be others")


@rule("SD711")
def queues_are_in_the_region(case: Case) -> Iterator[Finding]:
    """Queues and topics of the user's own must be in the region: KEDA and the agent look there."""
    if (region := _region(case)) is None:
        return
    for runtime in case.runtimes:
        for key in ("sqsQueueUrl", "deadLetterQueueUrl"):
            place = agent(runtime).at(key)
            host = (place.text() or "").partition("://")[2].partition("/")[0]
            if host.startswith("sqs.") and host.split(".")[1] != region.name:
                yield Finding(place, f"a queue in {host.split('.')[1]}, while the region is {region.name}",
                              f"use a queue in {region.name}")  # fmt: skip
        topic = agent(runtime).at("snsTopicArn")
        parts = (topic.text() or "").split(":")
        if len(parts) == 6 and parts[3] != region.name:
            what = f"a topic in {parts[3]}, while the region is {region.name}"
            yield Finding(topic, what, f"use a topic in {region.name}")


@rule("SD712", WARNING)
def replaced_parts_have_rights(case: Case) -> Iterator[Finding]:
    """The generated role allows the generated queue, bucket and topic; others need a role of the user's."""
    generated = ("s3Bucket", "snsTopicArn", "sqsQueueUrl", "deadLetterQueueUrl")
    for runtime in case.runtimes:
        if runtime.at("extraValues", "runtime", "serviceAccountRoleArn").text():
            continue
        own = [agent(runtime).at(key) for key in generated]
        own.append(runtime.at("extraValues", "runtime", "persistence", "s3", "modelBucket"))
        for place in own:
            if place.given and place.text():
                what = f"the runtime's generated role does not allow a {place.key} of your own"
                yield Finding(
                    place, what, "set serviceAccountRoleArn to a role that does, or remove the key", True
                )
        role = node_template(runtime).at("iamRole")
        if role.given and role.text():
            what = "nodes with a role of your own can join only if the cluster knows it"
            yield Finding(
                role, what, "give the role an EKS access entry of type EC2_LINUX, or remove the key", True
            )
