"""The controller of the S3 CSI driver, with the objects of the driver's own chart: `make test-csi-driver`."""

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import yaml

from generator.build import values as chart_values
from generator.deploy import helm
from generator.solution.model import Solution
from local import processes
from local.processes import Child
from testing.cluster.controlplane import CACHE, Cluster
from testing.cluster.waiting import wait_for

NAMESPACE = "mount-s3"
RELEASE_NAMESPACE = "kube-system"
CHART = "charts/aws-mountpoint-s3-csi-driver"
CONTROLLER = "aws-s3-csi-controller"
BINARY = CACHE.parent / "csi-driver" / CONTROLLER
# Where the program listens for metrics; it has no option for it.
METRICS_PORT = 8080
# A pod finds the API server and its own account here; nothing outside the process sees it.
_IN_POD = """
mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io
cp -r "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@"
"""


def checkout() -> Path:
    """The checkout of awslabs/mountpoint-s3-csi-driver that `make test-csi-driver` was given."""
    return Path(os.environ["CSI_DRIVER"])


def install(cluster: Cluster, solution: Solution) -> None:
    """Apply what the driver's chart renders with the values of a solution, and the mounts' namespace."""
    values = yaml.safe_load(chart_values.umbrella(solution)["values/platform.yaml"])
    own = yaml.safe_dump(values["aws-mountpoint-s3-csi-driver"])
    rendered = helm.template("sd", checkout() / CHART, "1.35", {"values/driver.yaml": own})
    objects = [item for item in yaml.load_all(rendered, yaml.CSafeLoader) if item]
    # As charts/sd-on-eks/templates/mount_namespace.yaml makes it.
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": labels},
    }
    definitions = [item for item in objects if item["kind"] == "CustomResourceDefinition"]
    for version in (version for item in definitions for version in item["spec"]["versions"]):
        # The API server of these tests, 1.28, does not know the field, which is for queries of kubectl.
        version.pop("selectableFields", None)
    apply(cluster, [namespace, *definitions])
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    # Not the program on the nodes: nothing would run it.
    skipped = ("CustomResourceDefinition", "Namespace", "DaemonSet")
    apply(cluster, [item for item in objects if item["kind"] not in skipped])


def apply(cluster: Cluster, objects: list[dict[str, Any]]) -> None:
    """Apply objects as the administrator, as Helm does for a release in RELEASE_NAMESPACE."""
    for item in objects:
        if item["kind"] in ("Deployment",):
            item["metadata"].setdefault("namespace", RELEASE_NAMESPACE)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def start_controller(cluster: Cluster) -> Child:
    """Start the controller with the environment and the service account of its pod."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", METRICS_PORT)) == 0:
            raise AssertionError(f"port {METRICS_PORT} is in use, and the controller needs it: free it")
    deployment = cluster.get("deployment", "s3-csi-controller", "-n", RELEASE_NAMESPACE)
    pod = deployment["spec"]["template"]["spec"]
    # The test runs the program itself.
    cluster.kubectl("delete", "deployment", "s3-csi-controller", "-n", RELEASE_NAMESPACE)
    [container] = pod["containers"]
    host, port = cluster.api.removeprefix("https://").split(":")
    environment = os.environ | {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    environment |= {variable["name"]: variable.get("value", "") for variable in container["env"]}
    environment.pop("KUBECONFIG", None)
    account = _account(cluster, pod["serviceAccountName"])
    command = [
        shutil.which("unshare") or "/usr/bin/unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-ec",
        _IN_POD,
        "sh",
        str(account),
    ]
    command.append(str(BINARY))
    child = processes.start(CONTROLLER, command, environment, cluster.folder)
    cluster.components[CONTROLLER] = child
    wait_for(child, lambda: "Starting workers" in child.log.read_text("utf-8"), 60, "workers")
    return child


def _account(cluster: Cluster, name: str) -> Path:
    """The folder that the kubelet mounts into pods of a service account."""
    folder = cluster.folder / name
    folder.mkdir()
    token = cluster.kubectl("create", "token", name, "-n", RELEASE_NAMESPACE)
    (folder / "token").write_text(token.strip())
    (folder / "ca.crt").write_bytes(cluster.authority.certificate.read_bytes())
    (folder / "namespace").write_text(RELEASE_NAMESPACE)
    return folder
