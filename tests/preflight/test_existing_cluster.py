"""What an existing cluster must have: each answer of AWS judged, and a whole run."""

from dataclasses import replace
from typing import Any

import pytest

from generator.aws.eks import Cluster
from generator.errors import Exit
from generator.preflight import existing_cluster as theme
from generator.preflight.existing_cluster import NodeRole
from generator.preflight.result import CheckStatus, Result, ending
from generator.solution.model import ExistingCluster
from tests.preflight.conftest import RUNTIME, Sandbox

PLATFORM = ExistingCluster(
    "platform", "Nodes", auto_mode=False, expire_after="336h", dns_servers=("172.20.0.10",)
)
AUTO = replace(PLATFORM, auto_mode=True)
ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
CLUSTER = Cluster(
    version="1.35",
    status="ACTIVE",
    subnets=(),
    owner=None,
    public_endpoint=True,
    private_endpoint=True,
    logs=(),
    issuer=ISSUER,
    auto_mode=False,
    authentication="API",
)
IN_AUTO_MODE = replace(CLUSTER, auto_mode=True)
CONFIG = {"existingCluster": {"name": "platform", "nodeRole": "Nodes"}}


@pytest.mark.parametrize(
    ("existing", "cluster", "status", "text"),
    [
        (PLATFORM, CLUSTER, CheckStatus.PASSED, "EKS 1.35"),
        (AUTO, IN_AUTO_MODE, CheckStatus.PASSED, "EKS 1.35"),
        (PLATFORM, None, CheckStatus.FAILED, "does not exist"),
        (PLATFORM, replace(CLUSTER, status="UPDATING"), CheckStatus.FAILED, "UPDATING"),
        (PLATFORM, replace(CLUSTER, version="1.33"), CheckStatus.FAILED, "runs EKS 1.33, not 1.35"),
        (AUTO, CLUSTER, CheckStatus.FAILED, "Auto Mode is not on"),
        (PLATFORM, IN_AUTO_MODE, CheckStatus.WARNING, "it has EKS Auto Mode"),
    ],
)
def test_a_cluster_is_judged(
    existing: ExistingCluster, cluster: Cluster | None, status: CheckStatus, text: str
) -> None:
    [result] = theme.judge("1.35", existing, cluster)

    assert result.status is status
    assert text in result.message
    assert bool(result.help) is (status is not CheckStatus.PASSED)


@pytest.mark.parametrize(
    ("version", "status"),
    [
        (None, CheckStatus.NOT_ASKED),
        ("v1.14.1-eksbuild.1", CheckStatus.FAILED),
        ("v1.15.0-eksbuild.1", CheckStatus.WARNING),
        ("v2.7.0-eksbuild.1", CheckStatus.PASSED),
    ],
)
def test_a_csi_driver_is_judged_by_its_version(version: str | None, status: CheckStatus) -> None:
    [result] = theme.judge_csi("driver", version)

    assert result.status is status


@pytest.mark.parametrize(
    ("existing", "role", "status"),
    [
        (PLATFORM, NodeRole(exists=False), CheckStatus.FAILED),
        (PLATFORM, NodeRole(True, "EC2_LINUX"), CheckStatus.PASSED),
        (PLATFORM, NodeRole(True, "EC2"), CheckStatus.FAILED),
        (PLATFORM, NodeRole(True, "", by_config_map=True), CheckStatus.WARNING),
        (PLATFORM, NodeRole(True), CheckStatus.FAILED),
        (AUTO, NodeRole(True, "EC2"), CheckStatus.PASSED),
        (AUTO, NodeRole(True, "EC2_LINUX"), CheckStatus.FAILED),
        (AUTO, NodeRole(True, "", by_config_map=True), CheckStatus.FAILED),
    ],
)
def test_a_role_of_nodes_is_judged_by_its_access_entry(
    existing: ExistingCluster, role: NodeRole, status: CheckStatus
) -> None:
    [result] = theme.judge_role("node role Nodes", "Nodes", existing, role)

    assert result.status is status
    assert bool(result.help) is (status is not CheckStatus.PASSED)


def test_no_agent_no_issuer_and_no_subnet_fail_with_their_fix() -> None:
    results = [
        *theme.judge_agent("eks-pod-identity-agent", None),
        *theme.judge_provider("OIDC provider", "platform", None),
        *theme.judge_subnets("subnets", "platform", 0),
    ]

    assert {result.status for result in results} == {CheckStatus.FAILED}
    assert all(result.help for result in results)


@pytest.mark.parametrize(
    ("existing", "fields", "opened", "status", "text"),
    [
        (PLATFORM, {"services": "10.9.0.0/16"}, (), CheckStatus.PASSED, "in pods"),
        (AUTO, {"services": "172.20.0.0/16"}, (), CheckStatus.PASSED, "172.20.0.10"),
        (AUTO, {"services": "10.9.0.0/16"}, (), CheckStatus.FAILED, "10.9.0.10, which is closed to a"),
        (AUTO, {"services": "10.9.0.0/16"}, ("10.9.0.10",), CheckStatus.PASSED, "10.9.0.10"),
        (AUTO, {"services": "10.9.4.0/22"}, ("10.9.0.10",), CheckStatus.FAILED, "10.9.4.10"),
        (AUTO, {}, (), CheckStatus.PASSED, "in pods"),
        (PLATFORM, {"ip_family": "ipv6"}, (), CheckStatus.WARNING, "IPv6"),
        (AUTO, {"ip_family": "ipv6"}, (), CheckStatus.WARNING, "IPv6"),
    ],
)
def test_network_policies_must_open_the_dns_of_the_cluster(
    existing: ExistingCluster, fields: dict[str, str], opened: tuple[str, ...], status: CheckStatus, text: str
) -> None:
    cluster = replace(CLUSTER, **fields)  # type: ignore[arg-type]

    [result] = theme.judge_policies("network policies", existing, {"a": opened}, cluster)

    assert (result.status, text in result.message) == (status, True)
    assert bool(result.help) is (status is not CheckStatus.PASSED)


