"""Deploys a solution for the duration of a test."""

import contextlib
from collections.abc import Iterator

from generator.solution.model import Solution
from local.cloud import Cloud
from local.emulator import Emulator
from testing.cluster.chart import files
from testing.cluster.controllers import ACCOUNT
from testing.cluster.controlplane import Cluster
from testing.cluster.kubelet import Delays, Kubelet, Simulation
from testing.cluster.system import System


@contextlib.contextmanager
def deployed(
    cluster: Cluster, emulator: Emulator, solution: Solution, delays: Delays, simulation: Simulation
) -> Iterator[System]:
    """The system of one solution, installed; afterwards it is uninstalled in the documented order."""
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
        try:
            system.uninstall()
        finally:
            kubelet.stop()
            emulator.reset()
