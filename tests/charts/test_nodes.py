"""GPU nodes: what they may be, what is on them, when they go."""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Objects, Render

SNAPSHOT = "snap-0123456789abcdef0"


def pool(objects: Objects) -> dict[str, Any]:
    return objects["NodePool/demo-one"]["spec"]


def requirements(objects: Objects) -> dict[str, tuple[str, list[str]]]:
    return {
        requirement["key"]: (requirement["operator"], requirement.get("values", []))
        for requirement in pool(objects)["template"]["spec"]["requirements"]
    }


def volumes(objects: Objects) -> dict[str, dict[str, Any]]:
    mappings = objects.node_class("one")["blockDeviceMappings"]
    return {mapping["deviceName"]: mapping["ebs"] for mapping in mappings}


def test_a_node_is_an_x86_linux_with_nvme_disks(render: Render) -> None:
    assert requirements(render(one={})) == {
        "kubernetes.io/arch": ("In", ["amd64"]),
        "kubernetes.io/os": ("In", ["linux"]),
        "karpenter.sh/capacity-type": ("In", ["spot", "on-demand"]),
        "node.kubernetes.io/instance-type": ("In", ["g5.xlarge", "g5.2xlarge", "g6.xlarge", "g6.2xlarge"]),
        "karpenter.k8s.aws/instance-local-nvme": ("Gt", ["0"]),
    }


@pytest.mark.parametrize(("off", "remaining"), [("spot", "on-demand"), ("onDemand", "spot")])
def test_a_capacity_type_can_be_turned_off(
    with_value: Callable[..., Objects], off: str, remaining: str
) -> None:
    rendered = with_value(f"karpenter.provisioner.capacityType.{off}", False)
    assert requirements(rendered)["karpenter.sh/capacity-type"] == ("In", [remaining])


RESERVATIONS = [{"id": "cr-0123456789abcdef0"}, {"tags": {"team": "art"}, "ownerID": "210987654321"}]
TERMS = "karpenter.nodeTemplate.capacityReservationSelectorTerms"


def test_nodes_use_reservations_before_other_capacity(with_value: Callable[..., Objects]) -> None:
    rendered = with_value(TERMS, RESERVATIONS)
    capacity = requirements(rendered)["karpenter.sh/capacity-type"]
    assert capacity == ("In", ["reserved", "spot", "on-demand"])
    assert rendered.node_class("one")["capacityReservationSelectorTerms"] == RESERVATIONS


def test_nodes_may_use_reservations_only(with_value: Callable[..., Objects]) -> None:
    off = {"karpenter": {"provisioner": {"capacityType": {"spot": False, "onDemand": False}}}}
    rendered = with_value(TERMS, RESERVATIONS, **off)
    assert requirements(rendered)["karpenter.sh/capacity-type"] == ("In", ["reserved"])


def test_no_node_is_in_a_reservation_that_is_not_selected(render: Render) -> None:
    assert "capacityReservationSelectorTerms" not in render(one={}).node_class("one")


@pytest.mark.parametrize(("volume", "device"), [("osVolume", "/dev/xvda"), ("dataVolume", "/dev/xvdb")])
def test_a_snapshot_is_loaded_at_the_rate_that_is_paid_for(
    with_value: Callable[..., Objects], volume: str, device: str
) -> None:
    values = {"snapshotID": SNAPSHOT, "volumeInitializationRate": 300}
    rendered = with_value(f"karpenter.nodeTemplate.{volume}", values)
    rates = {name: ebs.get("volumeInitializationRate") for name, ebs in volumes(rendered).items()}
    assert rates == {"/dev/xvda": None, "/dev/xvdb": None, device: 300}


def test_volumes_are_encrypted_with_the_key_of_the_solution(render: Render) -> None:
    key = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    encrypted = volumes(render({"global": {"volumeKmsKeyArn": key}}, one={}))
    assert {ebs["kmsKeyID"] for ebs in encrypted.values()} == {key}
    assert all(ebs["encrypted"] is True and "kmsKeyID" not in ebs for ebs in volumes(render(one={})).values())


