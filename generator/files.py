"""All files of one build, as text. Pure: the same config gives the same bytes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from generator import cluster, emit
from generator.model import Solution

# Says which files a build wrote; JSON files, which cannot hold a comment, are named only there.
MADE_FROM = "made-from.json"
UMBRELLA, RUNTIMES_ALONE = "sd-on-eks", "sd-runtimes"
CHARTS = (UMBRELLA, RUNTIMES_ALONE)

_COMMENT = {".yaml": ("# ", ""), ".md": ("<!-- ", " -->")}


@dataclass(frozen=True)
class Origin:
    """The config that files are made from: its name and the hash of its text."""

    name: str
    sha256: str


def origin(name: str, text: str) -> Origin:
    """The origin of what is made from a file with this text."""
    return Origin(PurePosixPath(name.replace("\\", "/")).name, hashlib.sha256(text.encode()).hexdigest())


def build(solution: Solution, source: Origin, chart: str, cluster_template: str) -> dict[str, str]:
    """Path and text of each file for `chart`, each with a line that says what it was made from."""
    bodies = _everything(solution, cluster_template) if chart == UMBRELLA else emit.runtimes_alone(solution)
    files = {path: _headed(path, text, source) for path, text in bodies.items()}
    return {**files, MADE_FROM: _made_from(files, source)}


def without_header(text: str) -> str:
    """A file's text without the line that says what it was made from, so that two builds can be compared."""
    first, _, rest = text.partition("\n")
    return rest if " generator build" in first else text


def _everything(solution: Solution, cluster_template: str) -> dict[str, str]:
    return {**cluster.files(solution, cluster_template), **emit.umbrella(solution)}


def _headed(path: str, text: str, source: Origin) -> str:
    if (suffix := PurePosixPath(path).suffix) not in _COMMENT:
        return text
    start, end = _COMMENT[suffix]
    said = f"Made by `generator build` from {source.name} (sha256 {source.sha256[:12]}): edit that, not this."
    return f"{start}{said}{end}\n{text}"


def _made_from(files: Mapping[str, str], source: Origin) -> str:
    hashes = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())}
    return json.dumps({"config": source.name, "sha256": source.sha256, "files": hashes}, indent=2) + "\n"
