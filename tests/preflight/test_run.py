"""A whole run against an account: what is ready passes, what is not fails with its fix."""

from datetime import date
from typing import Any

import pytest

from generator import paths
from generator.errors import Exit
from generator.facts.facts import Facts
from generator.preflight.result import CheckStatus, ending
from tests.preflight.conftest import RUNTIME, Sandbox


def gpu(types: list[str], **capacity: bool) -> dict[str, Any]:
    """A config whose one runtime has these instance types."""
    provisioner = {"instanceType": types, **({"capacityType": capacity} if capacity else {})}
    return {"modelsRuntime": [{**RUNTIME, "extraValues": {"karpenter": {"provisioner": provisioner}}}]}


def test_a_ready_account_passes_every_check(sandbox: Sandbox) -> None:
    report = sandbox.run()

    assert report.not_passed() == []
    assert ending(report.results) is Exit.DONE


def test_every_theme_has_a_result(sandbox: Sandbox) -> None:
    themes = {result.theme for result in sandbox.run().results}

    assert themes == {
        "credentials",
        "region",
        "EKS version",
        "quotas",
        "spot",
        "node images",
        "keys",
        "models",
        "encryption",
        "images",
        "names",
        "rights",
    }


def test_credentials_of_another_account_fail(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    subject_account = sandbox.account.id
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "999999999999")

    report = sandbox.run()

    [result] = report.results
    assert (result.theme, result.status) == ("credentials", CheckStatus.FAILED)
    assert f"is not in account {subject_account}" in result.message


def test_a_gpu_quota_that_even_the_smallest_nodes_exceed_fails_with_link_and_number(sandbox: Sandbox) -> None:
    sandbox.quotas.values |= {"L-DB2E81BA": 8, "L-3819A6DF": 8}

    result = sandbox.one("quotas", "Running On-Demand G and VT")

    assert result.status is CheckStatus.FAILED
    assert result.message == "8 vCPUs allowed, 0 in use by others, 80 to 160 needed"
    assert "servicequotas/home/services/ec2/quotas/L-DB2E81BA" in result.link
    assert result.increase is not None
    assert result.increase.value == 160


def test_a_quota_of_one_market_may_be_short_where_the_other_serves(sandbox: Sandbox) -> None:
    sandbox.quotas.values |= {"L-DB2E81BA": 0, "L-3819A6DF": 400}

    assert sandbox.one("quotas", "Running On-Demand G and VT").status is CheckStatus.WARNING


def test_a_spot_quota_of_a_runtime_with_spot_alone_must_do(sandbox: Sandbox) -> None:
    sandbox.quotas.values |= {"L-3819A6DF": 0}

    report = sandbox.run(config=gpu(["g5.xlarge"], spot=True, onDemand=False))

    assert report.one("quotas", "G and VT Spot").status is CheckStatus.FAILED


@pytest.mark.thorough
def test_running_instances_of_others_count(sandbox: Sandbox) -> None:
    image = sandbox.ec2.describe_images()["Images"][0]["ImageId"]
    run = sandbox.ec2.run_instances(ImageId=image, InstanceType="g5.48xlarge", MinCount=1, MaxCount=1)
    try:
        result = sandbox.one("quotas", "Running On-Demand G and VT")
    finally:
        sandbox.ec2.terminate_instances(InstanceIds=[row["InstanceId"] for row in run["Instances"]])

    assert "192 in use by others" in result.message


