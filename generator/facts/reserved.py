"""What the chart sets itself, so that configs cannot (charts/sd-runtimes/files/reserved.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator import yaml_loader


@dataclass(frozen=True)
class Reserved:
    """The names and numbers that the chart uses itself.

    `agent_environment`, `runtime_environment`: variable -> the config key that sets it, empty for none.
    `node_taints`: keys of taints with the effect NoSchedule.
    """

    agent_port: int
    agent_environment: Mapping[str, str]
    runtime_environment: Mapping[str, str]
    labels: frozenset[str]
    annotations: frozenset[str]
    node_taints: tuple[str, ...]


def load(charts: Path) -> Reserved:
    """Read the chart's file."""
    text = (charts / "sd-runtimes" / "files" / "reserved.yaml").read_text("utf-8")
    content: dict[str, Any] = yaml_loader.load(text)
    return Reserved(
        agent_port=content["agentPort"],
        agent_environment=content["agentEnvironment"],
        runtime_environment=content["runtimeEnvironment"],
        labels=frozenset(content["labels"]),
        annotations=frozenset(content["annotations"]),
        node_taints=tuple(content["nodeTaints"]),
    )
