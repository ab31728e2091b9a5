"""Chart and generator agree: what one names, the other renders."""

import json
from datetime import date
from pathlib import Path

import pytest

from generator import yaml_loader
from generator.build import values as chart_values
from generator.solution.context import Context
from testing import solving

from .conftest import ROOT, RUNTIMES, Values, merged, template

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.thorough
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_images_and_names_are_those_that_the_generator_plans_with(example: Path) -> None:
    config = yaml_loader.load(example.read_text(encoding="utf-8"))
    context = Context(config["region"], config["accountId"], date(2026, 1, 1))
    solution = solving.solution(config, context)
    values: Values = {}
    for text in chart_values.runtimes_alone(solution).values():
        values = merged(values, yaml_loader.load(text))
    rendered = template(str(RUNTIMES), json.dumps(values))
    for runtime in solution.runtimes:
        assert rendered.container(runtime.name, "runtime")["image"] == runtime.runtime_image.name
        assert rendered.container(runtime.name, "queue-agent")["image"] == runtime.agent_image.name
        assert f"NodePool/{runtime.node_pool}" in rendered
        assert f"ServiceAccount/{runtime.service_account}" in rendered
        assert rendered.agent(runtime.name)["SQS_QUEUE_URL"] == runtime.queue.url
