"""Pull the charts that charts/sd-on-eks depends on, and put KEDA's CRDs into its crds/.

For the EKS version that Chart.yaml is pinned to this happens in place. For another one (`--eks 1.34`) a
copy of the umbrella goes to build/charts/1.34/, with the versions of that row of facts/data/versions.json.
The last line of output is the folder of the chart to install.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
UMBRELLA = "sd-on-eks"
# Which column of versions.json pins which dependency.
COLUMNS = {"karpenter": "karpenter", "keda": "keda_chart", "aws-mountpoint-s3-csi-driver": "s3_csi"}


def row(eks: str) -> dict[str, str]:
    """The versions that belong to one version of EKS, by the name of the dependency."""
    table = json.loads((ROOT / "generator" / "facts" / "data" / "versions.json").read_text(encoding="utf-8"))
    if eks not in table["eks"]:
        sys.exit(
            f"EKS {eks} is not in generator/facts/data/versions.json, which has {', '.join(table['eks'])}"
        )
    values = dict(zip(table["columns"], table["eks"][eks], strict=True))
    return {name: values[column] for name, column in COLUMNS.items()}


def pinned(text: str, versions: dict[str, str]) -> str:
    """The text of a Chart.yaml with other versions of its dependencies; everything else stays as it is."""
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        name = line.strip().removeprefix("- name: ")
        if line.strip().startswith("- name: ") and name in versions:
            indent = lines[index + 1].split("version:")[0]
            lines[index + 1] = f"{indent}version: {versions[name]}\n"
    return "".join(lines)


def dependencies(chart: Path) -> list[dict[str, Any]]:
    """What a chart says it depends on."""
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    return list(metadata.get("dependencies", []))


def place(eks: str) -> Path:
    """The umbrella to fill for one version of EKS: the one in charts/, or a copy with other versions."""
    chart, versions = CHARTS / UMBRELLA, row(eks)
    text = (chart / "Chart.yaml").read_text(encoding="utf-8")
    if pinned(text, versions) == text:
        return chart
    copy = ROOT / "build" / "charts" / eks / UMBRELLA
    shutil.rmtree(copy.parent, ignore_errors=True)
    shutil.copytree(chart, copy, ignore=shutil.ignore_patterns("charts", "crds"))
    (copy / "Chart.yaml").write_text(pinned(text, versions), encoding="utf-8")
    return copy


def pull(chart: Path, helm: str) -> None:
    """Fill charts/ with the dependencies of `chart`, each at its exact version; all of them or none."""
    with tempfile.TemporaryDirectory(dir=chart.parent, prefix=".deps-") as folder:
        for dependency in dependencies(chart):
            print("{name} {version} from {repository}".format(**dependency), file=sys.stderr)
            command = [helm, *fetching(**dependency), "--destination", folder]
            subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603
        shutil.rmtree(chart / "charts", ignore_errors=True)
        shutil.copytree(folder, chart / "charts")


def fetching(name: str, version: str, repository: str, **_: Any) -> list[str]:
    """The words that make Helm fetch one dependency."""
    if repository.startswith("file://"):
        return ["package", str(CHARTS / name)]
    if repository.startswith("oci://"):
        return ["pull", f"{repository}/{name}", "--version", version]
    return ["pull", name, "--repo", repository, "--version", version]


def keda_crds(chart: Path, helm: str) -> None:
    """Put KEDA's CRDs, which are templates of its chart, into crds/ of the umbrella."""
    archive = next((chart / "charts").glob("keda-*.tgz"))
    command = [helm, "template", "keda", str(archive), "--set", "crds.install=true"]
    command += ["--show-only", "templates/crds/*.yaml"]
    text = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout  # noqa: S603
    found = [crd for crd in yaml.safe_load_all(text) if crd and crd["kind"] == "CustomResourceDefinition"]
    if not any(crd["metadata"]["name"] == "scaledobjects.keda.sh" for crd in found):
        sys.exit(f"{archive.name} has no CRD of ScaledObjects in templates/crds/")
    folder = chart / "crds"
    folder.mkdir(exist_ok=True)
    (folder / "keda.yaml").write_text(yaml.safe_dump_all(found, sort_keys=False), encoding="utf-8")


def main() -> None:
    """Do it, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--eks", default="1.28", help="version of EKS (default: 1.28)")
    parser.add_argument("--helm", default="helm", help="the helm to run (default: the one on PATH)")
    options = parser.parse_args()
    chart = place(options.eks)
    try:
        pull(chart, options.helm)
        keda_crds(chart, options.helm)
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{' '.join(failed.cmd[:3])} failed: {failed.stderr or 'its words are above'}")
    print(chart.relative_to(ROOT) if chart.is_relative_to(ROOT) else chart)


if __name__ == "__main__":
    main()
