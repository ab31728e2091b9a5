"""The whole pipeline of one config, running: emulator, stack, simulated runtimes, agents, front door."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from generator.submit import FrontDoor
from local.cloud import Cloud
from local.config import Built
from local.emulator import Emulator
from local.fleet import Fleet, Pace, Pod

# What the models bucket would hold; each simulated runtime can load all of them.
MODELS = ("sd_xl_turbo_1.0.safetensors", "sd_xl_base_1.0.safetensors", "dreamshaper_8.safetensors")


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that takes tasks."""

    built: Built
    cloud: Cloud
    door: FrontDoor
    pods: tuple[Pod, ...]
    fleet: Fleet


@contextmanager
def running(built: Built, pace: Pace, logs: Path) -> Iterator[Pipeline]:
    """The pipeline of `built`, for as long as the block lasts; afterwards nothing of it runs."""
    solution = built.solution
    with Emulator(folder=logs / "emulator", account=solution.account) as emulator:
        cloud = Cloud(emulator, solution)
        outputs = cloud.create(built.stacks)
        fleet = Fleet(emulator.client_env(solution.account, solution.region), pace, logs)
        try:
            models = {
                each.name: dict.fromkeys((each.model_filename or MODELS[0], *MODELS))
                for each in solution.runtimes
            }
            pods = fleet.start(solution.runtimes, built.rendered, models)
            yield Pipeline(built, cloud, cloud.front_door(outputs), pods, fleet)
        finally:
            fleet.stop()
