"""A real Kubernetes control plane on loopback: etcd, API server, controllers, scheduler, and kwok for nodes.

Flags differ from the defaults for: own certificates, free ports, and the aggregation layer, which KEDA's
metrics adapter needs.
"""

import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import processes
from local.emulator import free_port
from local.processes import Child
from testing.cluster.certificates import Authority, Pair
from testing.cluster.waiting import wait_for

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "e2e"
TOKEN = "e2e-admin"
HPA_SYNC_SECONDS = 5
STOP_SECONDS = 3.0


@dataclass
class Cluster:
    """A running control plane. `kubeconfig` is an administrator's."""

    folder: Path
    authority: Authority
    api: str
    kubeconfig: Path
    components: dict[str, Child] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, binary: str = "", env: dict[str, str] | None = None) -> Child:
        """Start one of the built programs, with its log in the cluster's folder."""
        command = [str(CACHE / "bin" / (binary or name)), *arguments]
        # On SIGTERM, some wait forever for components that have already stopped.
        child = processes.start(name, command, os.environ | (env or {}), self.folder, signal.SIGKILL)
        self.components[name] = child
        return child

    def stop(self) -> None:
        """Stop everything, last started first."""
        for child in reversed(self.components.values()):
            processes.stop([child], STOP_SECONDS)

    def healthy(self, url: str) -> bool:
        """Whether a URL of the cluster answers 200 to the administrator."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        try:
            with urllib.request.urlopen(request, timeout=3, context=context) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl as administrator; its output. Raises AssertionError with kubectl's error output."""
        kubectl = shutil.which("kubectl") or str(CACHE.parent / "bin" / "kubectl")
        done = subprocess.run(
            [kubectl, "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout if check else done.stdout + done.stderr

    def get(self, *arguments: str) -> dict[str, Any]:
        """`kubectl get … -o json`, parsed."""
        answer: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return answer

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The items of a list."""
        listed: list[dict[str, Any]] = self.get(*arguments)["items"]
        return listed


def _kubeconfig(folder: Path, api: str, authority: Authority) -> Path:
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "e2e",
                "clusters": [
                    {
                        "name": "e2e",
                        "cluster": {
                            "server": api,
                            "certificate-authority": str(authority.certificate),
                        },
                    }
                ],
                "users": [{"name": "admin", "user": {"token": TOKEN}}],
                "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "admin"}}],
            }
        )
    )
    path.chmod(0o600)
    return path


def _start_etcd(cluster: Cluster) -> str:
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    cluster.start(
        "etcd",
        "--data-dir",
        str(cluster.folder / "etcd"),
        "--unsafe-no-fsync",
        "--listen-client-urls",
        client,
        "--advertise-client-urls",
        client,
        "--listen-peer-urls",
        peer,
        "--initial-advertise-peer-urls",
        peer,
        "--initial-cluster",
        f"default={peer}",
    )
    return client


def _start_api_server(cluster: Cluster, etcd: str, serving: Pair, proxy: Pair, accounts: Pair) -> None:
    (cluster.folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    ca = str(cluster.authority.certificate)
    api_server = cluster.start(
        "kube-apiserver",
        "--etcd-servers",
        etcd,
        "--bind-address=127.0.0.1",
        "--secure-port",
        cluster.api.rsplit(":", 1)[1],
        "--advertise-address=127.0.0.1",
        "--tls-cert-file",
        str(serving.certificate),
        "--tls-private-key-file",
        str(serving.key),
        "--client-ca-file",
        ca,
        "--token-auth-file",
        str(cluster.folder / "tokens.csv"),
        "--authorization-mode=Node,RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file",
        str(accounts.key),
        "--service-account-signing-key-file",
        str(accounts.key),
        "--requestheader-client-ca-file",
        ca,
        "--requestheader-allowed-names=",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--proxy-client-cert-file",
        str(proxy.certificate),
        "--proxy-client-key-file",
        str(proxy.key),
        "--endpoint-reconciler-type=none",
    )
    wait_for(api_server, lambda: cluster.healthy(f"{cluster.api}/readyz"), 60, "answer on /readyz")


def _start_controllers(cluster: Cluster, accounts: Pair, hpa_sync_seconds: float) -> None:
    cluster.start(
        "kube-controller-manager",
        "--kubeconfig",
        str(cluster.kubeconfig),
        "--secure-port=0",
        "--service-account-private-key-file",
        str(accounts.key),
        "--root-ca-file",
        str(cluster.authority.certificate),
        "--leader-elect=false",
        f"--horizontal-pod-autoscaler-sync-period={hpa_sync_seconds}s",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    )
    cluster.start(
        "kube-scheduler",
        "--kubeconfig",
        str(cluster.kubeconfig),
        "--secure-port=0",
        "--leader-elect=false",
    )


def _start_kwok(cluster: Cluster) -> None:
    # kwok plays the kubelet for node objects only: pods are run by testing/cluster/kubelet.py.
    cluster.start(
        "kwok",
        "--kubeconfig",
        str(cluster.kubeconfig),
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",
        "--disregard-status-with-label-selector=app.kubernetes.io/name",
        "--server-address",
        f"127.0.0.1:{free_port()}",
    )


@contextlib.contextmanager
def running(folder: Path, hpa_sync_seconds: float = HPA_SYNC_SECONDS) -> Iterator[Cluster]:
    """A control plane that is ready, with its files in `folder`; stopped afterwards."""
    authority = Authority(folder / "pki")
    api = f"https://127.0.0.1:{free_port()}"
    cluster = Cluster(folder, authority, api, _kubeconfig(folder, api, authority))
    try:
        accounts = authority.issue("service-accounts")
        etcd = _start_etcd(cluster)
        serving, proxy = authority.issue("serving"), authority.issue("proxy")
        _start_api_server(cluster, etcd, serving, proxy, accounts)
        _start_controllers(cluster, accounts, hpa_sync_seconds)
        _start_kwok(cluster)
        yield cluster
    finally:
        cluster.stop()
