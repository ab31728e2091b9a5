"""ClusterConfigs of examples and of configs at the edge of what is allowed."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from generator import yaml_loader
from generator.build import cluster
from generator.config import document
from generator.solution.context import Context
from generator.solution.model import Solution
from testing import solving

ROOT = Path(__file__).resolve().parents[2]

Resolve = Callable[..., Solution]
ClusterConfig = Callable[[Solution], dict[str, Any]]


@pytest.fixture(scope="session")
def solution_of() -> Resolve:
    """`solution_of("china", stackName=…)`: an example with changes, resolved."""

    def solution_of(example: str, **changes: Any) -> Solution:
        text = (ROOT / "examples" / f"{example}.yaml").read_text("utf-8")
        data = {**document.load(text, example).data, **changes}
        where = Context(data["region"], data["accountId"], date(2026, 1, 1))
        return solving.solution(data, where)

    return solution_of


@pytest.fixture(scope="session")
def cluster_config() -> ClusterConfig:
    """The ClusterConfig of a solution, as eksctl reads it."""

    def cluster_config(solution: Solution) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml_loader.load(cluster.files(solution)["cluster.yaml"])
        return loaded

    return cluster_config
