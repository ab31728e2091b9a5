"""The use of each quota by others: everything that counts, without the solution's own resources."""

from dataclasses import replace
from typing import Any

import pytest

from generator.aws.clients import Aws
from generator.facts import quotas
from generator.facts.quotas import of_instance
from generator.preflight import limits, usage
from generator.preflight.check import run_all
from tests.preflight.conftest import Sandbox

pytestmark = pytest.mark.thorough

NODE_TAGS = [{"Key": "kubernetes.io/cluster/demo", "Value": "owned"}]
CLUSTER_TAGS = [{"Key": "alpha.eksctl.io/cluster-name", "Value": "demo"}]
SPOT = {"InstanceLifecycle": "spot"}


def code(name: str, market: Any) -> str:
    quota = of_instance(name, market)
    assert quota is not None
    return quota.code


def test_instances_count_against_the_quota_of_their_family_and_market(sandbox: Sandbox) -> None:
    subject = sandbox.subject({})
    instances = [
        {"InstanceType": "g5.xlarge"},
        {"InstanceType": "g5.2xlarge", **SPOT},
        {"InstanceType": "g6.xlarge", "Tags": NODE_TAGS},
        {"InstanceType": "m7g.large"},
        {"InstanceType": "g9.large", "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 2}},
    ]

    used = usage.vcpus(instances, subject.solution, subject.facts)

    assert used == {
        # A type that the generator's data lacks has the vCPUs that EC2 reports.
        code("g5.xlarge", "on-demand"): 4 + 4,
        code("g5.xlarge", "spot"): 8,
        code("m7g.large", "on-demand"): 2,
    }


def used(sandbox: Sandbox, quota: str) -> int:
    return int(sandbox.one("quotas", quota).message.split(" allowed, ")[1].split(maxsplit=1)[0])


@pytest.mark.parametrize(("tags", "increase"), [([], 1), (CLUSTER_TAGS, 0)], ids=["anothers", "our own"])
def test_only_addresses_of_others_count(sandbox: Sandbox, tags: list[dict[str, str]], increase: int) -> None:
    before = used(sandbox, "Elastic IPs")
    address = sandbox.ec2.allocate_address(Domain="vpc")["AllocationId"]
    if tags:
        sandbox.ec2.create_tags(Resources=[address], Tags=tags)
    try:
        assert used(sandbox, "Elastic IPs") - before == increase
    finally:
        sandbox.ec2.release_address(AllocationId=address)


@pytest.mark.parametrize(("tags", "increase"), [([], 1), (CLUSTER_TAGS, 0)], ids=["anothers", "our own"])
def test_only_nat_gateways_of_others_count(
    sandbox: Sandbox, tags: list[dict[str, str]], increase: int
) -> None:
    subnets = sandbox.ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-east-1a"]}])
    gateway = sandbox.ec2.create_nat_gateway(
        SubnetId=subnets["Subnets"][0]["SubnetId"], ConnectivityType="private"
    )["NatGateway"]["NatGatewayId"]
    if tags:
        sandbox.ec2.create_tags(Resources=[gateway], Tags=tags)
    try:
        assert used(sandbox, "NAT gateways") == increase
    finally:
        sandbox.ec2.delete_nat_gateway(NatGatewayId=gateway)


def test_only_buckets_of_others_count(sandbox: Sandbox) -> None:
    before = used(sandbox, "General purpose buckets")
    sandbox.client("s3").create_bucket(Bucket=f"others-{sandbox.account.id}")
    sandbox.client("s3").create_bucket(Bucket=sandbox.subject({}).solution.runtimes[0].output_bucket)

    assert used(sandbox, "General purpose buckets") - before == 1


def test_stopped_instances_do_not_count(sandbox: Sandbox) -> None:
    image = sandbox.ec2.describe_images()["Images"][0]["ImageId"]
    run = sandbox.ec2.run_instances(ImageId=image, InstanceType="g5.xlarge", MinCount=1, MaxCount=1)
    instances = [row["InstanceId"] for row in run["Instances"]]
    try:
        running = used(sandbox, "Running On-Demand G and VT")
        sandbox.ec2.stop_instances(InstanceIds=instances)
        assert used(sandbox, "Running On-Demand G and VT") == running - 4
    finally:
        sandbox.ec2.terminate_instances(InstanceIds=instances)


def test_quotas_of_s3_are_read_in_their_own_region(sandbox: Sandbox) -> None:
    subject = sandbox.subject({})
    elsewhere = replace(subject, solution=replace(subject.solution, region="us-west-2"))
    names = {quotas.BUCKETS.name, quotas.ADDRESSES.name}

    run_all([check for check in limits.checks(elsewhere) if check.name in names], Aws("us-west-2"))

    assert sandbox.quotas.regions == {quotas.BUCKETS.code: "us-east-1", quotas.ADDRESSES.code: "us-west-2"}
