"""From a config file to what it would create: the files of a build, and the manifests of the chart."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generator import app
from generator.build import files, stack_layout
from generator.build import values as chart_values
from generator.deploy import charts, helm
from generator.solution.model import Solution
from local import manifests
from local.manifests import Manifests
from local.processes import LocalError


@dataclass(frozen=True)
class Built:
    """One config: its solution, the folder of its build, its manifests and stack templates."""

    solution: Solution
    folder: Path
    manifests: Manifests
    # CloudFormation template by name of its stack, in the order in which they are created.
    stacks: Mapping[str, str]


def build(config: str, output: Path) -> Built:
    """Do what `generator build` does, and render the runtimes' chart. Raises ConfigError and LocalError."""
    solved = app.solve(app.open_config(config))
    print(app.problem_text(solved.warnings), file=sys.stderr, end="")
    solution = solved.solution
    folder, built = app.write(solved, files.UMBRELLA, output)
    chart = charts.folder(files.RUNTIMES_ALONE)
    values = chart_values.runtimes_alone(solution)
    try:
        text = helm.template(solution.stack, chart, solution.versions.eks, values)
    except helm.HelmError as error:
        raise LocalError(f"the chart was not rendered: {error}", "see the message of Helm above") from error
    stacks = {
        stack_layout.stack_name(solution, part.file): built[part.file]
        for part in stack_layout.parts(solution)
    }
    return Built(solution, folder, manifests.parse(text), stacks)