@pytest.mark.thorough
def test_addresses_and_vpcs_of_others_count_and_our_own_do_not(sandbox: Sandbox) -> None:
    before = sandbox.run()
    own_tags = [{"Key": "alpha.eksctl.io/cluster-name", "Value": "demo"}]
    vpcs = [sandbox.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
    sandbox.ec2.create_tags(Resources=vpcs[:1], Tags=own_tags)

    after = sandbox.run()

    def used(text: str) -> int:
        return int(text.split(" allowed, ")[1].split(maxsplit=1)[0])

    assert used(after.one("quotas", "VPCs").message) == used(before.one("quotas", "VPCs").message) + 1


def test_a_quota_without_a_value_of_the_account_has_awss_default(sandbox: Sandbox) -> None:
    del sandbox.quotas.values["L-0263D0A3"]
    sandbox.quotas.defaults["L-0263D0A3"] = 5

    assert sandbox.one("quotas", "Elastic IPs").status is CheckStatus.PASSED


def test_a_version_that_aws_no_longer_creates_fails_with_the_line_to_set(sandbox: Sandbox) -> None:
    result = sandbox.one("EKS version", "1.28", config={"eksVersion": "1.28"})

    assert result.status is CheckStatus.FAILED
    assert result.help == 'set eksVersion: "1.36"'


def test_a_cluster_that_exists_may_keep_its_version(sandbox: Sandbox) -> None:
    sandbox.quotas.clusters["demo"] = "1.28"

    assert sandbox.one("EKS version", "1.28", config={"eksVersion": "1.28"}).status is CheckStatus.PASSED


def test_a_foreign_cluster_of_the_same_name_fails(sandbox: Sandbox) -> None:
    sandbox.quotas.clusters["demo"], sandbox.quotas.foreign_clusters = "1.35", {"demo"}

    result = sandbox.one("EKS version", "1.35")

    assert (result.status, result.help) == (CheckStatus.FAILED, "choose another `stackName`")


def test_a_skipped_version_is_refused(sandbox: Sandbox) -> None:
    sandbox.quotas.clusters["demo"] = "1.32"

    assert sandbox.one("EKS version", "1.35").help.endswith('set eksVersion: "1.33"')


def test_extended_support_is_a_warning_about_money(sandbox: Sandbox) -> None:
    sandbox.quotas.versions["1.35"] = "EXTENDED_SUPPORT"

    result = sandbox.one("EKS version", "1.35", today=date(2027, 4, 1))

    assert result.status is CheckStatus.WARNING
    assert result.help.startswith("the control plane costs 0.60 USD an hour instead of 0.10")
    assert result.help.endswith('set eksVersion: "1.36" for a new cluster')


def test_standard_support_that_ends_soon_is_a_warning_with_its_date(sandbox: Sandbox) -> None:
    result = sandbox.one("EKS version", "1.34", config={"eksVersion": "1.34"})

    assert (result.status, result.message) == (
        CheckStatus.WARNING,
        "AWS creates clusters with this version (standard support)",
    )
    assert result.help.startswith("after 2026-12-02 the control plane costs 0.60 USD")


def test_an_image_that_is_not_in_ecr_fails(sandbox: Sandbox) -> None:
    sandbox.client("ecr").delete_repository(repositoryName="sd-on-eks/sdwebui", force=True)

    result = sandbox.one("images", "sd-on-eks/sdwebui")

    assert result.status is CheckStatus.FAILED
    assert "generator images" in result.help


def test_images_of_public_registries_are_reported_as_not_checked(sandbox: Sandbox) -> None:
    result = sandbox.one("images", "elsewhere")

    assert result.status is CheckStatus.NOT_ASKED
    assert "public.ecr.aws" in result.message


def test_a_queue_of_the_same_name_outside_the_stack_fails(sandbox: Sandbox) -> None:
    sandbox.client("sqs").create_queue(QueueName="demo-turbo")

    result = sandbox.one("names", "queue demo-turbo")

    assert result.status is CheckStatus.FAILED
    assert "--adopt" in result.help


@pytest.mark.thorough
def test_names_that_the_solutions_own_stack_holds_pass(sandbox: Sandbox) -> None:
    template = "Resources: {Q: {Type: 'AWS::SQS::Queue', Properties: {QueueName: demo-turbo}}}"
    sandbox.client("cloudformation").create_stack(StackName="demo", TemplateBody=template)

    report = sandbox.run()

    assert [r.status for r in report.results if r.name == "queue demo-turbo"] == [CheckStatus.PASSED]


def test_without_the_spot_role_spot_nodes_are_refused(sandbox: Sandbox) -> None:
    sandbox.client("iam").delete_role(RoleName="AWSServiceRoleForEC2Spot")

    optional = sandbox.one("spot", "AWSServiceRole")
    required = sandbox.one("spot", "AWSServiceRole", config=gpu(["g5.xlarge"], spot=True, onDemand=False))

    assert (optional.status, required.status) == (CheckStatus.WARNING, CheckStatus.FAILED)
    assert "create-service-linked-role" in optional.help


def test_an_instance_type_that_no_zone_offers_fails_when_there_is_no_other(sandbox: Sandbox) -> None:
    result = sandbox.one("region", "instance types of turbo", config=gpu(["p3.2xlarge", "p2.xlarge"]))

    assert result.status is CheckStatus.FAILED


def test_a_requirement_on_the_zone_decides_where_a_type_must_be_offered(sandbox: Sandbox) -> None:
    rows = sandbox.ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["g6.xlarge"]}]
    )["InstanceTypeOfferings"]
    with_type = {row["Location"] for row in rows}
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [min(with_type)]}
    provisioner = {"instanceType": ["g6.xlarge"], "extraRequirements": [zone]}
    runtime = {**RUNTIME, "extraValues": {"karpenter": {"provisioner": provisioner}}}

    result = sandbox.one("region", "instance types of turbo", config={"modelsRuntime": [runtime]})

    assert (result.status, result.message) == (CheckStatus.PASSED, f"g6.xlarge in {min(with_type)}")


