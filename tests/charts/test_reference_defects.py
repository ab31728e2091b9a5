"""What was wrong in the reference system's chart (v1.2.0) and must not come back here, one test for each.

The numbers are those of the list of defects; what is missing concerns its CDK code, its agent or its API.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from generator import yaml_loader

from .conftest import ROOT, RUNTIMES, TYPES, HelmError, Objects, Render, merged, nested

SNAPSHOT = "snap-0123456789abcdef0"


@pytest.mark.parametrize("value", [True, False])
def test_01_counting_running_tasks_is_said_where_keda_reads_it(render: Render, value: bool) -> None:
    spec = render(one=nested("runtime.scaling.scaleOnInFlight", value))["ScaledObject/one"]["spec"]
    assert "scaleOnInFlight" not in spec
    assert spec["triggers"][0]["metadata"]["scaleOnInFlight"] == str(value).lower()


@pytest.mark.parametrize(("part", "container"), [("inferenceApi", "runtime"), ("queueAgent", "queue-agent")])
def test_02_extra_variables_become_variables(render: Render, part: str, container: str) -> None:
    rendered = render(one=nested(f"runtime.{part}.extraEnv", {"FOO": "bar"}))
    assert rendered.env("one", container)["FOO"] == "bar"
    assert "FOO" not in rendered.container("one", container)


def test_03_comfyui_gets_its_arguments(render: Render) -> None:
    rendered = render(
        one=merged(TYPES["comfy"], nested("runtime.inferenceApi.commandArguments", "--lowvram"))
    )
    assert rendered.env("one")["EXTRA_CMD_ARG"] == "--lowvram"
    assert "$EXTRA_CMD_ARG" in rendered.container("one", "runtime")["command"][-1]


def test_04_no_two_volumes_share_a_handle(types: Objects) -> None:
    handles = {item["spec"]["csi"]["volumeHandle"] for item in types.kinds("PersistentVolume")}
    assert len(handles) == len(TYPES)


def test_05_a_claim_can_bind_its_own_volume_alone(types: Objects) -> None:
    volume = types["PersistentVolume/demo-static"]["spec"]
    assert volume["claimRef"] == {"namespace": "default", "name": "static-models"}
    assert types["PersistentVolumeClaim/static-models"]["spec"]["volumeName"] == "demo-static"


@pytest.mark.parametrize("storage_class", ["", "-", None, "gp3"])
def test_06_the_default_storage_class_never_takes_the_models_claim(
    render: Render, storage_class: Any
) -> None:
    rendered = render(one=nested("runtime.persistence.storageClass", storage_class))
    assert rendered["PersistentVolumeClaim/one-models"]["spec"]["storageClassName"] == ""


def test_07_the_claim_says_its_namespace(render: Render) -> None:
    rendered = render(one={"namespace": "pictures"})
    assert rendered["PersistentVolumeClaim/one-models"]["metadata"]["namespace"] == "pictures"


def test_08_no_pod_can_delete_models(types: Objects) -> None:
    options = types["PersistentVolume/demo-static"]["spec"]["mountOptions"]
    assert "read-only" in options
    assert "region us-west-2" in options
    assert not [item for item in options if "delete" in item or "777" in item]


def test_09_cluster_scoped_names_hold_the_solution_not_the_release(types: Objects) -> None:
    cluster = [*types.kinds("NodePool"), *types.kinds("EC2NodeClass"), *types.kinds("PersistentVolume")]
    assert {item["metadata"]["name"] for item in cluster} == {f"demo-{name}" for name in TYPES}


def test_10_no_name_grows_past_what_labels_take(render: Render) -> None:
    longest = "r" + "x" * 38 + "z"
    rendered = render({"global": {"stackName": "s" * 22}}, **{longest: {}})
    assert max(len(key.split("/")[1]) for key in rendered) == 63
    hpa = f"keda-hpa-{rendered.kinds('ScaledObject')[0]['metadata']['name']}"
    assert len(hpa) <= 63
    with pytest.raises(HelmError, match="by 1"):
        render({"global": {"stackName": "s" * 23}}, **{longest: {}})


def test_11_the_ami_is_pinned(types: Objects) -> None:
    assert types["EC2NodeClass/demo-static"]["spec"]["amiSelectorTerms"] == [
        {"alias": "bottlerocket@v1.51.0"}
    ]


def test_12_nodes_are_found_by_tags_that_eksctl_sets(render: Render) -> None:
    selectors = {"subnetSelector": {"a": "b"}, "securityGroupSelector": {"c": "d"}}
    default = render(one={})["EC2NodeClass/demo-one"]["spec"]
    configured = render(one={"karpenter": {"nodeTemplate": selectors}})["EC2NodeClass/demo-one"]["spec"]
    assert "cdk" not in str(default)
    assert configured["subnetSelectorTerms"] == [{"tags": {"a": "b"}}]
    assert configured["securityGroupSelectorTerms"] == [{"tags": {"c": "d"}}]
    with pytest.raises(HelmError, match="iamRole is empty"):
        render(one=nested("karpenter.nodeTemplate.iamRole", ""))


def test_13_instance_disks_are_set_up_once_and_asked_for(types: Objects) -> None:
    spec = types["EC2NodeClass/demo-static"]["spec"]
    assert spec["instanceStorePolicy"] == "RAID0"
    assert "ephemeral-storage" not in spec["userData"]
    requirements = types["NodePool/demo-static"]["spec"]["template"]["spec"]["requirements"]
    requirement = {"key": "karpenter.k8s.aws/instance-local-nvme", "operator": "Gt", "values": ["0"]}
    assert requirement in requirements


def test_14_both_volumes_are_said_and_encrypted(types: Objects) -> None:
    mappings = types["EC2NodeClass/demo-static"]["spec"]["blockDeviceMappings"]
    assert [item["deviceName"] for item in mappings] == ["/dev/xvda", "/dev/xvdb"]
    assert all(item["ebs"]["encrypted"] is True for item in mappings)


def test_15_no_capacity_type_is_refused_before_the_cluster_sees_it(render: Render) -> None:
    off = nested("karpenter.provisioner.capacityType", {"spot": False, "onDemand": False})
    with pytest.raises(HelmError, match="turn one on"):
        render(one=off)


def test_16_running_tasks_are_not_moved_to_save_money(types: Objects) -> None:
    pool = types["NodePool/demo-static"]["spec"]
    assert pool["disruption"]["consolidationPolicy"] == "WhenEmpty"
    assert pool["disruption"]["budgets"]
    assert pool["template"]["spec"]["terminationGracePeriod"]
    keys = {item["key"] for item in pool["template"]["spec"]["requirements"]}
    assert {"kubernetes.io/arch", "kubernetes.io/os"} <= keys


@pytest.mark.parametrize("name", TYPES)
def test_17_a_task_ends_before_its_runtime_does(types: Objects, name: str) -> None:
    timeout = int(types.agent(name)["TASK_TIMEOUT_SECONDS"])
    assert types.pod(name)["terminationGracePeriodSeconds"] > timeout
    runtime = types.container(name, "runtime")
    assert {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"} <= runtime.keys()
    assert {"livenessProbe", "readinessProbe"} <= types.container(name, "queue-agent").keys()


@pytest.mark.parametrize("name", TYPES)
def test_19_a_model_may_take_half_an_hour_to_load(types: Objects, name: str) -> None:
    probe = types.container(name, "runtime")["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 1800


def test_23_an_upgrade_leaves_the_number_of_pods_alone(types: Objects) -> None:
    for item in types.kinds("Deployment"):
        assert "replicas" not in item["spec"]
        assert item["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0


def test_24_a_changed_setting_rolls_the_pods(with_value: Callable[..., Objects]) -> None:
    def template(attempts: int) -> Any:
        rendered = with_value("runtime.queueAgent.maxAttempts", attempts)
        return rendered["Deployment/one"]["spec"]["template"]["metadata"]["annotations"]["checksum/agent"]

    assert template(2) != template(3)


def test_25_keda_uses_the_identity_that_stays(types: Objects) -> None:
    assert types["TriggerAuthentication/static"]["spec"] == {"podIdentity": {"provider": "aws"}}
    assert "identityOwner" not in str(types["ScaledObject/static"])


def test_31_every_helper_is_used() -> None:
    texts = {
        file: file.read_text(encoding="utf-8")
        for file in (ROOT / "charts").rglob("templates/**/*")
        if file.is_file()
    }
    joined = "".join(texts.values())
    for text in texts.values():
        for line in text.splitlines():
            if line.startswith("{{- define "):
                name = line.split('"')[1]
                assert joined.count(f'include "{name}"') >= 1, f"nobody includes {name}"


def test_32_a_typing_error_never_reaches_the_cluster(render: Render) -> None:
    with pytest.raises(HelmError, match="Additional property repository is not allowed"):
        render(one=nested("runtime.queueAgent.repository", "x"))


def test_34_images_are_pinned_and_sidecars_have_limits(render: Render) -> None:
    traced = nested("runtime.queueAgent.xray.enabled", True)
    rendered = render(**{name: merged(entry, traced) for name, entry in TYPES.items()})
    for name in TYPES:
        for container in rendered.pod(name)["containers"]:
            assert not container["image"].endswith((":latest", ":"))
            assert container["resources"]["requests"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


# Every key of its chart that a user's `extraValues` may hold.
KEYS = yaml_loader.load("""
karpenter.provisioner: [
  labels, capacityType, instanceType, extraRequirements, extraTaints, resourceLimits, consolidation,
  disruption]
