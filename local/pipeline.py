"""The pipeline of one config on this machine: emulator, stacks, HTTP API, runtimes, queue agents."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError

from local import processes
from local.cloud import Cloud
from local.config import Built
from local.emulator import Emulator
from local.pods import Durations, Pod, Pods
from local.processes import LocalError
from sd_on_eks import ApiUnreachableError, Client

# The files of the models bucket; each simulated runtime can load all of them.
MODELS = ("sd_xl_turbo_1.0.safetensors", "sd_xl_base_1.0.safetensors", "dreamshaper_8.safetensors")


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that accepts tasks. `check` raises LocalError if one of its processes has ended."""

    built: Built
    cloud: Cloud
    api: Client
    pods: tuple[Pod, ...]
    check: Callable[[], None]


@contextmanager
def running(built: Built, durations: Durations, logs: Path) -> Iterator[Pipeline]:
    """Run the pipeline of `built` for the duration of the block; afterwards none of its processes is left."""
    solution = built.solution
    if solution.partition.name != "aws":
        partition = solution.partition.name
        message = f"the emulator does not support {solution.region}, which is in partition {partition}"
        raise LocalError(message, "use a config for a region in partition aws, such as local/demo.yaml")
    with Emulator(folder=logs / "emulator", account=solution.account) as emulator:
        cloud = Cloud(emulator, solution)
        outputs = cloud.create(built.stacks)
        client = emulator.client_env(solution.account, solution.region)
        pods = Pods(client, durations, logs, emulator.children)
        try:
            models = {
                runtime.name: dict.fromkeys((runtime.model_filename or MODELS[0], *MODELS))
                for runtime in solution.runtimes
            }
            cloud.name_models(models)
            started = pods.start(solution.runtimes, built.manifests, models)
            yield Pipeline(built, cloud, cloud.api_client(outputs), started, pods.check)
        except (ApiUnreachableError, BotoCoreError) as error:
            processes.check(emulator.children)
            raise LocalError(f"the emulator failed: {error}", "read its log", emulator.log) from error
        finally:
            pods.stop()
