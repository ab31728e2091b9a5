"""Each row of the table of EKS versions: what is generated for it fits what is installed with it."""

import functools
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from generator import paths, yaml_loader
from generator.build import cluster, files
from generator.build import values as chart_values
from generator.deploy import chart_deps, charts, helm
from generator.facts import versions
from generator.facts.facts import Facts
from generator.iam import karpenter
from generator.images import images
from generator.solution.context import Context
from generator.solution.model import Solution
from testing import kubernetes, solving

FACTS = Facts(paths.data())
ROOT = paths.root()
ROWS = pytest.mark.parametrize("eks", FACTS.eks_versions())
BUILT_IN = {"v1", "apps/v1", "networking.k8s.io/v1", "policy/v1"}

# What NodePools may not carry as labels or requirements: keys of the platform's own domains.
# https://github.com/aws/karpenter-provider-aws/blob/v1.8.8/pkg/apis/crds/karpenter.sh_nodepools.yaml
RESTRICTED = ("kubernetes.io", "k8s.io", "karpenter.sh")
ALLOWED = {
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "karpenter.sh/capacity-type",
}


@functools.cache
def solution(eks: str) -> Solution:
    """A static SD WebUI and a ComfyUI with everything that may differ between versions."""
    data = {
        "stackName": "demo",
        "eksVersion": eks,
        "modelBucketArn": "arn:aws:s3:::models",
        "modelsRuntime": [
            {"name": "turbo", "type": "sdwebui", "modelFilename": "m.safetensors"},
            {"name": "graphs", "type": "comfyui", "extraValues": {"runtime": {"labels": {"team": "art"}}}},
        ],
    }
    return solving.solution(data, Context("us-west-2", "123456789012", date(2026, 11, 22)))


@functools.cache
def manifests(eks: str) -> tuple[dict[str, Any], ...]:
    """What Helm makes of it for that Kubernetes."""
    chart = charts.folder(files.RUNTIMES_ALONE, eks)
    text = helm.template("demo", chart, eks, chart_values.runtimes_alone(solution(eks)))
    return tuple(document for document in yaml_loader.load_all(text) if document)


def of(eks: str, kind: str) -> Iterator[dict[str, Any]]:
    return (document for document in manifests(eks) if document["kind"] == kind)


@pytest.mark.thorough
@ROWS
def test_one_line_of_the_config_switches_every_version(eks: str) -> None:
    row = solution(eks).versions
    text = (ROOT / "charts" / "sd-on-eks" / "Chart.yaml").read_text("utf-8")
    chart = yaml_loader.load(chart_deps.pinned(text, chart_deps.chart_versions(FACTS.versions(eks))))
    pinned = {dependency["name"]: dependency["version"] for dependency in chart["dependencies"]}
    config = yaml_loader.load(cluster.files(solution(eks))["cluster.yaml"])

    assert config["metadata"]["version"] == eks
    assert pinned["karpenter"] == row.karpenter
    assert pinned["keda"] == row.keda_chart
    assert pinned["aws-mountpoint-s3-csi-driver"] == row.s3_csi
    aliases = {node["spec"]["amiSelectorTerms"][0]["alias"] for node in of(eks, "EC2NodeClass")}
    assert aliases == {f"bottlerocket@v{row.bottlerocket}"}


@ROWS
def test_the_charts_are_pulled_into_the_folder_that_is_installed(eks: str) -> None:
    text = (ROOT / "charts" / "sd-on-eks" / "Chart.yaml").read_text("utf-8")
    in_place = chart_deps.pinned(text, chart_deps.chart_versions(FACTS.versions(eks))) == text

    assert in_place == (charts.folder(files.UMBRELLA, eks) == ROOT / "charts" / "sd-on-eks")


