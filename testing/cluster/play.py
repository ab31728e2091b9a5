"""A control plane on loopback for a person: prints how to reach it, stays until Ctrl-C."""

import signal
import sys

from local.emulator import Emulator
from testing.cluster.controllers import ACCOUNT, apply_crds, start_operators
from testing.cluster.controlplane import running
from testing.cluster.workplace import workplace


def main() -> None:
    """Start, say where, wait."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with workplace() as folder, Emulator(folder=folder / "emulator") as emulator, running(folder) as cluster:
        apply_crds(cluster)
        start_operators(cluster, emulator, boot_seconds=5)
        print(
            f"Kubernetes 1.28.15 with KEDA and Karpenter; AWS emulator at {emulator.url}, account {ACCOUNT}"
        )
        print(f"export KUBECONFIG={cluster.kubeconfig}\nlogs: {cluster.folder}\nCtrl-C ends it", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