karpenter.nodeTemplate: [
  iamRole, securityGroupSelector, subnetSelector, tags, amiFamily, instanceStorePolicy, osVolume, dataVolume,
  userData]
runtime: [
  type, labels, annotations, serviceAccountName, replicas, scaling, inferenceApi, queueAgent, persistence]
runtime.scaling: [
  enabled, queueLength, cooldownPeriod, maxReplicaCount, minReplicaCount, pollingInterval, scaleOnInFlight,
  extraHPAConfig]
runtime.inferenceApi: [
  image, modelFilename, modelMountPath, commandArguments, extraEnv, imagePullPolicy, resources]
runtime.queueAgent: [
  image, extraEnv, dynamicModel, imagePullPolicy, s3Bucket, snsTopicArn, sqsQueueUrl, resources, xray, XRay]
runtime.persistence: [
  enabled, existingClaim, existingVolume, labels, annotations, storageClass, size, accessModes, s3]
""")


@pytest.mark.parametrize("path", KEYS)
def test_the_reference_systems_keys_are_taken(path: str) -> None:
    node = {"properties": json.loads((RUNTIMES / "values.schema.json").read_text())["definitions"]}
    for step in path.split("."):
        node = node["properties"][step]
    assert set(KEYS[path]) <= node["properties"].keys()


def test_the_image_cache_snapshot_is_used(with_value: Callable[..., Objects]) -> None:
    """#29 is about the role that may not read it; #13 and #14 about disks that would hide it."""
    rendered = with_value("karpenter.nodeTemplate.dataVolume.snapshotID", SNAPSHOT)
    spec = rendered["EC2NodeClass/demo-one"]["spec"]
    assert spec["blockDeviceMappings"][1]["ebs"]["snapshotID"] == SNAPSHOT
    assert "instanceStorePolicy" not in spec
