"""All files of one build, as text. Pure: the same config gives the same bytes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from generator.build import cluster, values as chart_values, stack
from generator.iam import deployer
from generator.plan import plan, text as plan_text
from generator.facts.facts import Facts
from generator.solution.model import Solution
from generator.facts.prices import Prices

# Says which files a build wrote; JSON files, which cannot hold a comment, are named only there.
MADE_FROM = "made-from.json"
UMBRELLA, RUNTIMES_ALONE = "sd-on-eks", "sd-runtimes"
CHARTS = (UMBRELLA, RUNTIMES_ALONE)

_MADE = "Made by `generator build` from"
_COMMENT = {".yaml": ("# ", ""), ".md": ("<!-- ", " -->")}


@dataclass(frozen=True)
class Origin:
    """The config that files are made from: its name and the hash of its text."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Ingredients:
    """What a build is made of, beside the config."""

    facts: Facts
    prices: Prices
    cluster_template: str


def origin(name: str, text: str) -> Origin:
    """The origin of what is made from a file with this text."""
    return Origin(PurePosixPath(name.replace("\\", "/")).name, hashlib.sha256(text.encode()).hexdigest())


def build(solution: Solution, source: Origin, chart: str, ingredients: Ingredients) -> dict[str, str]:
    """Path and text of each file for `chart`, each with a line that says what it was made from."""
    alone = chart == RUNTIMES_ALONE
    bodies = chart_values.runtimes_alone(solution) if alone else _everything(solution, ingredients)
    files = {path: _headed(path, text, source) for path, text in bodies.items()}
    return {**files, MADE_FROM: _made_from(files, source)}


def without_header(text: str) -> str:
    """A file's text without the line that says what it was made from, so that two builds can be compared."""
    first, _, rest = text.partition("\n")
    return rest if _MADE in first else text


def _everything(solution: Solution, ingredients: Ingredients) -> dict[str, str]:
    """In the order in which they are applied; the plan last."""
    stacks = stack.files(solution)
    planned = plan.plan(solution, ingredients.facts, ingredients.prices, plan.kinds(stacks))
    return {
        **stacks,
        **cluster.files(solution, ingredients.cluster_template),
        **chart_values.umbrella(solution),
        **deployer.files(solution),
        **plan_text.files(planned),
    }


def _headed(path: str, text: str, source: Origin) -> str:
    if (suffix := PurePosixPath(path).suffix) not in _COMMENT:
        return text
    start, end = _COMMENT[suffix]
    said = f"{_MADE} {source.name} (sha256 {source.sha256[:12]}): edit that, not this."
    return f"{start}{said}{end}\n{text}"


def _made_from(files: Mapping[str, str], source: Origin) -> str:
    hashes = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())}
    return json.dumps({"config": source.name, "sha256": source.sha256, "files": hashes}, indent=2) + "\n"