def test_a_snapshot_that_is_larger_than_its_volume_fails(sandbox: Sandbox) -> None:
    volume = sandbox.ec2.create_volume(Size=200, AvailabilityZone="us-east-1a")["VolumeId"]
    snapshot = sandbox.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    template = {"dataVolume": {"snapshotID": snapshot, "volumeSize": "150Gi"}}
    runtime = {**RUNTIME, "extraValues": {"karpenter": {"nodeTemplate": template}}}

    result = sandbox.one("snapshots", snapshot, config={"modelsRuntime": [runtime]})

    assert result.status is CheckStatus.FAILED
    assert result.help == "set volumeSize to 200Gi or more"


def test_a_snapshot_that_is_not_there_fails(sandbox: Sandbox) -> None:
    template = {"dataVolume": {"snapshotID": "snap-0123456789abcdef0"}}
    runtime = {**RUNTIME, "extraValues": {"karpenter": {"nodeTemplate": template}}}

    result = sandbox.one("snapshots", "snap-0123456789abcdef0", config={"modelsRuntime": [runtime]})

    assert "does not exist in this region" in result.message


def test_a_snapshot_of_a_shared_node_pool_is_asked_about_once(sandbox: Sandbox) -> None:
    template = {"dataVolume": {"snapshotID": "snap-0123456789abcdef0", "volumeSize": "100Gi"}}
    karpenter = {"nodePool": "shared", "nodeTemplate": template}
    runtimes = [{**RUNTIME, "name": name, "extraValues": {"karpenter": karpenter}} for name in ("a", "b")]

    report = sandbox.run(config={"modelsRuntime": runtimes})

    names = [result.name for result in report.results if result.theme == "snapshots"]
    assert names == ["snap-0123456789abcdef0 for dataVolume of a, b"]


def test_a_refused_call_is_could_not_check_and_never_a_pass(sandbox: Sandbox) -> None:
    sandbox.quotas.denied = {"GetServiceQuota", "cluster-versions"}

    report = sandbox.run()

    quotas = [result for result in report.results if result.theme == "quotas"]
    assert {result.status for result in quotas} == {CheckStatus.UNKNOWN}
    assert report.one("EKS version", "1.35").status is CheckStatus.UNKNOWN
    assert ending(report.results) is Exit.AWS


def test_a_failure_next_to_a_refusal_ends_as_a_failure(sandbox: Sandbox) -> None:
    sandbox.quotas.denied = {"GetServiceQuota"}

    assert ending(sandbox.run(config={"eksVersion": "1.28"}).results) is Exit.CONFIG


@pytest.mark.thorough
def test_without_any_answer_nothing_passes(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("", "_EC2", "_SERVICE_QUOTAS", "_EKS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL{name}", "http://127.0.0.1:9")

    report = sandbox.run()

    assert CheckStatus.PASSED not in {result.status for result in report.results}


def test_a_release_without_an_image_fails_before_a_node_is_awaited(sandbox: Sandbox) -> None:
    sandbox.quotas.no_parameters.add("aws-k8s-1.35-nvidia/x86_64/1.99.0/image_id")
    extra = {"karpenter": {"nodeTemplate": {"amiVersion": "v1.99.0"}}}

    runtimes = [{**RUNTIME, "extraValues": extra}, {**RUNTIME, "name": "other"}]
    report = sandbox.run(config={"modelsRuntime": runtimes})

    missing = report.one("node images", "Bottlerocket 1.99.0")
    assert (missing.status, missing.message) == (
        CheckStatus.FAILED,
        "there is no image with NVIDIA drivers for EKS 1.35 in us-east-1",
    )
    default = Facts(paths.data()).versions("1.35").bottlerocket
    assert report.one("node images", f"Bottlerocket {default}").status is CheckStatus.PASSED
