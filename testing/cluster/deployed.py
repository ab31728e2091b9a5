"""A scenario's system, from its install to its uninstall."""

import contextlib
from collections.abc import Iterator

from generator.solution.model import Solution
from local.cloud import Cloud
from local.emulator import Emulator
from testing.cluster.controllers import ACCOUNT
from testing.cluster.controlplane import Cluster
from testing.cluster.kubelet import Delays, Kubelet, Simulation
from testing.cluster.solving import files
from testing.cluster.system import System


@contextlib.contextmanager
def deployed(
    cluster: Cluster, emulator: Emulator, solution: Solution, delays: Delays, simulation: Simulation
) -> Iterator[System]:
    """The system of one config, installed; uninstalled in the documented order afterwards."""
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
