"""The chart's volumes and the controller of the real S3 CSI driver: `make test-csi-driver`."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from generator.solution.model import Solution
from testing.cluster import csi_driver, solutions
from testing.cluster.chart import manifests
from testing.cluster.controlplane import Cluster
from testing.cluster.csi_driver import NAMESPACE

GIB = 2**30
NODE, OTHER_NODE = "node-a", "node-b"
Object = dict[str, Any]


def runtime(name: str, cache: str = "60Gi", **pods: Any) -> Object:
    """A runtime of the shared node pool, with a cache of this size."""
    extra = {"karpenter": {"nodePool": "shared"}, "runtime": {"models": {"cacheSize": cache}, **pods}}
    return {"name": name, "namespace": "cached", "type": "comfyui", "extraValues": extra}


def solution(*runtimes: Object) -> Solution:
    return solutions.of("cached", runtimes, eksVersion="1.35")


EVERY = solution(runtime("first"), runtime("second"), runtime("third", "90Gi"), runtime("plain", ""))


def node(name: str, objects: list[Object]) -> Object:
    """A node as Karpenter would start it for the pool: its label and taints, 4 GPUs, an NVMe disk."""
    [pool] = [item for item in objects if item["kind"] == "NodePool"]
    room = {
        "cpu": "48",
        "memory": "192Gi",
        "ephemeral-storage": "3000Gi",
        "pods": "200",
        "nvidia.com/gpu": "4",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "karpenter.sh/nodepool": pool["metadata"]["name"],
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name,
            },
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": pool["spec"]["template"]["spec"]["taints"]},
        "status": {"allocatable": room, "capacity": room},
    }


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """What `condition` returns, as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not after {seconds} s: {what}"
        time.sleep(0.2)
    return found


class Node:
    """Pods of runtimes on a node, and what the driver made for them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def apply(self, objects: list[Object]) -> None:
        """Apply the chart's objects without pods, except what needs the controllers of Karpenter and KEDA."""
        for item in objects:
            if item["kind"] == "Deployment":
                item["spec"]["replicas"] = 0
        skipped = ("NodePool", "EC2NodeClass", "ScaledObject", "TriggerAuthentication", "DaemonSet")
        csi_driver.apply(self.cluster, [item for item in objects if item["kind"] not in skipped])

    def scale(self, name: str, replicas: int) -> None:
        self.cluster.kubectl("scale", "-n", "cached", f"deployment/{name}", f"--replicas={replicas}")

    def pods(self, name: str) -> list[Object]:
        label = f"app.kubernetes.io/instance={name}"
        return self.cluster.items("pods", "-n", "cached", "-l", label)

    def started(self, name: str, on: str = NODE) -> str:
        """Start a pod of a runtime on a node; its UID. No kubelet runs: the test reports its status."""
        for other in (NODE, OTHER_NODE):
            self.cluster.kubectl("cordon" if other != on else "uncordon", other)
        before = {pod["metadata"]["uid"] for pod in self.pods(name)}
        self.scale(name, len(before) + 1)
        [pod] = until(
            lambda: [
                pod
                for pod in self.pods(name)
                if pod["metadata"]["uid"] not in before and pod["spec"].get("nodeName")
            ],
            f"a new pod of {name} on a node",
        )
        assert pod["spec"]["nodeName"] == on
        uid = str(pod["metadata"]["uid"])
        until(lambda: [one for one in self.attachments() if uid in str(one["spec"])], "the pod is attached")
        self._report(pod, "Running")
        return uid

    def ended(self, name: str) -> None:
        """End all pods of a runtime: their containers have ended, then they are gone."""
        self.scale(name, 0)
        for pod in self.pods(name):
            self._report(pod, "Succeeded")
            uid = str(pod["metadata"]["uid"])
            until(lambda uid=uid: uid not in str(self.readers()), "the pod is detached")
            command = ("delete", "pod", "-n", "cached", pod["metadata"]["name"])
            self.cluster.kubectl(*command, "--force", "--ignore-not-found")
        until(lambda: not self.pods(name), f"no pod of {name} is left")

    def _report(self, pod: Object, phase: str) -> None:
        """Set the status of a pod, as its kubelet does."""
        command = ("patch", "pod", "-n", "cached", pod["metadata"]["name"], "--subresource=status")
        self.cluster.kubectl(*command, "-p", json.dumps({"status": {"phase": phase}}))

    def attachments(self) -> list[Object]:
        """Which pods read through which mount, as the controller tells the driver on the node."""
        return self.cluster.items("mountpoints3podattachments")

    def mounts(self) -> dict[str, Object]:
        """The pods that mount, by name."""
        return {pod["metadata"]["name"]: pod for pod in self.cluster.items("pods", "-n", NAMESPACE)}

    def readers(self) -> dict[str, set[str]]:
        """The UIDs of the pods that read through each mount."""
        return {
            mount: {one["workloadPodUID"] for one in workloads}
            for attachment in self.attachments()
            for mount, workloads in attachment["spec"]["mountpointS3PodAttachments"].items()
        }


