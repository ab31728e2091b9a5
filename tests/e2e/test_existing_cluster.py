"""The chart of the runtimes alone, where Karpenter and KEDA run; a rendered folder; EKS Auto Mode."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generator import yaml_loader
from generator.build import folder as build_folder
from generator.build import manifests as rendered_folder
from generator.deploy import charts, helm
from generator.solution.model import Solution
from local.emulator import Emulator
from testing import solving
from testing.cluster.chart import KUBERNETES, load_solution
from testing.cluster.controlplane import Cluster
from testing.cluster.deployed import deployed
from testing.cluster.kubelet import Delays, Simulation
from testing.cluster.system import System
from testing.cluster.system import helm as run_helm
from tests.charts.auto_mode_cases import AUTO_MODE
from tests.charts.conftest import BASE, merged, nested
from tests.charts.rules import SPECS

CONFIG = Path(__file__).parent / "configs" / "existing.yaml"
# What a platform has, and a release of runtimes must not.
OF_THE_PLATFORM = {
    *("CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "APIService"),
    *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "CSIDriver", "Job"),
}


@pytest.fixture(scope="module")
def solution() -> Solution:
    return load_solution(CONFIG)


@pytest.fixture(scope="module")
def installed(cluster: Cluster, emulator: Emulator, solution: Solution) -> Iterator[System]:
    """What `generator build --only runtimes` writes, applied."""
    with deployed(cluster, emulator, solution, Delays(), Simulation()) as system:
        yield system


def test_a_task_starts_a_node_and_is_done(installed: System) -> None:
    installed.send("painter", "on-existing-ground")

    installed.require("a node exists", lambda: bool(installed.nodes()), 60)
    installed.require("the task is done", lambda: installed.all_announced(["on-existing-ground"]), 60)


def test_the_release_has_objects_of_the_runtimes_only(installed: System) -> None:
    objects = [
        item for item in yaml_loader.load_all(run_helm(installed.cluster, "get", "manifest", "sd")) if item
    ]

    assert not {item["kind"] for item in objects} & OF_THE_PLATFORM
    assert {item["metadata"].get("namespace", "") for item in objects} == {"", "grounded"}
    [deployment] = [item for item in objects if item["kind"] == "Deployment"]
    assert deployment["metadata"]["name"] == "painter"


def test_the_api_server_takes_a_rendered_folder(cluster: Cluster, tmp_path: Path) -> None:
    # Other names than those of the release above, whose volumes and pools cannot be changed to these.
    config = tmp_path / "rendered.yaml"
    config.write_text(CONFIG.read_text().replace("grounded", "rendered"))
    values = solving.built(load_solution(config))
    text = helm.template("rendered", charts.folder("sd-runtimes"), KUBERNETES, values, whole=True)
    files = rendered_folder.files(text)
    build_folder.replace(tmp_path / "apps", files, build_folder.RENDER)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rendered"}}
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(namespace))

    check = ("--server-side", "--dry-run=server", "--validate=strict")
    output = cluster.kubectl("apply", *check, "-k", str(tmp_path / "apps"))

    assert output.count("serverside-applied") == len(files) - 1


def node_class_crd() -> dict[str, Any]:
    """The CRD of EKS Auto Mode, as far as the chart uses it."""
    spec = json.loads(json.dumps(SPECS["NodeClass"]).replace('"additionalProperties": false, ', ""))
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": spec, "status": {"type": "object"}},
    }
    names = {
        "kind": "NodeClass",
        "plural": "nodeclasses",
        "singular": "nodeclass",
        "listKind": "NodeClassList",
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "nodeclasses.eks.amazonaws.com"},
        "spec": {"group": "eks.amazonaws.com", "scope": "Cluster", "names": names, "versions": [version]},
    }


@pytest.fixture(scope="module")
def auto_mode(control_plane: Cluster) -> Iterator[Cluster]:
    """The control plane with the CRD of EKS Auto Mode."""
    crd = json.dumps(node_class_crd())
    control_plane.kubectl("apply", "--server-side", "-f", "-", stdin=crd)
    wait = ("wait", "--for=condition=Established", "crd", "nodeclasses.eks.amazonaws.com")
    control_plane.kubectl(*wait, "--timeout=60s")
    yield control_plane
    control_plane.kubectl("delete", "-f", "-", stdin=crd)


def nodes_of_auto_mode() -> list[dict[str, Any]]:
    """NodePool and NodeClass of a runtime."""
    values = merged(BASE, {"global": AUTO_MODE, "runtimes": {"one": {}}})
    values = merged(values, {"defaults": nested("karpenter.provisioner.disruption.expireAfter", "336h")})
    text = helm.template("sd", charts.folder("sd-runtimes"), "1.35", {"values/one.yaml": json.dumps(values)})
    objects = [item for item in yaml_loader.load_all(text) if item]
    return [item for item in objects if item["kind"] in ("NodePool", "NodeClass")]


def _apply(cluster: Cluster, objects: list[dict[str, Any]]) -> str:
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    check = ("--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    return cluster.kubectl("apply", *check, stdin=items, check=False)


def test_the_api_server_takes_node_pools_and_node_classes_of_auto_mode(auto_mode: Cluster) -> None:
    objects = nodes_of_auto_mode()

    output = _apply(auto_mode, objects)

    assert {item["kind"] for item in objects} == {"NodePool", "NodeClass"}
    assert output.count("serverside-applied") == 2


def test_a_field_of_an_ec2_node_class_is_rejected_in_a_node_class(auto_mode: Cluster) -> None:
    [node_class] = [item for item in nodes_of_auto_mode() if item["kind"] == "NodeClass"]
    node_class["spec"]["amiSelectorTerms"] = [{"alias": "bottlerocket@latest"}]

    assert "amiSelectorTerms" in _apply(auto_mode, [node_class])
