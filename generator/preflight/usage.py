"""The account's usage of each quota, without the solution's own resources."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from generator.aws.asker import Asker
from generator.facts import quotas
from generator.facts.facts import Facts
from generator.facts.quotas import Market
from generator.solution.model import Solution

# eksctl puts this tag on the VPC and on all that belongs to it.
EKSCTL_TAG = "alpha.eksctl.io/cluster-name"


def running(asker: Asker) -> list[dict[str, Any]]:
    """Every instance that counts against a vCPU quota."""
    pages = (
        asker.client("ec2")
        .get_paginator("describe_instances")
        .paginate(Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}])
    )
    return [
        instance
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]


def vcpus(instances: Iterable[Mapping[str, Any]], solution: Solution, facts: Facts) -> Counter[str]:
    """vCPUs of instances that are not the solution's, by quota code."""
    own = f"kubernetes.io/cluster/{solution.stack}"
    used: Counter[str] = Counter()
    for instance in instances:
        if own in {tag["Key"] for tag in instance.get("Tags", ())}:
            continue
        market: Market = "spot" if instance.get("InstanceLifecycle") == "spot" else "on-demand"
        quota = quotas.of_instance(instance["InstanceType"], market)
        if quota:
            used[quota.code] += _vcpu(instance, facts)
    return used


def _vcpu(instance: Mapping[str, Any], facts: Facts) -> int:
    """The quota counts the vCPUs of the type, even where threads were switched off."""
    known_type = facts.instance_type(instance["InstanceType"])
    if known_type:
        return known_type.vcpu
    cpu = instance.get("CpuOptions", {})
    return int(cpu.get("CoreCount", 1)) * int(cpu.get("ThreadsPerCore", 1))


def other_vpcs(asker: Asker, stack: str) -> int:
    """VPCs in the region, without this solution's."""
    vpcs = asker.once("vpcs", lambda a: a.client("ec2").describe_vpcs()["Vpcs"])
    return sum(_tag(vpc, EKSCTL_TAG) != stack for vpc in vpcs)


def other_addresses(asker: Asker, stack: str) -> int:
    """Elastic IPs in the region, without those of this solution's NAT gateways."""
    addresses = asker.client("ec2").describe_addresses()["Addresses"]
    return sum(_tag(address, EKSCTL_TAG) != stack for address in addresses)


def other_gateways(asker: Asker, stack: str, zones: Iterable[str]) -> int:
    """NAT gateways that are not the solution's, in the zone of `zones` that has most."""
    ec2 = asker.client("ec2")
    states = [{"Name": "state", "Values": ["pending", "available"]}]
    gateways = [
        gateway
        for page in ec2.get_paginator("describe_nat_gateways").paginate(Filters=states)
        for gateway in page["NatGateways"]
        if _tag(gateway, EKSCTL_TAG) != stack
    ]
    if not gateways:
        return 0
    subnets = ec2.describe_subnets(SubnetIds=sorted({gateway["SubnetId"] for gateway in gateways}))["Subnets"]
    zone_of = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in subnets}
    by_zone = Counter(zone_of[gateway["SubnetId"]] for gateway in gateways)
    return max(by_zone[zone] for zone in zones)


def other_buckets(asker: Asker, own: Iterable[str]) -> int:
    """Buckets of the account, without this solution's."""
    return len(account_buckets(asker) - set(own))


def account_buckets(asker: Asker) -> frozenset[str]:
    """The names of the account's buckets."""
    return asker.once("buckets", _account_buckets)


def _account_buckets(asker: Asker) -> frozenset[str]:
    pages = asker.client("s3").get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 1000})
    return frozenset(str(bucket["Name"]) for page in pages for bucket in page.get("Buckets", ()))


def _tag(thing: Mapping[str, Any], key: str) -> str | None:
    return next((tag["Value"] for tag in thing.get("Tags", ()) if tag["Key"] == key), None)
