"""A control plane on loopback for a person: prints how to reach it, stays until Ctrl-C."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from controllers import apply_crds, start_karpenter, start_keda
from controlplane import running
from instances import facts, offers

from generator import paths, prices
from local.emulator import Emulator

ACCOUNT = "123456789012"


def main() -> None:
    """Start, say where, wait."""
    with Emulator() as emulator, running() as cluster:
        apply_crds(cluster)
        types = cluster.folder / "instance-types.json"
        types.write_text(
            offers(facts(), dict(prices.load(paths.data()).lists[prices.REFERENCE_REGION].hourly))
        )
        start_karpenter(cluster, types, boot_seconds=5)
        start_keda(cluster, emulator.client_env(ACCOUNT, "us-west-2"))
        print(
            f"Kubernetes 1.28.15 with KEDA and Karpenter; AWS emulator at {emulator.url}, account {ACCOUNT}"
        )
        print(f"export KUBECONFIG={cluster.kubeconfig}\nlogs: {cluster.folder}\nCtrl-C ends it", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
