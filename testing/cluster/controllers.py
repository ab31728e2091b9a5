"""KEDA and Karpenter for the control plane: the real programs, with real CRDs, webhook and metrics API."""

import base64
import json
from pathlib import Path
from typing import Any

from generator import paths
from generator.facts import prices
from local.emulator import Emulator, free_port
from testing.cluster.controlplane import CACHE, Cluster
from testing.cluster.instances import facts, offers
from testing.cluster.waiting import wait_for

# The account and region in the configs of the scenarios.
ACCOUNT, REGION = "123456789012", "us-west-2"
KWOK_NODE_CLASS = "kwok"
METRICS_API = "v1beta1.external.metrics.k8s.io"
WEBHOOKS = ("scaledobject", "scaledjob", "triggerauthentication")


def apply_crds(cluster: Cluster) -> None:
    """Apply the CRDs of KEDA, Karpenter, its AWS provider and its kwok provider."""
    cluster.kubectl("apply", "--server-side", "-f", str(CACHE / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


def _apply(cluster: Cluster, *objects: dict[str, Any]) -> None:
    cluster.kubectl(
        "apply",
        "--server-side",
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
    )


def start_operators(cluster: Cluster, emulator: Emulator, boot_seconds: int) -> None:
    """Start Karpenter with the generator's instance data, and KEDA with the emulator's queues."""
    hourly = prices.load(paths.data()).lists[prices.REFERENCE_REGION].hourly
    types = cluster.folder / "instance-types.json"
    types.write_text(offers(facts(), dict(hourly)))
    start_karpenter(cluster, types, boot_seconds)
    start_keda(cluster, emulator.client_env(ACCOUNT, REGION))


def start_karpenter(cluster: Cluster, instance_types: Path, boot_seconds: int) -> None:
    """Start Karpenter with its kwok provider and these instance types; nodes join after `boot_seconds`."""
    _apply(
        cluster,
        {
            "apiVersion": "karpenter.kwok.sh/v1alpha1",
            "kind": "KWOKNodeClass",
            "metadata": {"name": KWOK_NODE_CLASS},
            "spec": {"nodeRegistrationDelay": f"{boot_seconds}s"},
        },
    )
    health = free_port()
    karpenter = cluster.start(
        "karpenter",
        "--disable-leader-election",
        "--metrics-port",
        str(free_port()),
        "--health-probe-port",
        str(health),
        "--instance-types-file-path",
        str(instance_types),
        binary="karpenter-kwok",
        env={"KUBECONFIG": str(cluster.kubeconfig), "SYSTEM_NAMESPACE": "kube-system"},
    )
    wait_for(karpenter, lambda: cluster.healthy(f"http://127.0.0.1:{health}/readyz"), 60, "answer on /readyz")


def _certificates(cluster: Cluster, name: str) -> Path:
    """A folder with ca.crt, tls.crt and tls.key for KEDA's programs."""
    pair = cluster.authority.issue(name)
    folder = cluster.folder / name
    folder.mkdir()
    (folder / "ca.crt").write_bytes(cluster.authority.certificate.read_bytes())
    (folder / "tls.crt").write_bytes(pair.certificate.read_bytes())
    (folder / "tls.key").write_bytes(pair.key.read_bytes())
    return folder


def start_keda(cluster: Cluster, aws: dict[str, str]) -> None:
    """Start KEDA's operator (`aws` is added to its environment), metrics adapter and admission webhook."""
    certificates = _certificates(cluster, "keda-operator")
    grpc, health, metrics_api, webhook = (free_port() for _ in range(4))
    env = aws | {
        "WATCH_NAMESPACE": "",
        "POD_NAMESPACE": "keda",
        "KEDA_CLUSTER_OBJECT_NAMESPACE": "keda",
        "KUBECONFIG": str(cluster.kubeconfig),
    }
    cluster.kubectl("create", "namespace", "keda")
    operator = cluster.start(
        "keda-operator",
        f"--cert-dir={certificates}",
        "--enable-cert-rotation=false",
        "--metrics-bind-address=0",
        f"--health-probe-bind-address=127.0.0.1:{health}",
        f"--metrics-service-bind-address=127.0.0.1:{grpc}",
        "--leader-elect=false",
        "--enable-prometheus-metrics=false",
        env=env,
    )
    wait_for(operator, lambda: cluster.healthy(f"http://127.0.0.1:{health}/readyz"), 60, "answer on /readyz")
    config = str(cluster.kubeconfig)
    cluster.start(
        "keda-adapter",
        f"--kubeconfig={config}",
        f"--lister-kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        f"--secure-port={metrics_api}",
        f"--cert-dir={certificates}",
        f"--metrics-service-address=127.0.0.1:{grpc}",
        "--metrics-service-grpc-authority=keda-operator",
        f"--port={free_port()}",
        env=env,
    )
    hooks = cluster.start(
        "keda-webhooks",
        f"--cert-dir={certificates}",
        f"--port={webhook}",
        "--metrics-bind-address=0",
        f"--health-probe-bind-address=127.0.0.1:{free_port()}",
        env=env,
    )
    _apply(cluster, *_metrics_api(metrics_api), _admission(cluster, webhook))
    served = (
        "get",
        "apiservice",
        METRICS_API,
        "-o",
        'jsonpath={.status.conditions[?(@.type=="Available")].status}',
    )
    wait_for(hooks, lambda: cluster.kubectl(*served) == "True", 60, "available metrics API")


def _metrics_api(port: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The aggregated API of external metrics, served by the adapter on loopback.

    It needs an ExternalName service: Endpoints cannot contain addresses in 127.0.0.0/8.
    """
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "keda-metrics", "namespace": "keda"},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": METRICS_API},
        "spec": {
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "service": {"name": "keda-metrics", "namespace": "keda", "port": port},
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    return service, api


def _admission(cluster: Cluster, port: int) -> dict[str, Any]:
    """KEDA's admission webhook with the rules of its manifest; it fails closed, so that errors are seen."""
    bundle = base64.b64encode(cluster.authority.certificate.read_bytes()).decode()
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "keda-admission"},
        "webhooks": [
            {
                "name": f"v{kind}.kb.io",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "clientConfig": {
                    "url": f"https://localhost:{port}/validate-keda-sh-v1alpha1-{kind}",
                    "caBundle": bundle,
                },
                "rules": [
                    {
                        "apiGroups": ["keda.sh"],
                        "apiVersions": ["v1alpha1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": [f"{kind}s"],
                    }
                ],
            }
            for kind in WEBHOOKS
        ],
    }
