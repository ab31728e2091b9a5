"""Downloads the charts that charts/sd-on-eks depends on, and puts KEDA's CRDs into its crds/.

`python -m generator.deploy.chart_deps --eks 1.34` prints the folder of the chart to install.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from generator import paths, yaml_loader
from generator.build.files import UMBRELLA
from generator.deploy import chart_digests, charts
from generator.deploy.tools import MissingProgramError, Tools
from generator.errors import AwsError, Exit
from generator.facts.facts import Facts
from generator.facts.versions import ChartDigests, Versions


@dataclass(frozen=True)
class Dependency:
    """One dependency of Chart.yaml."""

    name: str
    version: str
    repository: str

    @property
    def ours(self) -> bool:
        """Whether it is a chart of this project."""
        return self.repository.startswith("file://")


def chart_versions(row: Versions) -> dict[str, str]:
    """The chart version of each dependency that belongs to an EKS version."""
    return {
        "karpenter": row.karpenter,
        "keda": row.keda_chart,
        "aws-mountpoint-s3-csi-driver": row.s3_csi,
    }


def pinned(text: str, versions: Mapping[str, str]) -> str:
    """The text of a Chart.yaml with other versions of its dependencies; everything else stays as it is."""
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        name = line.strip().removeprefix("- name: ")
        if line.strip().startswith("- name: ") and name in versions:
            indent = lines[index + 1].split("version:")[0]
            lines[index + 1] = f"{indent}version: {versions[name]}\n"
    return "".join(lines)


def dependencies(text: str) -> list[Dependency]:
    """The dependencies in the text of a Chart.yaml."""
    rows = yaml_loader.load(text).get("dependencies", [])
    return [Dependency(str(row["name"]), str(row["version"]), str(row["repository"])) for row in rows]


def download(tools: Tools, row: Versions, chart: Path, digests: ChartDigests) -> None:
    """Make `chart` the umbrella for one EKS version, with its dependencies and KEDA's CRDs.

    A dry run prints the commands only. Raises MissingProgramError, and AwsError also for an archive that is
    not the one on record.
    """
    tools.need("helm")
    source = charts.source(UMBRELLA)
    text = pinned((source / "Chart.yaml").read_text("utf-8"), chart_versions(row))
    if tools.dry_run:
        for dependency in dependencies(text):
            tools.run("helm", *fetch_command(dependency), "--destination", str(chart / "charts"))
        return
    if chart != source:
        shutil.rmtree(chart, ignore_errors=True)
        shutil.copytree(source, chart, ignore=shutil.ignore_patterns("charts", "crds"))
        (chart / "Chart.yaml").write_text(text, "utf-8")
    with tempfile.TemporaryDirectory(dir=chart.parent, prefix=".deps-") as folder:
        for dependency in dependencies(text):
            tools.run("helm", *fetch_command(dependency), "--destination", folder)
        _check(Path(folder), dependencies(text), digests)
        crds = _keda_crds(tools, Path(folder))
        shutil.rmtree(chart / "charts", ignore_errors=True)
        shutil.copytree(folder, chart / "charts")
    (chart / "crds").mkdir(exist_ok=True)
    (chart / "crds" / "keda.yaml").write_text(crds, "utf-8")


def _check(folder: Path, rows: Sequence[Dependency], digests: ChartDigests) -> None:
    """Raises AwsError for an archive of others that is not the one on record."""
    ours = {f"{row.name}-{row.version}.tgz" for row in rows if row.ours}
    for archive in sorted(folder.glob("*.tgz")):
        if archive.name in ours:
            continue
        problem = chart_digests.unexpected(archive.name, archive.read_bytes(), digests)
        if problem:
            raise AwsError(problem)


def fetch_command(dependency: Dependency) -> list[str]:
    """The arguments with which Helm fetches one dependency."""
    if dependency.ours:
        return ["package", str(charts.source(dependency.name))]
    if dependency.repository.startswith("oci://"):
        return ["pull", f"{dependency.repository}/{dependency.name}", "--version", dependency.version]
    return ["pull", dependency.name, "--repo", dependency.repository, "--version", dependency.version]


def _keda_crds(tools: Tools, folder: Path) -> str:
    """KEDA's CRDs, which are templates of its chart: a release cannot hold CRDs and their objects alike."""
    archive = next(folder.glob("keda-*.tgz"), None)
    if archive is None:
        raise AwsError("helm has written no archive of KEDA's chart: run the command again")
    command = ["helm", "template", "keda", str(archive), "--set", "crds.install=true"]
    text = tools.read(*command, "--show-only", "templates/crds/*.yaml")
    documents = list(yaml_loader.load_all(text or ""))
    crds = [crd for crd in documents if crd and crd["kind"] == "CustomResourceDefinition"]
    if not any(crd["metadata"]["name"] == "scaledobjects.keda.sh" for crd in crds):
        raise AwsError(f"{archive.name} has no CRD of ScaledObjects in templates/crds/")
    return yaml.safe_dump_all(crds, sort_keys=False)


def main() -> int:
    """Download, and print the folder of the chart; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--eks", default=charts.PINNED_EKS, help=f"EKS version (default: {charts.PINNED_EKS})"
    )
    parser.add_argument("--folder", action="store_true", help="print the folder only, download nothing")
    args = parser.parse_args()
    facts = Facts(paths.data())
    if args.eks not in facts.eks_versions():
        print(f"EKS {args.eks} is not supported: use {', '.join(facts.eks_versions())}", file=sys.stderr)
        return Exit.CONFIG
    chart = charts.folder(UMBRELLA, args.eks)
    tools = Tools(lambda line: print(line, file=sys.stderr), dry_run=False, environment={})
    try:
        if not args.folder:
            download(tools, facts.versions(args.eks), chart, facts.chart_digests())
    except (AwsError, MissingProgramError) as error:
        print(error, file=sys.stderr)
        return Exit.AWS
    print(chart.relative_to(paths.root()) if chart.is_relative_to(paths.root()) else chart)
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