@pytest.mark.thorough
@ROWS
def test_what_kubernetes_itself_knows_is_valid_in_its_version(eks: str) -> None:
    built_in = [document for document in manifests(eks) if document["apiVersion"] in BUILT_IN]

    assert {"Deployment", "ConfigMap", "NetworkPolicy"} <= {document["kind"] for document in built_in}
    for document in built_in:
        kubernetes.check(document, eks)


@ROWS
def test_nodes_carry_no_label_or_requirement_that_karpenter_refuses(eks: str) -> None:
    for pool in of(eks, "NodePool"):
        template = pool["spec"]["template"]
        keys = [*template.get("metadata", {}).get("labels", {})]
        keys += [requirement["key"] for requirement in template["spec"]["requirements"]]
        for key in keys:
            domain = key.rpartition("/")[0]
            restricted = any(domain == reserved or domain.endswith(f".{reserved}") for reserved in RESTRICTED)
            assert key in ALLOWED or not restricted or domain == "karpenter.k8s.aws", key


@ROWS
def test_requirements_use_operators_that_this_karpenter_has(eks: str) -> None:
    operators = {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"}
    if versions.parse(solution(eks).versions.karpenter) >= (1, 14):
        operators |= {"Gte", "Lte"}

    used = {
        requirement["operator"]
        for pool in of(eks, "NodePool")
        for requirement in pool["spec"]["template"]["spec"]["requirements"]
    }
    assert used <= operators


@ROWS
def test_the_disruption_policy_is_one_that_this_karpenter_has(eks: str) -> None:
    for pool in of(eks, "NodePool"):
        disruption = pool["spec"]["disruption"]
        assert disruption["consolidationPolicy"] in {"WhenEmpty", "WhenEmptyOrUnderutilized"}
        assert "consolidateAfter" in disruption


@ROWS
def test_pods_use_nothing_that_came_after_1_28(eks: str) -> None:
    # One chart serves every row, so that an upgrade of the cluster changes no pod.
    for deployment in of(eks, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        for container in pod.get("initContainers", []):
            assert "restartPolicy" not in container  # native sidecars: 1.29
        for container in pod["containers"]:
            assert "sleep" not in container.get("lifecycle", {}).get("preStop", {})  # 1.29


@ROWS
def test_scaled_objects_name_no_fallback(eks: str) -> None:
    # Up to KEDA 2.16 a fallback takes over at the first error already, down too.
    for scaled in of(eks, "ScaledObject"):
        assert "fallback" not in scaled["spec"]
        assert all(isinstance(value, str) for value in scaled["spec"]["triggers"][0]["metadata"].values())


@ROWS
def test_volumes_say_their_region_and_leave_caching_to_the_driver(eks: str) -> None:
    # Version 2 of the driver mounts in pods, which may not ask the instance for its region (hop limit 1), and
    # takes a cache as a volume attribute only.
    for volume in of(eks, "PersistentVolume"):
        options = volume["spec"]["mountOptions"]
        assert "region us-west-2" in options
        assert "read-only" in options
        assert not any(option.startswith("cache") for option in options)


@ROWS
def test_karpenters_policy_has_what_its_version_asks_for(eks: str) -> None:
    version = versions.parse(solution(eks).versions.karpenter)
    actions = {
        action
        for statement in karpenter.controller(solution(eks))["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }

    assert "iam:ListInstanceProfiles" in actions  # asked for since 1.7
    assert ("ec2:DescribePlacementGroups" in actions) == (version >= (1, 11))
    assert ("ec2:DescribeInstanceStatus" in actions) == (version >= (1, 12))


@ROWS
def test_the_images_of_the_row_are_known(eks: str) -> None:
    assert solution(eks).versions.s3_csi in images.S3_CSI_SIDECARS


def test_an_upgrade_of_the_cluster_changes_no_pod() -> None:
    def pods(eks: str) -> list[dict[str, Any]]:
        return [deployment["spec"]["template"] for deployment in of(eks, "Deployment")]

    assert pods("1.28") == pods("1.36")