@pytest.fixture(scope="module")
def place(control_plane: Cluster) -> Iterator[Node]:
    """A node with room for the pods of three runtimes, of which two have the same mount."""
    objects = manifests(EVERY)
    control_plane.kubectl("create", "namespace", "cached")
    csi_driver.install(control_plane, EVERY)
    csi_driver.start_controller(control_plane)
    nodes = [node(name, objects) for name in (NODE, OTHER_NODE)]
    csi_driver.apply(control_plane, nodes)
    here = Node(control_plane)
    here.apply(objects)
    yield here


@pytest.fixture(autouse=True)
def empty(place: Node) -> Iterator[None]:
    """Each test begins without pods."""
    yield
    for name in ("first", "second", "third", "plain"):
        place.ended(name)
    until(lambda: not place.attachments(), "no attachment is left")
    place.cluster.kubectl("delete", "pods", "-n", NAMESPACE, "--all", "--force")


def test_pods_of_two_runtimes_on_a_node_read_through_one_mount(place: Node) -> None:
    uids = {place.started("first"), place.started("second"), place.started("first")}

    [(mount, readers)] = place.readers().items()
    assert readers == uids
    assert list(place.mounts()) == [mount]


def test_the_mount_has_the_cache_with_its_limit(place: Node) -> None:
    place.started("first")

    [pod] = place.mounts().values()
    [cache] = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "local-cache"]
    assert cache["emptyDir"] == {"sizeLimit": "60Gi"}
    [attachment] = place.attachments()
    options = attachment["spec"]["mountOptions"].split(",")
    assert f"max-cache-size={int(60 * GIB * 0.9) // 2**20}" in options
    assert {"read-only", "allow-other", "uid=1000", "gid=1000", "region us-west-2"} <= set(options)


def test_the_mount_starts_on_the_node_of_its_readers(place: Node) -> None:
    """Our taints do not keep it away, and what the namespace enforces accepts it."""
    place.started("first", on=OTHER_NODE)

    [pod] = until(
        lambda: [pod for pod in place.mounts().values() if pod["spec"].get("nodeName")],
        "the mount has a node",
    )
    assert pod["spec"]["nodeName"] == OTHER_NODE
    assert pod["spec"]["priorityClassName"] == "system-node-critical"
    assert pod["spec"]["preemptionPolicy"] == "PreemptLowerPriority"
    policies = place.cluster.items("networkpolicies", "-A")
    assert policies and not [one for one in policies if one["metadata"]["namespace"] == NAMESPACE]


def test_other_nodes_caches_and_runtimes_without_one_have_other_mounts(place: Node) -> None:
    uids = [place.started(name) for name in ("first", "third", "plain")]
    uids.append(place.started("first", on=OTHER_NODE))

    assert sorted(place.readers().values(), key=str) == sorted([{uid} for uid in uids], key=str)
    caches = [
        volume["emptyDir"]["sizeLimit"]
        for pod in place.mounts().values()
        for volume in pod["spec"]["volumes"]
        if volume["name"] == "local-cache"
    ]
    assert sorted(caches) == ["60Gi", "60Gi", "90Gi"]


def test_the_mount_stays_until_its_last_reader_ends(place: Node) -> None:
    place.started("first")
    last = place.started("second")
    [mount] = place.mounts()

    place.ended("first")

    until(lambda: place.readers() == {mount: {last}}, "only the last pod reads")
    annotations = place.mounts()[mount]["metadata"]["annotations"]
    assert "s3.csi.aws.com/needs-unmount" not in annotations

    place.ended("second")

    until(lambda: not place.attachments(), "nothing is attached")
    assert place.mounts()[mount]["metadata"]["annotations"]["s3.csi.aws.com/needs-unmount"] == "true"


def test_another_size_replaces_volume_and_claim_while_pods_still_read(place: Node) -> None:
    """What `helm upgrade` does: the new objects, then the deletion of the old ones."""
    place.started("first")
    before = [
        item for item in manifests(solution(runtime("first"))) if item["kind"].startswith("PersistentVolume")
    ]
    after = manifests(solution(runtime("first", "70Gi")))
    place.apply([item for item in after if item["kind"].startswith("PersistentVolume")])
    [old] = [item for item in before if item["kind"] == "PersistentVolumeClaim"]
    [new] = [item for item in after if item["kind"] == "PersistentVolumeClaim"]

    for item in before:
        place.cluster.kubectl(
            *("delete", item["kind"], item["metadata"]["name"], "-n", "cached", "--wait=false")
        )

    def claims() -> dict[str, str]:
        items = place.cluster.items("persistentvolumeclaims", "-n", "cached")
        return {item["metadata"]["name"]: item["status"].get("phase", "") for item in items}

    until(lambda: claims().get(new["metadata"]["name"]) == "Bound", "the new claim is bound")
    assert claims()[old["metadata"]["name"]] == "Bound"
    place.ended("first")
    until(lambda: old["metadata"]["name"] not in claims(), "the old claim is gone")
    volumes = place.cluster.items("persistentvolumes")
    names = {item["metadata"]["name"] for item in volumes}
    assert not names & {item["metadata"]["name"] for item in before if item["kind"] == "PersistentVolume"}
    place.apply(manifests(EVERY))
