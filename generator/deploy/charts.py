"""Where the charts are: in the project, or as a copy with the versions that belong to another EKS version."""

from collections.abc import Iterable
from pathlib import Path

from generator import paths
from generator.build.files import RUNTIMES_ALONE, UMBRELLA

# The EKS version to which charts/sd-on-eks/Chart.yaml is pinned.
PINNED_EKS = "1.28"


def source(chart: str) -> Path:
    """The chart as it ships with the generator."""
    return paths.root() / "charts" / chart


def folder(chart: str, eks: str = PINNED_EKS, output: Path = paths.DEFAULT_OUTPUT) -> Path:
    """Where a chart for an EKS version is, or will be once its dependencies are downloaded.

    For another EKS version than the pinned one the umbrella is a copy in build/charts. An installed package
    is read-only: its copies are in `output`/.charts, next to the builds (no stack's name starts with a dot).
    """
    if chart != UMBRELLA:
        return source(chart)
    if paths.installed():
        return output.absolute() / ".charts" / eks / chart
    return source(chart) if eks == PINNED_EKS else paths.root() / "build" / "charts" / eks / chart


def best(eks: str, output: Path = paths.DEFAULT_OUTPUT) -> str:
    """The umbrella where its dependencies are downloaded, the runtimes' chart otherwise."""
    downloaded = any((folder(UMBRELLA, eks, output) / "charts").glob("*.tgz"))
    return UMBRELLA if downloaded else RUNTIMES_ALONE


def sources(charts: Path) -> list[Path]:
    """The files in `charts` that the umbrella and its dependencies are made from.

    Python's caches appear when a script of a chart is imported: they are not part of a chart.
    """
    umbrella = charts / UMBRELLA
    downloaded = {umbrella / "charts", umbrella / "crds"}
    files = [path for chart in (charts / RUNTIMES_ALONE, umbrella) for path in chart.rglob("*")]
    files = [path for path in files if path.is_file() and "__pycache__" not in path.parts]
    return [path for path in files if downloaded.isdisjoint(path.parents)]


def current(chart: Path, made_from: Iterable[Path]) -> bool:
    """Whether the dependencies of a chart are downloaded, and none is older than what it was made from."""
    packages = [path.stat().st_mtime for path in (chart / "charts").glob("*.tgz")]
    changed = [path.stat().st_mtime for path in made_from]
    return bool(packages) and min(packages) >= max(changed, default=0.0)
