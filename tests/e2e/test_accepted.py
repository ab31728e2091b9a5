"""The API server accepts every object that the chart renders."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testing.cluster.chart import EXAMPLES, load_solution, manifests, pods
from testing.cluster.controlplane import Cluster

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
def _service_accounts(cluster: Cluster, pod_objects: Objects) -> Iterator[None]:
    """Create the service accounts of pods: unlike a Deployment, a Pod is rejected without its account."""
    accounts = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": pod["spec"]["serviceAccountName"],
                "namespace": pod["metadata"]["namespace"],
            },
        }
        for pod in pod_objects
    ]
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=_text(accounts))
    try:
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", stdin=_text(accounts))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_object_of_every_example_is_accepted(control_plane: Cluster, example: Path) -> None:
    objects = manifests(load_solution(example))
    _restricted_namespaces(control_plane, objects)

    output = control_plane.kubectl("apply", *CHECK, stdin=_text(objects))

    assert output.count("serverside-applied") == len(objects)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_pod_is_admitted_under_the_restricted_level(control_plane: Cluster, example: Path) -> None:
    objects = list(pods(manifests(load_solution(example))))
    _restricted_namespaces(control_plane, objects)

    with _service_accounts(control_plane, objects):
        output = control_plane.kubectl("apply", *CHECK, stdin=_text(objects))

    assert output.count("serverside-applied") == len(objects)


def test_a_pod_with_more_privileges_than_restricted_is_rejected(control_plane: Cluster) -> None:
    pod = next(pods(manifests(load_solution(MINIMAL))))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    _restricted_namespaces(control_plane, [pod])

    with _service_accounts(control_plane, [pod]):
        output = control_plane.kubectl("apply", *CHECK, stdin=_text([pod]), check=False)

    assert 'violates PodSecurity "restricted' in output
