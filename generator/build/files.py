"""All files of one build, as text. Pure: the same config gives the same bytes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from generator.build import cluster, stack
from generator.build import values as chart_values
from generator.iam import deployer
from generator.plan import text as plan_text
from generator.plan.model import Plan
from generator.solution.model import Solution

# Says which files a build wrote; JSON files, which cannot hold a comment, are named only there.
MADE_FROM = "made-from.json"
UMBRELLA, RUNTIMES_ALONE = "sd-on-eks", "sd-runtimes"
CHARTS = (UMBRELLA, RUNTIMES_ALONE)

_MADE = "Made by `generator build` from"
_COMMENT = {".yaml": ("# ", ""), ".md": ("<!-- ", " -->")}


@dataclass(frozen=True)
class ConfigFile:
    """The config that files are made from: its name and the SHA-256 of its text."""

    name: str
    sha256: str


def config_file(name: str, text: str) -> ConfigFile:
    """The config file of this name and text; of a path, only the last part counts."""
    return ConfigFile(PurePosixPath(name.replace("\\", "/")).name, hashlib.sha256(text.encode()).hexdigest())


def build(solution: Solution, source: ConfigFile, chart: str, plan: Plan) -> dict[str, str]:
    """Path and text of each file for `chart`, each with a line that says what it was made from."""
    alone = chart == RUNTIMES_ALONE
    bodies = chart_values.runtimes_alone(solution) if alone else _everything(solution, plan)
    files = {path: _headed(path, text, source) for path, text in bodies.items()}
    return {**files, MADE_FROM: _made_from(files, source)}


def without_header(text: str) -> str:
    """A file's text without the line that says what it was made from, so that two builds can be compared."""
    first, _, rest = text.partition("\n")
    return rest if _MADE in first else text


def _everything(solution: Solution, plan: Plan) -> dict[str, str]:
    """In the order in which they are applied; the plan last."""
    return {
        **stack.files(solution),
        **cluster.files(solution),
        **chart_values.umbrella(solution),
        **deployer.files(solution),
        **plan_text.files(plan),
    }


def _headed(path: str, text: str, source: ConfigFile) -> str:
    if (suffix := PurePosixPath(path).suffix) not in _COMMENT:
        return text
    start, end = _COMMENT[suffix]
    line = f"{_MADE} {source.name} (sha256 {source.sha256[:12]}): edit that, not this."
    return f"{start}{line}{end}\n{text}"


def _made_from(files: Mapping[str, str], source: ConfigFile) -> str:
    hashes = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())}
    return json.dumps({"config": source.name, "sha256": source.sha256, "files": hashes}, indent=2) + "\n"
