"""A config for the local pipeline: one runtime with a queue for tasks of high priority, one without."""

from pathlib import Path

import yaml

from generator import yaml_loader

BURST_KEY, OTHER_KEY = "burst", "other"
# Runtime → whether it has a queue for tasks of high priority.
RUNTIMES = {"two-queues": True, "one-queue": False}
_RATE = 5_000


def config_file(folder: Path) -> Path:
    """The file with the config of the demo, with these runtimes and keys."""
    values = yaml_loader.load(Path("local/demo.yaml").read_text("utf-8"))
    throttle = {"rateLimit": _RATE, "burstLimit": _RATE}
    values["APIGW"] = {"throttle": throttle, "keys": [{"name": BURST_KEY}, {"name": OTHER_KEY}]}
    first = values["modelsRuntime"][0]
    values["modelsRuntime"] = [
        {**first, "name": name, "modelFilename": f"{name}.safetensors", "priorityQueue": second}
        for name, second in RUNTIMES.items()
    ]
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    return path
