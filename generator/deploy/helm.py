"""Runs Helm: the one from PATH, or the one that `make setup` puts into .cache/bin."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from generator import paths
from generator.build import folder as build_folder
from generator.build.files import RUNTIMES_ALONE, UMBRELLA
from generator.solution import names

# The row of versions that charts/sd-on-eks itself is pinned to.
PINNED_EKS = "1.28"


class HelmError(Exception):
    """Helm is not there, or refused the charts with these values."""


def template(release: str, chart: Path, kubernetes: str, files: Mapping[str, str]) -> str:
    """The manifests that `chart` gives with the values files among `files`."""
    if not chart.is_dir():
        raise HelmError(f"there is no chart in {chart}: `make deps EKS={kubernetes}` writes it")
    with tempfile.TemporaryDirectory(prefix="sd-on-eks-") as scratch:
        folder = Path(scratch) / release
        build_folder.replace(folder, files)
        values = [str(folder / path) for path in files if path.startswith("values/")]
        command = [_binary(), "template", release, str(chart), "--namespace", names.PLATFORM_NAMESPACE]
        command += ["--kube-version", kubernetes, *(word for path in values for word in ("-f", path))]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
    if done.returncode:
        raise HelmError(done.stderr.replace(f"{scratch}{os.sep}", ""))
    return done.stdout


def chart_folder(chart: str, eks: str = PINNED_EKS) -> Path:
    """Where a chart lies. The umbrella for another EKS version is a copy that `make deps EKS=…` writes."""
    root = paths.root()
    if chart == UMBRELLA and eks != PINNED_EKS:
        return root / "build" / "charts" / eks / chart
    return root / "charts" / chart


def best_chart(eks: str) -> str:
    """The umbrella when `make deps` has pulled its dependencies, the runtimes' chart otherwise."""
    pulled = any((chart_folder(UMBRELLA, eks) / "charts").glob("*.tgz"))
    return UMBRELLA if pulled else RUNTIMES_ALONE


def _binary() -> str:
    found = shutil.which("helm") or shutil.which("helm", path=str(paths.root() / ".cache" / "bin"))
    if found is None:
        raise HelmError("helm is not on PATH: `make setup` in a clone puts it into .cache/bin")
    return found