def test_dns_servers_of_the_config_are_compared_with_the_services_of_the_cluster(ready: Sandbox) -> None:
    services = {"serviceIpv4Cidr": "10.9.0.0/16", "ipFamily": "ipv4"}
    ready.quotas.cluster_fields |= {
        "kubernetesNetworkConfig": services,
        "computeConfig": {"enabled": True},
    }
    auto = {"existingCluster": {**CONFIG["existingCluster"], "autoMode": True}}

    def status(policy: dict[str, Any]) -> CheckStatus | None:
        runtime = {**RUNTIME, "extraValues": {"runtime": {"networkPolicy": policy}}}
        results = ready.run(config={**auto, "modelsRuntime": [runtime]}).results
        return of_cluster(results).get("network policies")

    assert status({}) is CheckStatus.FAILED
    assert status({"egress": {"dnsServers": ["10.9.0.10"]}}) is CheckStatus.PASSED
    assert status({"enabled": False}) is None


@pytest.fixture
def ready(sandbox: Sandbox) -> Sandbox:
    """An account with a cluster that has all that it needs."""
    sandbox.quotas.clusters["platform"] = "1.35"
    sandbox.quotas.foreign_clusters.add("platform")
    sandbox.quotas.cluster_fields |= {
        "identity": {"oidc": {"issuer": f"https://{ISSUER}"}},
        "accessConfig": {"authenticationMode": "API"},
    }
    sandbox.quotas.addons["aws-mountpoint-s3-csi-driver"] = "v2.7.0-eksbuild.1"
    sandbox.quotas.addons["eks-pod-identity-agent"] = "v1.3.9-eksbuild.1"
    iam = sandbox.client("iam")
    trust = '{"Version":"2012-10-17","Statement":[]}'
    role = iam.create_role(RoleName="Nodes", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    sandbox.quotas.access_entries[role] = "EC2_LINUX"
    iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ThumbprintList=["0" * 40])
    tag(sandbox, "platform")
    return sandbox


def tag(sandbox: Sandbox, cluster: str) -> None:
    """Give one subnet the tags by which nodes find theirs."""
    subnet = sandbox.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    tags = {"karpenter.sh/discovery": cluster, "kubernetes.io/role/internal-elb": "1"}
    sandbox.ec2.create_tags(
        Resources=[subnet], Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
    )


def of_cluster(results: list[Result]) -> dict[str, CheckStatus]:
    return {result.name: result.status for result in results if result.theme == theme.THEME}


@pytest.mark.parametrize("pod_identity", [False, True], ids=["IRSA", "Pod Identity"])
def test_a_ready_cluster_passes_every_check(ready: Sandbox, pod_identity: bool) -> None:
    report = ready.run(config={**CONFIG, "podIdentity": pod_identity})

    assert report.not_passed() == []
    assert set(of_cluster(report.results)) == {
        "platform",
        "aws-mountpoint-s3-csi-driver",
        "node role Nodes",
        "network policies",
        "subnets",
        "eks-pod-identity-agent" if pod_identity else "OIDC provider",
    }
    assert ending(report.results) is Exit.DONE


@pytest.mark.thorough
def test_neither_network_nor_controllers_of_a_new_cluster_are_asked_about(ready: Sandbox) -> None:
    results = ready.run(config=CONFIG).results

    assert not {result.theme for result in results} & {"EKS version"}
    names = " ".join(result.name for result in results)
    assert "karpenter" not in names
    assert "zones" not in [result.name for result in results]
    assert not any(word in names for word in ("Elastic IPs", "VPCs per Region", "NAT gateways"))


@pytest.mark.thorough
def test_a_cluster_that_does_not_exist_fails(sandbox: Sandbox) -> None:
    statuses = of_cluster(sandbox.run(config=CONFIG).results)

    assert statuses["platform"] is CheckStatus.FAILED


def test_a_cluster_that_lacks_everything_fails_each_check(sandbox: Sandbox) -> None:
    sandbox.quotas.clusters["bare"] = "1.34"
    sandbox.quotas.foreign_clusters.add("bare")

    config = {"existingCluster": {"name": "bare", "nodeRole": "Absent"}}
    assert of_cluster(sandbox.run(config=config).results) == {
        "bare": CheckStatus.FAILED,
        "OIDC provider": CheckStatus.FAILED,
        "network policies": CheckStatus.PASSED,
        "aws-mountpoint-s3-csi-driver": CheckStatus.NOT_ASKED,
        "node role Absent": CheckStatus.FAILED,
        "subnets": CheckStatus.FAILED,
    }


def test_a_denied_question_is_not_a_pass(ready: Sandbox) -> None:
    ready.quotas.denied.add("clusters")

    report = ready.run(config=CONFIG)

    statuses: dict[str, Any] = of_cluster(report.results)
    assert statuses["platform"] is CheckStatus.UNKNOWN
    assert statuses["node role Nodes"] is CheckStatus.UNKNOWN
    assert ending(report.results) is Exit.AWS
