"""A namespace that is there already: real Helm asks an API server whose it is, and takes only its own."""

import json
import subprocess
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import yaml_loader
from testing.relay import Server
from tests.charts.conftest import BASE, RUNTIMES, TYPES, helm

# Kinds that the chart renders, by the API group that has them.
KINDS = {
    "v1": ("Namespace", "ServiceAccount", "ConfigMap", "PersistentVolume", "PersistentVolumeClaim"),
    "apps/v1": ("Deployment",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "keda.sh/v1alpha1": ("ScaledObject", "TriggerAuthentication"),
    "karpenter.sh/v1": ("NodePool",),
    "karpenter.k8s.aws/v1": ("EC2NodeClass",),
}
WHOLE_CLUSTER = {"Namespace", "PersistentVolume", "NodePool", "EC2NodeClass"}
HELM = {"app.kubernetes.io/managed-by": "Helm"}


def plural(kind: str) -> str:
    return (
        f"{kind.lower()[:-1]}ies"
        if kind.endswith("y")
        else f"{kind.lower()}{'es' if kind[-1] == 's' else 's'}"
    )


class Cluster:
    """As much of an API server as Helm asks before it installs: what there is, and one namespace."""

    def __init__(self, namespace: Mapping[str, Any] | None) -> None:
        metadata = {"name": "pictures", **(namespace or {})}
        self._namespace = (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata} if namespace else None
        )

    def answer(self, handler: BaseHTTPRequestHandler, _: bytes) -> None:
        namespace = self._resource(handler.path.partition("?")[0])
        content = json.dumps(
            namespace or {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
        )
        handler.send_response(200 if namespace else 404)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content.encode())

    def _resource(self, path: str) -> Any:
        groups = [{"groupVersion": name, "version": name.partition("/")[2]} for name in KINDS if name != "v1"]
        fixed = {
            "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {
                "kind": "APIGroupList",
                "groups": [
                    {"name": g["groupVersion"].partition("/")[0], "versions": [g], "preferredVersion": g}
                    for g in groups
                ],
            },
            "/api/v1/namespaces/pictures": self._namespace,
        }
        return fixed.get(path) or self._resources(path.removeprefix("/apis/").removeprefix("/api/"))

    def _resources(self, group: str) -> Any:
        if group not in KINDS:
            return None
        rows = [
            {
                "name": plural(kind),
                "kind": kind,
                "namespaced": kind not in WHOLE_CLUSTER,
                "verbs": ["get", "list"],
            }
            for kind in KINDS[group]
        ]
        return {"kind": "APIResourceList", "groupVersion": group, "resources": rows}


def installing(namespace: Mapping[str, Any] | None, folder: Path) -> subprocess.CompletedProcess[str]:
    """What Helm would install for a runtime in the namespace `pictures`, given what is there."""
    values = {
        **BASE,
        "createNamespaces": True,
        "runtimes": {"one": {**TYPES["comfy"], "namespace": "pictures"}},
    }
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    with Server(Cluster(namespace).answer) as server:
        context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [context],
            "clusters": [{"name": "c", "cluster": {"server": server.url}}],
            "users": [{"name": "c", "user": {"token": "t"}}],
        }
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        command = [helm(), "template", "demo", str(RUNTIMES), "--namespace", "kube-system"]
        command += ["-f", str(folder / "values.yaml"), "--kubeconfig", str(folder / "kubeconfig")]
        command += ["--dry-run=server", "--disable-openapi-validation"]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def namespaces(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [
        item["metadata"]["name"] for item in yaml_loader.load_all(done.stdout) if item["kind"] == "Namespace"
    ]


def release(name: str, namespace: str) -> dict[str, Any]:
    """What Helm writes on an object of a release."""
    marks = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
    return {"labels": HELM, "annotations": marks}


def test_a_namespace_that_is_not_there_is_made(tmp_path: Path) -> None:
    assert namespaces(installing(None, tmp_path)) == ["pictures"]


def test_a_namespace_of_this_release_stays_its_own(tmp_path: Path) -> None:
    assert namespaces(installing(release("demo", "kube-system"), tmp_path)) == ["pictures"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "foreign",
    [
        {"labels": {"team": "art"}},
        {"labels": HELM},
        release("other", "kube-system"),
        release("demo", "elsewhere"),
    ],
    ids=["made by hand", "half marked", "of another release", "of a release of this name elsewhere"],
)
def test_a_namespace_that_belongs_to_others_is_used_and_not_changed(
    foreign: dict[str, Any], tmp_path: Path
) -> None:
    assert namespaces(installing(foreign, tmp_path)) == []
