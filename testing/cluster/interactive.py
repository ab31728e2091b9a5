"""A control plane on loopback for experiments: prints its kubeconfig and runs until Ctrl-C."""

import signal
import sys

from local.emulator import Emulator
from testing.cluster.controllers import ACCOUNT, apply_crds, start_operators
from testing.cluster.controlplane import running
from testing.cluster.run_folder import temporary_folder


def main() -> None:
    """Start the control plane, print its addresses, and wait."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with (
        temporary_folder() as folder,
        Emulator(folder=folder / "emulator") as emulator,
        running(folder) as cluster,
    ):
        apply_crds(cluster)
        start_operators(cluster, emulator, boot_seconds=5)
        print(
            f"Kubernetes 1.28.15 with KEDA and Karpenter; AWS emulator at {emulator.url}, account {ACCOUNT}"
        )
        print(
            f"export KUBECONFIG={cluster.kubeconfig}\nlogs: {cluster.folder}\npress Ctrl-C to stop",
            flush=True,
        )
        signal.pause()


if __name__ == "__main__":
    main()
