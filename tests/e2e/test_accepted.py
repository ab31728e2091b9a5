"""The API server takes every object that the chart renders, and refuses what the chart's guards refuse."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from controlplane import Cluster
from solving import EXAMPLES, manifests, pods, solve

from generator.helm import HelmError

Objects = list[dict[str, Any]]
MINIMAL = next(path for path in EXAMPLES if path.stem == "minimal")
CHECK = ("--server-side", "--dry-run=server", "--validate=strict", "-f", "-")


def _text(objects: Objects) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _restricted_namespaces(cluster: Cluster, objects: Objects) -> None:
    for name in {item["metadata"].get("namespace", "default") for item in objects}:
        level = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": level}}
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(namespace))


@contextlib.contextmanager
def _service_accounts(cluster: Cluster, found: Objects) -> Iterator[None]:
    """The accounts of these pods: a Pod, unlike a Deployment, is refused when its own is not there."""
    accounts = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": pod["spec"]["serviceAccountName"],
                "namespace": pod["metadata"]["namespace"],
            },
        }
        for pod in found
    ]
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=_text(accounts))
    try:
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", stdin=_text(accounts))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_object_of_every_example_is_accepted(control_plane: Cluster, example: Path) -> None:
    objects = manifests(solve(example))
    _restricted_namespaces(control_plane, objects)

    said = control_plane.kubectl("apply", *CHECK, stdin=_text(objects))

    assert said.count("serverside-applied") == len(objects)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_pod_is_admitted_under_the_restricted_level(control_plane: Cluster, example: Path) -> None:
    found = list(pods(manifests(solve(example))))
    _restricted_namespaces(control_plane, found)

    with _service_accounts(control_plane, found):
        said = control_plane.kubectl("apply", *CHECK, stdin=_text(found))

    assert said.count("serverside-applied") == len(found)


def test_a_pod_that_asks_for_more_than_restricted_is_refused(control_plane: Cluster) -> None:
    pod = next(pods(manifests(solve(MINIMAL))))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    _restricted_namespaces(control_plane, [pod])

    with _service_accounts(control_plane, [pod]):
        said = control_plane.kubectl("apply", *CHECK, stdin=_text([pod]), check=False)

    assert 'violates PodSecurity "restricted' in said


def _spec(kind: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Objects], None]:
    def mutate(objects: Objects) -> None:
        change(next(item for item in objects if item["kind"] == kind)["spec"])

    return mutate


def _capacity(spec: dict[str, Any]) -> None:
    needs = spec["template"]["spec"]["requirements"]
    next(need for need in needs if need["key"] == "karpenter.sh/capacity-type").pop("values")


def _set(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(spec: dict[str, Any]) -> None:
        place: Any = spec
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


# (values that a hand might write, what the chart says of them, the object that they would have made)
REFUSED = {
    "no capacity type": (
        {"karpenter": {"provisioner": {"capacityType": {"spot": False, "onDemand": False}}}},
        "capacityType",
        _spec("NodePool", _capacity),
    ),
    "a label of Kubernetes' own domain": (
        {"karpenter": {"provisioner": {"labels": {"kubernetes.io/role": "gpu"}}}},
        "kubernetes.io",
        _spec("NodePool", _set("template", "metadata", value={"labels": {"kubernetes.io/role": "gpu"}})),
    ),
    "a duration without a unit": (
        {"karpenter": {"provisioner": {"disruption": {"consolidateAfter": "300"}}}},
        "consolidateAfter",
        _spec("NodePool", _set("disruption", "consolidateAfter", value="300")),
    ),
    "an empty selector value": (
        {"karpenter": {"nodeTemplate": {"subnetSelector": {"Name": ""}}}},
        "subnetSelector",
        _spec("EC2NodeClass", _set("subnetSelectorTerms", value=[{"tags": {"Name": ""}}])),
    ),
    "a volume size that is no quantity": (
        {"karpenter": {"nodeTemplate": {"dataVolume": {"volumeSize": "100GB"}}}},
        "volumeSize",
        _spec("EC2NodeClass", _set("blockDeviceMappings", 1, "ebs", "volumeSize", value="100GB")),
    ),
    "a taint with an unknown effect": (
        {"karpenter": {"provisioner": {"extraTaints": [{"key": "a", "effect": "Never"}]}}},
        "effect",
        _spec("NodePool", _set("template", "spec", "taints", value=[{"key": "a", "effect": "Never"}])),
    ),
    "an operator that Karpenter lacks": (
        {
            "karpenter": {
                "provisioner": {"extraRequirements": [{"key": "a", "operator": "Is", "values": ["b"]}]}
            }
        },
        "operator",
        _spec("NodePool", _set("template", "spec", "requirements", 0, "operator", value="Is")),
    ),
    "an unknown pull policy": (
        {"runtime": {"inferenceApi": {"imagePullPolicy": "Sometimes"}}},
        "imagePullPolicy",
        _spec("Deployment", _set("template", "spec", "containers", 0, "imagePullPolicy", value="Sometimes")),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_api_server_refuses_the_chart_refuses_first(control_plane: Cluster, case: str) -> None:
    values, said, mutate = REFUSED[case]
    solution = solve(MINIMAL)
    objects = manifests(solution)
    mutate(objects)
    _restricted_namespaces(control_plane, objects)

    assert "serverside-applied" in control_plane.kubectl("apply", *CHECK, stdin=_text(manifests(solution)))
    with pytest.raises(AssertionError, match=r"invalid|Invalid|Unsupported"):
        control_plane.kubectl("apply", *CHECK, stdin=_text(objects))
    with pytest.raises(HelmError, match=said):
        manifests(solution, yaml.safe_dump({"runtimes": {solution.runtimes[0].name: values}}))
