"""All files of one build, as text. Pure: the same config gives the same bytes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from generator.build import cluster, custom_nodes, image_builder, stack
from generator.build import values as chart_values
from generator.iam import controllers, deployer, keys, model_files
from generator.plan import text as plan_text
from generator.plan.model import Plan
from generator.solution.model import Solution

# Lists the files that a build wrote. JSON files cannot hold a comment: their config is named only there.
MADE_FROM = "made-from.json"
UMBRELLA, RUNTIMES_ALONE = "sd-on-eks", "sd-runtimes"
CHARTS = (UMBRELLA, RUNTIMES_ALONE)

_MADE_BY = "Made by `generator build` from"
# Start and end of a comment, by file type.
_COMMENT = {".yaml": ("# ", ""), ".md": ("<!-- ", " -->")}


@dataclass(frozen=True)
class ConfigFile:
    """The config that a build is made from: its file name and the SHA-256 of its text."""

    name: str
    sha256: str


def config_file(name: str, text: str) -> ConfigFile:
    """The config file with this name and text; of a path, only the last part is used."""
    return ConfigFile(PurePosixPath(name.replace("\\", "/")).name, hashlib.sha256(text.encode()).hexdigest())


def build(solution: Solution, config: ConfigFile, chart: str, plan: Plan) -> dict[str, str]:
    """Path and text of each file for `chart`, each with a header that names the config it was made from."""
    alone = chart == RUNTIMES_ALONE
    bodies = chart_values.runtimes_alone(solution) if alone else _everything(solution, plan)
    files = {path: _with_header(path, text, config) for path, text in bodies.items()}
    return {**files, MADE_FROM: _made_from(files, config)}


def without_header(text: str) -> str:
    """A file's text without its header, so that builds of two configs can be compared."""
    first, _, rest = text.partition("\n")
    return rest if _MADE_BY in first else text


def _everything(solution: Solution, plan: Plan) -> dict[str, str]:
    """All files, in the order in which they are applied; the plan is last."""
    return {
        **stack.files(solution),
        **(_in_existing_cluster(solution) if solution.existing_cluster else _with_own_cluster(solution)),
        **deployer.files(solution),
        **keys.files(solution),
        **model_files.files(solution),
        **custom_nodes.files(solution),
        image_builder.FILE: image_builder.template(solution),
        **plan_text.files(plan),
    }


def _with_own_cluster(solution: Solution) -> dict[str, str]:
    return {**cluster.files(solution), **chart_values.umbrella(solution)}


def _in_existing_cluster(solution: Solution) -> dict[str, str]:
    """The values of the runtimes' chart, and what the cluster's own controllers must be allowed to do."""
    return {**chart_values.runtimes_alone(solution), **controllers.files(solution)}


def _with_header(path: str, text: str, config: ConfigFile) -> str:
    if (suffix := PurePosixPath(path).suffix) not in _COMMENT:
        return text
    start, end = _COMMENT[suffix]
    line = f"{_MADE_BY} {config.name} (sha256 {config.sha256[:12]}): edit that, not this."
    return f"{start}{line}{end}\n{text}"


def _made_from(files: Mapping[str, str], config: ConfigFile) -> str:
    hashes = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())}
    return json.dumps({"config": config.name, "sha256": config.sha256, "files": hashes}, indent=2) + "\n"
