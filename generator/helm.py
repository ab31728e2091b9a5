"""Runs Helm: the one from PATH, or the one that `make setup` puts into .cache/bin."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from generator import names, paths, write
from generator.files import RUNTIMES_ALONE, UMBRELLA


class HelmError(Exception):
    """Helm is not there, or refused the charts with these values."""


def template(release: str, chart: Path, kubernetes: str, files: Mapping[str, str]) -> str:
    """The manifests that `chart` gives with the values files among `files`."""
    with tempfile.TemporaryDirectory(prefix="sd-on-eks-") as scratch:
        folder = Path(scratch) / release
        write.replace(folder, files)
        values = [str(folder / path) for path in files if path.startswith("values/")]
        command = [_binary(), "template", release, str(chart), "--namespace", names.PLATFORM_NAMESPACE]
        command += ["--kube-version", kubernetes, *(word for path in values for word in ("-f", path))]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
    if done.returncode:
        raise HelmError(done.stderr.replace(f"{scratch}{os.sep}", ""))
    return done.stdout


def chart_folder(chart: str) -> Path:
    """Where a chart of ours lies."""
    return paths.root() / "charts" / chart


def best_chart() -> str:
    """The umbrella when `make deps` has pulled its dependencies, the runtimes' chart otherwise."""
    pulled = chart_folder(UMBRELLA) / "charts"
    return UMBRELLA if pulled.is_dir() and any(pulled.glob("*.tgz")) else RUNTIMES_ALONE


def _binary() -> str:
    found = shutil.which("helm") or shutil.which("helm", path=str(paths.root() / ".cache" / "bin"))
    if found is None:
        raise HelmError("helm is not on PATH: `make setup` in a clone puts it into .cache/bin\n")
    return found
