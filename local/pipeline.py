"""The whole pipeline of one config, running: emulator, stack, simulated runtimes, agents, front door."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError

from generator.client import ApiClient, ApiUnreachableError
from local import processes
from local.cloud import Cloud
from local.config import Built
from local.emulator import Emulator
from local.fleet import Fleet, Pace, Pod
from local.processes import LocalError

# What the models bucket would hold; each simulated runtime can load all of them.
MODELS = ("sd_xl_turbo_1.0.safetensors", "sd_xl_base_1.0.safetensors", "dreamshaper_8.safetensors")


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that takes tasks."""

    built: Built
    cloud: Cloud
    door: ApiClient
    pods: tuple[Pod, ...]
    fleet: Fleet

    def check(self) -> None:
        """Raise LocalError when a part of it has ended."""
        self.fleet.check()


@contextmanager
def running(built: Built, pace: Pace, logs: Path) -> Iterator[Pipeline]:
    """The pipeline of `built`, for as long as the block lasts; afterwards nothing of it runs."""
    solution = built.solution
    if solution.partition.name != "aws":
        what = (
            f"the emulator does not know {solution.region}: it is in the partition {solution.partition.name}"
        )
        raise LocalError(what, "try a config for a region of the partition aws, as local/demo.yaml")
    with Emulator(folder=logs / "emulator", account=solution.account) as emulator:
        cloud = Cloud(emulator, solution)
        outputs = cloud.create(built.stacks)
        fleet = Fleet(emulator.client_env(solution.account, solution.region), pace, logs, emulator.children)
        try:
            models = {
                each.name: dict.fromkeys((each.model_filename or MODELS[0], *MODELS))
                for each in solution.runtimes
            }
            pods = fleet.start(solution.runtimes, built.rendered, models)
            yield Pipeline(built, cloud, cloud.front_door(outputs), pods, fleet)
        except (ApiUnreachableError, BotoCoreError) as error:
            processes.check(emulator.children)
            raise LocalError(f"the emulator failed: {error}", "read its log", emulator.log) from error
        finally:
            fleet.stop()
