"""Renders charts with Helm."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from generator.build import folder as build_folder
from generator.deploy import tools
from generator.solution import names


class HelmError(Exception):
    """Helm is not installed, or failed on the chart with these values."""


def template(
    release: str, chart: Path, kubernetes: str, files: Mapping[str, str], *, whole: bool = False
) -> str:
    """The manifests of a release, with the values files among `files`. Raises HelmError.

    `kubernetes` is the version of the cluster, such as 1.34. `whole`: with the CRDs, and without hooks, which
    only Helm runs.
    """
    if not chart.is_dir():
        raise HelmError(f"{chart} does not exist: `make deps EKS={kubernetes}` in a clone creates it")
    helm = tools.find("helm")
    if helm is None:
        raise HelmError("helm is not on PATH: `make setup` in a clone installs it in .cache/bin")
    with tempfile.TemporaryDirectory(prefix="sd-on-eks-") as scratch:
        folder = Path(scratch) / release
        build_folder.replace(folder, files)
        values = [str(folder / path) for path in files if path.startswith("values/")]
        command = [helm, "template", release, str(chart), "--namespace", names.PLATFORM_NAMESPACE]
        command += ["--kube-version", kubernetes, *(word for path in values for word in ("-f", path))]
        command += ["--include-crds", "--no-hooks"] if whole else []
        result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
    if result.returncode:
        raise HelmError(result.stderr.replace(f"{scratch}{os.sep}", ""))
    return result.stdout
