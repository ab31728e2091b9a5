"""Region, account and partition, and what AWS offers in the region."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, node_template, provisioner, rule
from generator.config.rules.encryption import key_nodes
from generator.config.schema import nearest
from generator.facts.facts import USUAL_GPUS, VERIFIED_REGIONS, Region, eks_zones

# Suggested where a region does not offer the type in the config.
USUAL_CONTROLLERS = ("m7g.large", "m6g.large", "m7i.large", "m6i.large", "m5.large")


def _region(case: Case) -> Region | None:
    return case.facts.region(case.context.region or "")


@rule("SD701")
def region_exists(case: Case) -> Iterator[Finding]:
    """The region must have EKS."""
    name = case.context.region
    if name and case.facts.region(name) is None:
        close = nearest(name, case.facts.regions())
        help = f"did you mean {close!r}?" if close else "use a region such as us-east-1 or us-west-2"
        yield Finding(case.config.at("region"), f"{name!r} is not a known region with EKS", help)


@rule("SD702", WARNING)
def region_is_verified(case: Case) -> Iterator[Finding]:
    """Configs are checked fully for us-east-1 and us-west-2. Other regions should work."""
    region = _region(case)
    if region and not region.verified:
        checked = " and ".join(VERIFIED_REGIONS)
        message = f"region {region.name} is not verified: configs are checked fully for {checked} only"
        help = "`generator preflight` asks AWS what the region and the account have; test before production"
        yield Finding(case.config.at("region"), message, help)


@rule("SD703")
def arns_have_the_partition_of_the_region(case: Case) -> Iterator[Finding]:
    """The partition of an ARN must be that of the region: aws-cn in China, aws elsewhere."""
    if (region := _region(case)) is None:
        return
    nodes = [case.config.at("modelBucketArn"), case.config.at("permissionsBoundaryArn"), *key_nodes(case)]
    for runtime in case.runtimes:
        nodes += [
            agent(runtime).at("snsTopicArn"),
            runtime.at("extraValues", "runtime", "serviceAccountRoleArn"),
        ]
    for node in nodes:
        parts = (node.text() or "").split(":")
        if len(parts) >= 6 and parts[0] == "arn" and parts[1] != region.partition:
            message = f"the ARN has partition {parts[1]}, but {region.name} is in {region.partition}"
            parts[1] = region.partition
            yield Finding(node, message, f"write {':'.join(parts)}, or change the region")


@rule("SD985")
def permissions_boundary_is_of_the_account(case: Case) -> Iterator[Finding]:
    """The permissions boundary must be a policy of the account: IAM accepts no policy of another one."""
    node, account = case.config.at("permissionsBoundaryArn"), case.context.account
    parts = (node.text() or "").split(":")
    if account and len(parts) == 6 and parts[4] != account:
        message = f"the policy is in account {parts[4]}, but the roles are created in {account}"
        parts[4] = account
        yield Finding(node, message, f"write {':'.join(parts)}, or change the account")


@rule("SD704", WARNING)
def region_and_account_are_set(case: Case) -> Iterator[Finding]:
    """Without region or account, `validate` skips the rules that need them."""
    if not case.deriving:
        for missing, key, flags in _unset(case):
            message = f"the {missing} is not set: rules that need it are skipped"
            yield Finding(case.config, message, f"set `{key}`, or pass {flags}")


@rule("SD705")
def region_and_account_are_known(case: Case) -> Iterator[Finding]:
    """Names and ARNs contain region and account, so commands that derive them need both."""
    if case.deriving:
        for missing, key, flags in _unset(case):
            message = f"the {missing} is not set, and names contain it"
            yield Finding(case.config, message, f"set `{key}`, or pass {flags}")


def _unset(case: Case) -> list[tuple[str, str, str]]:
    """What is not set: its name, key and flags. A key with a wrong value is reported by the schema."""
    rows = [
        ("region", "region", case.context.region, "--region (or AWS_REGION)"),
        ("account", "accountId", case.context.account, "--account or --account-from-sts"),
    ]
    return [
        (name, key, flags) for name, key, value, flags in rows if not value and not case.config.at(key).given
    ]


@rule("SD706")
def account_is_valid(case: Case) -> Iterator[Finding]:
    """An AWS account has 12 digits."""
    account = case.context.account
    from_flag = account != case.config.at("accountId").text()
    if account and from_flag and not (account.isdecimal() and len(account) == 12):
        yield Finding(
            case.config.at("accountId"), f"{account!r} is not a valid AWS account ID", "write 12 digits"
        )


@rule("SD707")
def region_has_three_zones(case: Case) -> Iterator[Finding]:
    """The network has three availability zones, so the region must have three that EKS supports."""
    region = _region(case)
    if region and len(zones := eks_zones(region)) < 3:
        message = f"{region.name} has {len(zones)} availability zones for EKS, and the network needs three"
        yield Finding(case.config.at("region"), message, "use another region")


@rule("SD708")
def region_offers_the_gpus(case: Case) -> Iterator[Finding]:
    """The region must offer the instance types of each runtime."""
    if (region := _region(case)) is None:
        return
    for runtime in case.runtimes:
        kinds = provisioner(runtime).at("instanceType")
        missing = [kind for kind in kinds.items() if _missing(kind, region, case)]
        if kinds.given:
            for kind in missing:
                yield Finding(kind, f"{region.name} does not offer {kind.value}", _offered_families(region))
        elif missing and len(missing) == len(kinds.items()):
            message = f"{region.name} offers none of {', '.join(kinds.words())} (the default)"
            help = f"set karpenter.provisioner.instanceType: {_offered_families(region)}"
            yield Finding(kinds, message, help)
    controllers = case.config.at("clusterComponents", "instanceType")
    if _missing(controllers, region, case):
        message = f"{region.name} does not offer {controllers.value}"
        offered = [kind for kind in USUAL_CONTROLLERS if region.offers(kind)]
        yield Finding(
            controllers, message, f"use another type, such as {offered[0] if offered else 'one of its list'}"
        )


def _missing(kind: ConfigNode, region: Region, case: Case) -> bool:
    name = kind.text()
    return bool(name and case.facts.instance_type(name) and not region.offers(name))


def _offered_families(region: Region) -> str:
    families = sorted({kind.partition(".")[0] for kind in region.gpu_types})
    if not families:
        return f"{region.name} offers no GPUs: use another region"
    usual = [family for family in families if family in USUAL_GPUS]
    return f"it offers {', '.join(usual or families)}"


@rule("SD709", WARNING)
def region_offers_all_default_gpus(case: Case) -> Iterator[Finding]:
    """Without instanceType, the region should offer all of the default types."""
    if (region := _region(case)) is None:
        return
    for runtime in case.runtimes:
        kinds = provisioner(runtime).at("instanceType")
        missing = [kind.value for kind in kinds.items() if _missing(kind, region, case)]
        if not kinds.given and 0 < len(missing) < len(kinds.items()):
            message = f"{region.name} does not offer the default types {', '.join(missing)}"
            yield Finding(
                kinds, message, f"set karpenter.provisioner.instanceType: {_offered_families(region)}"
            )


@rule("SD710", WARNING)
def gpus_are_in_enough_zones(case: Case) -> Iterator[Finding]:
    """The cluster has three zones; types that few zones offer may not be available in any of them."""
    region = _region(case)
    if region is None:
        return
    for pool in case.pools:
        kinds = provisioner(pool.runtime).at("instanceType")
        offered_zones = [region.gpu_types.get(kind.name, ()) for kind in pool.selection.left]
        zones = {zone for offered in offered_zones for zone in offered}
        if zones and len(zones) + 3 <= len(eks_zones(region)):
            names = ", ".join(sorted(zones))
            message = f"of the {len(region.zones)} zones of {region.name}, only {names} offer these types"
            yield Finding(kinds, message, "add more types: the cluster may be in other zones")


@rule("SD711")
def queues_are_in_the_region(case: Case) -> Iterator[Finding]:
    """Queues and topics that the config sets must be in its region: KEDA and the agent expect them there."""
    if (region := _region(case)) is None:
        return
    for runtime in case.runtimes:
        for key in ("sqsQueueUrl", "deadLetterQueueUrl", "highPriorityQueueUrl"):
            node = agent(runtime).at(key)
            host = (node.text() or "").partition("://")[2].partition("/")[0]
            if host.startswith("sqs.") and host.split(".")[1] != region.name:
                yield Finding(node, f"the queue is in {host.split('.')[1]}, but the region is {region.name}",
                              f"use a queue in {region.name}")  # fmt: skip
        topic = agent(runtime).at("snsTopicArn")
        parts = (topic.text() or "").split(":")
        if len(parts) == 6 and parts[3] != region.name:
            message = f"the topic is in {parts[3]}, but the region is {region.name}"
            yield Finding(topic, message, f"use a topic in {region.name}")


@rule("SD712", WARNING)
def replaced_resources_are_permitted(case: Case) -> Iterator[Finding]:
    """The generated role allows only the generated queue, bucket and topic; others need your own role."""
    replaceable = ("s3Bucket", "snsTopicArn", "sqsQueueUrl", "deadLetterQueueUrl", "highPriorityQueueUrl")
    for runtime in case.runtimes:
        if runtime.at("extraValues", "runtime", "serviceAccountRoleArn").text():
            continue
        for node in (agent(runtime).at(key) for key in replaceable):
            if node.given and node.text():
                message = f"the runtime's generated role does not allow your own {node.key}"
                yield Finding(
                    node, message, "set serviceAccountRoleArn to a role that does, or remove the key", True
                )
        role = node_template(runtime).at("iamRole")
        if role.given and role.text():
            message = "nodes with your own role can join only with an access entry"
            kind = "EC2" if case.auto_mode else "EC2_LINUX"
            yield Finding(
                role,
                message,
                f"create an EKS access entry of type {kind} for the role, or remove the key",
                True,
            )
