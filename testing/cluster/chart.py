"""From a config to the rendered objects of the chart sd-runtimes, with the generator's functions."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from generator import paths
from generator.build import stack
from generator.build import values as chart_values
from generator.config import document
from generator.deploy import charts, helm
from generator.solution.context import Context
from generator.solution.model import Solution
from testing import solving

EXAMPLES = sorted((paths.root() / "examples").glob("*.yaml"))
CHART = charts.folder("sd-runtimes")
KUBERNETES = "1.28"


def load_solution(config: Path) -> Solution:
    """The solution of a config that names its region and account."""
    data = document.load(config.read_text("utf-8"), config.name).data
    context = Context(data["region"], data["accountId"], date(2026, 1, 1))
    return solving.solution(data, context)


def files(solution: Solution) -> dict[str, str]:
    """Values files and stack templates, by path."""
    return chart_values.runtimes_alone(solution) | stack.files(solution)


def manifests(solution: Solution, *more: str) -> list[dict[str, Any]]:
    """The objects that Helm renders for the runtimes; `more` are texts of additional values files."""
    values = chart_values.runtimes_alone(solution) | {
        f"values/~{n}.yaml": text for n, text in enumerate(more)
    }
    rendered = helm.template("sd", CHART, KUBERNETES, values)
    return [item for item in yaml.load_all(rendered, yaml.CSafeLoader) if item]


def pods(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """One Pod for each Deployment, as its controller would create it."""
    for item in objects:
        if item["kind"] == "Deployment":
            template = item["spec"]["template"]
            metadata = {"name": item["metadata"]["name"], "namespace": item["metadata"]["namespace"]}
            yield {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": template["metadata"] | metadata,
                "spec": template["spec"],
            }
