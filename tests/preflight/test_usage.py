"""What others use of each quota: everything that counts, and nothing of the solution's own."""

from dataclasses import replace
from typing import Any

import pytest

from generator.aws.clients import Aws
from generator.facts import quotas
from generator.facts.quotas import of_instance
from generator.preflight import limits, usage
from generator.preflight.check import run_all
from tests.preflight.conftest import Place

OWN = [{"Key": "kubernetes.io/cluster/demo", "Value": "owned"}]
MINE = [{"Key": "alpha.eksctl.io/cluster-name", "Value": "demo"}]
SPOT = {"InstanceLifecycle": "spot"}


def code(name: str, market: Any) -> str:
    quota = of_instance(name, market)
    assert quota is not None
    return quota.code


def test_instances_count_against_the_quota_of_their_family_and_market(place: Place) -> None:
    subject = place.subject({})
    instances = [
        {"InstanceType": "g5.xlarge"},
        {"InstanceType": "g5.2xlarge", **SPOT},
        {"InstanceType": "g6.xlarge", "Tags": OWN},
        {"InstanceType": "m7g.large"},
        {"InstanceType": "g9.large", "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 2}},
    ]

    used = usage.vcpus(instances, subject.solution, subject.facts)

    assert used == {
        # A type that the generator's data lacks has the vCPUs that EC2 says.
        code("g5.xlarge", "on-demand"): 4 + 4,
        code("g5.xlarge", "spot"): 8,
        code("m7g.large", "on-demand"): 2,
    }


def used(place: Place, quota: str) -> int:
    return int(place.run().one("quotas", quota).message.split(" allowed, ")[1].split(maxsplit=1)[0])


@pytest.mark.parametrize(("tags", "more"), [([], 1), (MINE, 0)], ids=["anothers", "our own"])
def test_only_addresses_of_others_count(place: Place, tags: list[dict[str, str]], more: int) -> None:
    before = used(place, "Elastic IPs")
    made = place.ec2.allocate_address(Domain="vpc")["AllocationId"]
    if tags:
        place.ec2.create_tags(Resources=[made], Tags=tags)
    try:
        assert used(place, "Elastic IPs") - before == more
    finally:
        place.ec2.release_address(AllocationId=made)


@pytest.mark.parametrize(("tags", "more"), [([], 1), (MINE, 0)], ids=["anothers", "our own"])
def test_only_nat_gateways_of_others_count(place: Place, tags: list[dict[str, str]], more: int) -> None:
    subnets = place.ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-east-1a"]}])
    made = place.ec2.create_nat_gateway(
        SubnetId=subnets["Subnets"][0]["SubnetId"], ConnectivityType="private"
    )["NatGateway"]["NatGatewayId"]
    if tags:
        place.ec2.create_tags(Resources=[made], Tags=tags)
    try:
        assert used(place, "NAT gateways") == more
    finally:
        place.ec2.delete_nat_gateway(NatGatewayId=made)


def test_only_buckets_of_others_count(place: Place) -> None:
    before = used(place, "General purpose buckets")
    place.client("s3").create_bucket(Bucket=f"others-{place.account.id}")
    place.client("s3").create_bucket(Bucket=place.subject({}).solution.runtimes[0].output_bucket)

    assert used(place, "General purpose buckets") - before == 1


def test_stopped_instances_do_not_count(place: Place) -> None:
    image = place.ec2.describe_images()["Images"][0]["ImageId"]
    run = place.ec2.run_instances(ImageId=image, InstanceType="g5.xlarge", MinCount=1, MaxCount=1)
    made = [row["InstanceId"] for row in run["Instances"]]
    try:
        running = used(place, "Running On-Demand G and VT")
        place.ec2.stop_instances(InstanceIds=made)
        assert used(place, "Running On-Demand G and VT") == running - 4
    finally:
        place.ec2.terminate_instances(InstanceIds=made)


def test_quotas_of_s3_are_asked_for_where_they_are_kept(place: Place) -> None:
    subject = place.subject({})
    elsewhere = replace(subject, solution=replace(subject.solution, region="us-west-2"))
    wanted = {quotas.BUCKETS.name, quotas.ADDRESSES.name}

    run_all([check for check in limits.checks(elsewhere) if check.name in wanted], Aws("us-west-2"))

    assert place.quotas.regions == {quotas.BUCKETS.code: "us-east-1", quotas.ADDRESSES.code: "us-west-2"}
