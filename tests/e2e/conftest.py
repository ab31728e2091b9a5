"""One control plane for the whole run; an account of the emulator and a stack for each scenario."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator import Emulator
from testing.cluster.controllers import apply_crds, start_operators
from testing.cluster.controlplane import Cluster, running
from testing.cluster.run_folder import temporary_folder

NODE_BOOT_SECONDS = 1


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """The folder for the files of the run."""
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def emulator(run_folder: Path) -> Iterator[Emulator]:
    """The AWS emulator of the run."""
    with Emulator(folder=run_folder / "emulator") as running_emulator:
        yield running_emulator


@pytest.fixture(scope="session")
def control_plane(run_folder: Path) -> Iterator[Cluster]:
    """API server, controllers and scheduler with every CRD; no KEDA, no Karpenter yet."""
    with running(run_folder) as cluster:
        apply_crds(cluster)
        yield cluster


@pytest.fixture(scope="session")
def cluster(control_plane: Cluster, emulator: Emulator) -> Cluster:
    """The control plane with KEDA and Karpenter running."""
    start_operators(control_plane, emulator, NODE_BOOT_SECONDS)
    return control_plane
