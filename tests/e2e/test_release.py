"""The lifecycle of a Helm release: a rejected upgrade changes nothing; rollback; complete uninstall."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator import Emulator
from testing.cluster.chart import load_solution
from testing.cluster.controlplane import Cluster
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.system import HelmError, System, helm
from testing.cluster.timeline import PICTURES, Timeline

CONFIG = Path(__file__).parent / "configs" / "release.yaml"
OURS = "deployments,configmaps,scaledobjects,triggerauthentications,persistentvolumeclaims,networkpolicies"


@pytest.fixture(scope="module")
def released(cluster: Cluster, emulator: Emulator) -> Iterator[System]:
    """A release of two runtimes that share a model bucket."""
    with deployed(cluster, emulator, load_solution(CONFIG), Delays(), Simulation()) as system:
        with Timeline(system.sample) as timeline:
            yield system
        timeline.draw(PICTURES / "release", "A release: upgraded, rolled back, uninstalled", system.finished)


def _versions(system: System) -> dict[str, str]:
    """The resourceVersion of all objects of the release that no controller updates."""
    items = system.cluster.items("configmaps,persistentvolumeclaims,networkpolicies", "-n", "released")
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in items
    }


def test_the_namespace_of_the_runtimes_enforces_the_restricted_level(released: System) -> None:
    labels = released.cluster.get("namespace", "released")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_each_claim_is_bound_to_the_volume_of_its_own_runtime(released: System) -> None:
    def bound() -> dict[str, str]:
        claims = released.cluster.items("persistentvolumeclaims", "-n", "released")
        return {
            item["metadata"]["name"]: item["spec"].get("volumeName", "")
            for item in claims
            if item["status"].get("phase") == "Bound"
        }

    released.require("both claims are bound", lambda: len(bound()) == 2, 30)

    assert bound() == {"first-models": "released-first", "second-models": "released-second"}


def test_values_that_cannot_work_are_rejected_before_anything_changes(released: System) -> None:
    before = _versions(released)

    with pytest.raises(HelmError, match="minReplicaCount"):
        released.upgrade(
            "--set",
            "runtimes.first.runtime.scaling.minReplicaCount=99,"
            "runtimes.first.runtime.queueAgent.taskTimeoutSeconds=88",
        )

    assert _versions(released) == before


def test_a_release_can_be_rolled_back(released: System) -> None:
    def timeout() -> str:
        config_map = released.cluster.get("configmap", "first-agent", "-n", "released")
        return str(config_map["data"]["TASK_TIMEOUT_SECONDS"])

    before = timeout()
    released.upgrade("--set", "runtimes.first.runtime.queueAgent.taskTimeoutSeconds=77")
    assert timeout() == "77"

    helm(released.cluster, "rollback", "sd", "--namespace", "default")

    assert timeout() == before


def test_an_unchanged_upgrade_restarts_no_pod(released: System) -> None:
    def generation() -> int:
        return int(released.cluster.get("deployment", "first", "-n", "released")["metadata"]["generation"])

    released.upgrade()
    before = generation()
    released.upgrade()

    assert generation() == before


def test_keda_accepts_every_scaled_object(released: System) -> None:
    def ready() -> list[str]:
        objects = released.cluster.items("scaledobjects", "-n", "released")
        conditions = {item["metadata"]["name"]: item["status"].get("conditions", []) for item in objects}
        return sorted(
            n
            for n, all_ in conditions.items()
            for c in all_
            if c["type"] == "Ready" and c["status"] == "True"
        )

    released.require("KEDA reports both as ready", lambda: ready() == ["first", "second"], 30)


def test_an_upgrade_keeps_the_replicas_that_keda_set(released: System) -> None:
    paused = ("annotate", "scaledobject", "first", "-n", "released", "autoscaling.keda.sh/paused-replicas")
    released.cluster.kubectl(*paused[:-1], f"{paused[-1]}=2")
    released.require("KEDA sets two replicas", lambda: released.replicas()["first"][0] == 2, 30)

    released.upgrade("--set", "runtimes.first.runtime.queueAgent.taskTimeoutSeconds=78")
    desired, _ = released.replicas()["first"]

    released.cluster.kubectl(*paused[:-1], f"{paused[-1]}-")
    assert desired == 2


def test_uninstall_leaves_no_object_and_no_finalizer(released: System) -> None:
    released.send("first", "last-one")
    released.require("a node exists", lambda: bool(released.nodes()), 60)
    released.require("the task is done", lambda: released.all_announced(["last-one"]), 60)

    released.uninstall()

    objects = released.cluster.items(f"{OURS},nodepools,ec2nodeclasses,nodeclaims,persistentvolumes", "-A")
    assert [
        f"{i['kind']}/{i['metadata']['name']}"
        for i in objects
        if i["metadata"]["name"] != "kube-root-ca.crt"
        and i["metadata"].get("namespace") not in ("kube-system", "keda")
    ] == []
