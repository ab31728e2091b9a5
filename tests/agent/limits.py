"""What the chart gives the agent's container, in bytes."""

from pathlib import Path

from generator import yaml_loader

CHART = Path(__file__).parents[2] / "charts" / "sd-runtimes"


def memory() -> int:
    """The memory limit by default."""
    values = yaml_loader.load((CHART / "values.yaml").read_text())
    return _bytes(values["defaults"]["runtime"]["queueAgent"]["resources"]["limits"]["memory"])


def scratch_volume() -> int:
    """The size of the volume at /tmp."""
    text = (CHART / "templates" / "runtime" / "_containers.tpl").read_text()
    return _bytes(text.partition("- name: agent-scratch\n")[2].partition("sizeLimit: ")[2].split()[0])


def _bytes(quantity: str) -> int:
    unit = {"Mi": 2**20, "Gi": 2**30}[quantity[-2:]]
    return int(quantity[:-2]) * unit