def test_more_requirements_and_their_numbers_are_strings(with_value: Callable[..., Objects]) -> None:
    extra = [
        {"key": "karpenter.k8s.aws/instance-gpu-memory", "operator": "Gt", "values": ["22000"]},
        {"key": "example.com/team", "operator": "Exists"},
        {
            "key": "karpenter.k8s.aws/instance-family",
            "operator": "In",
            "values": ["g5", "g6"],
            "minValues": 2,
        },
    ]
    rendered = with_value("karpenter.provisioner.extraRequirements", extra)
    assert pool(rendered)["template"]["spec"]["requirements"][-3:] == extra


def test_other_pods_stay_off_the_gpu_nodes(render: Render) -> None:
    assert pool(render(one={}))["template"]["spec"]["taints"] == [
        {"key": "nvidia.com/gpu", "effect": "NoSchedule"},
        {"key": "runtime", "value": "one", "effect": "NoSchedule"},
    ]


def test_only_empty_nodes_go_to_save_money(render: Render) -> None:
    rendered = render(one={})
    assert pool(rendered)["disruption"] == {
        "consolidationPolicy": "WhenEmpty",
        "consolidateAfter": "0s",
        "budgets": [
            {"nodes": "100%", "reasons": ["Empty"]},
            {"nodes": "1", "reasons": ["Drifted", "Underutilized"]},
        ],
    }


def test_consolidation_moves_pods_when_the_user_wants_it(with_value: Callable[..., Objects]) -> None:
    rendered = with_value("karpenter.provisioner.consolidation", True)
    assert pool(rendered)["disruption"]["consolidationPolicy"] == "WhenEmptyOrUnderutilized"


def test_karpenter_may_evict_pods_from_a_spot_node_that_is_about_to_end(types: Objects) -> None:
    for pod in types.kinds("Deployment"):
        annotations = pod["spec"]["template"]["metadata"]["annotations"]
        assert "karpenter.sh/do-not-disrupt" not in annotations


@pytest.mark.parametrize("seconds", [10, 1800, 43140])
def test_a_draining_node_waits_longer_than_its_pods(with_value: Callable[..., Objects], seconds: int) -> None:
    rendered = with_value("runtime.queueAgent.taskTimeoutSeconds", seconds)
    node = int(pool(rendered)["template"]["spec"]["terminationGracePeriod"].removesuffix("s"))
    assert node > rendered.pod("one")["terminationGracePeriodSeconds"]


def test_node_age_and_limits_are_the_users(render: Render) -> None:
    provisioner = {
        "disruption": {"consolidateAfter": "1h", "expireAfter": "Never"},
        "resourceLimits": {"nvidia.com/gpu": 8, "cpu": 64},
    }
    spec = pool(render(one={"karpenter": {"provisioner": provisioner}}))
    assert spec["disruption"]["consolidateAfter"] == "1h"
    assert spec["template"]["spec"]["expireAfter"] == "Never"
    assert spec["limits"] == {"nvidia.com/gpu": "8", "cpu": "64"}


def test_node_labels_are_the_users_alone(render: Render) -> None:
    assert "metadata" not in pool(render(one={}))["template"]
    labels = {"labels": {"team": "art"}, "annotations": {"note": "x"}}
    spec = pool(render(one={"karpenter": {"provisioner": labels}}))
    assert spec["template"]["metadata"] == labels


@pytest.mark.parametrize(
    ("version", "alias"),
    [
        ("1.51.0", "bottlerocket@v1.51.0"),
        ("v1.50.0", "bottlerocket@v1.50.0"),
        ("latest", "bottlerocket@latest"),
    ],
)
def test_the_ami_is_the_one_asked_for(with_value: Callable[..., Objects], version: str, alias: str) -> None:
    rendered = with_value("karpenter.nodeTemplate.amiVersion", version)
    assert rendered.node_class("one")["amiSelectorTerms"] == [{"alias": alias}]


