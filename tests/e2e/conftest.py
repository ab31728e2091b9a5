"""One control plane for the whole run; an emulator account and a stack for each scenario."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from controllers import apply_crds, start_karpenter, start_keda
from controlplane import Cluster, running
from instances import facts, offers
from kubelet import Delays, Kubelet, Simulation
from solving import files, solve
from system import System

from generator import paths, prices
from local.cloud import Cloud
from local.emulator import Emulator

ACCOUNT = "123456789012"
NODE_BOOT_SECONDS = 1


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """The AWS of the run."""
    with Emulator() as running_emulator:
        yield running_emulator


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """API server, controllers and scheduler with every CRD; no KEDA, no Karpenter yet."""
    with running() as cluster:
        apply_crds(cluster)
        yield cluster


@pytest.fixture(scope="session")
def cluster(control_plane: Cluster, emulator: Emulator) -> Cluster:
    """The control plane with KEDA and Karpenter at work."""
    hourly = prices.load(paths.data()).lists[prices.REFERENCE_REGION].hourly
    types = control_plane.folder / "instance-types.json"
    types.write_text(offers(facts(), dict(hourly)))
    start_karpenter(control_plane, types, NODE_BOOT_SECONDS)
    start_keda(control_plane, emulator.client_env(ACCOUNT, "us-west-2"))
    return control_plane


@contextlib.contextmanager
def deployed(
    cluster: Cluster, emulator: Emulator, config: Path, delays: Delays, simulation: Simulation
) -> Iterator[System]:
    """The system of one config, installed and at rest; uninstalled in the documented order afterwards."""
    solution = solve(config)
    folder = cluster.folder / solution.stack
    for path, text in files(solution).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    cloud = Cloud(emulator, solution)
    kubelet = Kubelet(cluster, emulator.client_env(ACCOUNT, solution.region), delays, simulation)
    system = System(cluster, cloud, kubelet, folder, solution)
    kubelet.start()
    try:
        system.create_stack()
        system.upgrade()
        yield system
    finally:
        with contextlib.suppress(Exception):
            system.uninstall()
        kubelet.stop()
        emulator.reset()