def test_nodes_are_in_private_subnets_with_the_clusters_security_group(render: Render) -> None:
    spec = render(one={}).node_class("one")
    assert spec["subnetSelectorTerms"] == [
        {"tags": {"karpenter.sh/discovery": "demo", "kubernetes.io/role/internal-elb": "1"}}
    ]
    assert spec["securityGroupSelectorTerms"] == [{"tags": {"aws:eks:cluster-name": "demo"}}]


def test_selectors_of_the_user_take_the_place_of_ours(render: Render) -> None:
    selectors = {"subnetSelector": {"net": "gpu"}, "securityGroupSelector": {"sg": "gpu"}}
    spec = render(one={"karpenter": {"nodeTemplate": selectors}}).node_class("one")
    assert spec["subnetSelectorTerms"] == [{"tags": {"net": "gpu"}}]
    assert spec["securityGroupSelectorTerms"] == [{"tags": {"sg": "gpu"}}]


def test_pods_cannot_ask_for_the_nodes_credentials(render: Render) -> None:
    options = render(one={}).node_class("one")["metadataOptions"]
    assert (options["httpTokens"], options["httpPutResponseHopLimit"]) == ("required", 1)


def test_both_volumes_are_there_and_encrypted(render: Render) -> None:
    devices = volumes(render(one={}))
    assert list(devices) == ["/dev/xvda", "/dev/xvdb"]
    assert all(volume["encrypted"] for volume in devices.values())
    assert [volume["volumeSize"] for volume in devices.values()] == ["10Gi", "100Gi"]


def test_volumes_are_as_the_user_says(render: Render) -> None:
    volume = {
        "volumeSize": "200Gi",
        "volumeType": "io2",
        "deleteOnTermination": False,
        "iops": 5000,
        "throughput": None,
    }
    devices = volumes(render(one={"karpenter": {"nodeTemplate": {"dataVolume": volume}}}))
    assert devices["/dev/xvdb"] == {
        "encrypted": True,
        "volumeSize": "200Gi",
        "volumeType": "io2",
        "deleteOnTermination": False,
        "iops": 5000,
    }


def test_an_image_cache_is_not_hidden_by_the_nvme_disks(with_value: Callable[..., Objects]) -> None:
    rendered = with_value("karpenter.nodeTemplate.dataVolume.snapshotID", SNAPSHOT)
    volume = volumes(rendered)["/dev/xvdb"]
    assert (volume["snapshotID"], volume["volumeSize"]) == (SNAPSHOT, "100Gi")
    assert "instanceStorePolicy" not in rendered.node_class("one")
    assert "karpenter.k8s.aws/instance-local-nvme" not in requirements(rendered)
    assert "soci" not in rendered.node_class("one").get("userData", "")


def test_nvme_disks_are_used_unless_the_user_says_no(
    with_value: Callable[..., Objects], render: Render
) -> None:
    assert render(one={}).node_class("one")["instanceStorePolicy"] == "RAID0"
    rendered = with_value("karpenter.nodeTemplate.instanceStorePolicy", "None")
    assert "instanceStorePolicy" not in rendered.node_class("one")
    assert "karpenter.k8s.aws/instance-local-nvme" not in requirements(rendered)


def test_tags_of_the_runtime_win_over_those_of_the_solution(render: Render) -> None:
    rendered = render(
        {"global": {"tags": {"team": "art", "cost": "1"}}},
        one={"karpenter": {"nodeTemplate": {"tags": {"team": "print"}}}},
    )
    tags = rendered.node_class("one")["tags"]
    assert (tags["team"], tags["cost"], tags["runtime"], tags["stack"]) == ("print", "1", "one", "demo")
