"""`make deps` and `make chart-digests`: the charts of an EKS version, each the archive on record."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from generator import app, yaml_loader
from generator.deploy import chart_deps, chart_digests
from generator.facts.versions import ChartDigests

from .conftest import ROOT, helm
from .stand_ins import render, stand_in

FAKE_HELM = """#!/bin/sh
# Stands for the registries: `pull` packs a stand-in, the rest is Helm's own.
if [ "$1" = pull ]; then
  name=$(basename "$2")
  while [ "$1" != --destination ]; do shift; done
  cp '{stand_ins}'/"$name"-*.tgz "$2"
  exit
fi
exec '{helm}' "$@"
"""


def make_deps(tmp_path: Path, eks: str, *, digests_of_stand_ins: bool) -> subprocess.CompletedProcess[str]:
    """`make deps` in a copy of the project, with stand-ins for the real charts."""
    for part in ("charts", "generator"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.tgz", "crds"))
    table = json.loads((ROOT / "generator" / "facts" / "data" / "versions.json").read_text())
    row = dict(zip(table["columns"], table["eks"][eks], strict=True))
    columns = {"karpenter": "karpenter", "keda": "keda_chart", "aws-mountpoint-s3-csi-driver": "s3_csi"}
    for name, column in columns.items():
        stand_in(tmp_path / "sources", name, row[column])
        package = [helm(), "package", str(tmp_path / "sources" / name)]
        subprocess.run(
            [*package, "--destination", str(tmp_path / "stand-ins")], check=True, capture_output=True
        )
    if digests_of_stand_ins:
        archives = (tmp_path / "stand-ins").glob("*.tgz")
        digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in archives}
        record = {"sha256": digests, "contents": {"sha256": {}}}
        (tmp_path / "generator/facts/data/charts.json").write_text(json.dumps(record))
    fake = tmp_path / "bin" / "helm"
    fake.parent.mkdir()
    fake.write_text(FAKE_HELM.format(helm=helm(), stand_ins=tmp_path / "stand-ins"))
    fake.chmod(0o755)
    command = [sys.executable, "-m", "generator.deploy.chart_deps", "--eks", eks]
    env = {
        **os.environ,
        "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path),
    }
    return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)


@pytest.mark.thorough
@pytest.mark.parametrize(("eks", "keda"), [("1.28", "2.15.2"), ("1.34", "2.20.2")])
def test_make_deps_fills_the_chart_for_each_row(tmp_path: Path, eks: str, keda: str) -> None:
    done = make_deps(tmp_path, eks, digests_of_stand_ins=True)
    assert done.returncode == 0, done.stderr
    chart = tmp_path / done.stdout.strip().splitlines()[-1]
    assert chart.parts[-1] == "sd-on-eks"
    assert (chart / "charts" / f"keda-{keda}.tgz").exists()
    crds = list(yaml_loader.load_all((chart / "crds" / "keda.yaml").read_text()))
    assert [dependency["metadata"]["name"] for dependency in crds] == ["scaledobjects.keda.sh"]
    assert "Deployment/one" in render(chart)


def test_a_chart_with_another_digest_is_refused_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    done = make_deps(tmp_path, "1.34", digests_of_stand_ins=False)
    assert done.returncode == 3
    assert (
        "aws-mountpoint-s3-csi-driver-2.7.0.tgz is not the chart that this version was tested with"
        in done.stderr
    )
    assert not list(tmp_path.rglob("sd-on-eks/**/keda-*.tgz"))


PULL_ANYTHING = """#!/bin/sh
# Stands for the registries: `pull` writes an archive that holds its own name.
[ "$1" = pull ] || exit 1
name=$(basename "$2")
while [ "$1" != --version ]; do shift; done
version=$2
while [ "$1" != --destination ]; do shift; done
echo "$name $version" > "$2/$name-$version.tgz"
"""


@pytest.mark.parametrize("changed", [False, True])
def test_digests_are_recorded_for_every_chart_and_never_replaced(tmp_path: Path, changed: bool) -> None:
    for part in ("charts/sd-on-eks", "generator", "tools"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.tgz", "crds"))
    facts, record = app.facts(), tmp_path / "generator/facts/data/charts.json"
    rows = [chart_deps.chart_versions(facts.versions(eks)) for eks in facts.eks_versions()]
    digests = {
        f"{name}-{version}.tgz": hashlib.sha256(f"{name} {version}\n".encode()).hexdigest()
        for row in rows
        for name, version in row.items()
    }
    karpenter = next(name for name in digests if name.startswith("karpenter-"))
    recorded = {karpenter: "0" * 64 if changed else digests[karpenter]}
    before = json.dumps({"sha256": recorded, "contents": {"sha256": {}}})
    record.write_text(before)
    fake = tmp_path / "bin" / "helm"
    fake.parent.mkdir()
    fake.write_text(PULL_ANYTHING)
    fake.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path),
    }

    done = subprocess.run(
        [sys.executable, "tools/chart_digests.py"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode != 0) is changed, done.stderr
    if changed:
        assert f"not the archives on record: {karpenter}" in done.stderr
        assert record.read_text() == before
    else:
        assert json.loads(record.read_text())["sha256"] == digests


@pytest.mark.parametrize("eks", app.facts().eks_versions())
def test_every_chart_that_is_downloaded_is_on_record(eks: str) -> None:
    facts = app.facts()
    charts = chart_deps.chart_versions(facts.versions(eks))
    recorded = facts.chart_digests().archives.keys() | facts.chart_digests().contents.keys()
    assert {f"{name}-{version}.tgz" for name, version in charts.items()} <= recorded


def _packaged(chart: Path, destination: Path) -> bytes:
    command = [helm(), "package", str(chart), "--destination", str(destination)]
    subprocess.run(command, check=True, capture_output=True)
    [archive] = destination.glob("*.tgz")
    return archive.read_bytes()


def test_the_record_of_a_charts_files_holds_for_an_archive_of_another_day(tmp_path: Path) -> None:
    stand_in(tmp_path, "karpenter", "1.8.8")
    archive = _packaged(tmp_path / "karpenter", tmp_path / "first")
    later = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as files,
        tarfile.open(fileobj=later, mode="w:gz") as others,
    ):
        for entry in reversed(files.getmembers()):
            content = files.extractfile(entry)
            entry.mtime = 1_800_000_000
            others.addfile(entry, content)

    digests = ChartDigests({}, {"karpenter-1.8.8.tgz": chart_digests.content_digest(archive)})
    assert later.getvalue() != archive
    assert chart_digests.unexpected("karpenter-1.8.8.tgz", later.getvalue(), digests) is None


@pytest.mark.parametrize(
    "path",
    ["values.yaml", "templates/shown.yaml", "templates/new.yaml", "crds/new.yaml", "charts/x/Chart.yaml"],
)
def test_a_file_that_helm_renders_cannot_be_changed_or_added(tmp_path: Path, path: str) -> None:
    stand_in(tmp_path, "karpenter", "1.8.8")
    digest = chart_digests.content_digest(_packaged(tmp_path / "karpenter", tmp_path / "first"))
    file = tmp_path / "karpenter" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as text:
        text.write("name: x\nversion: 1.0.0\napiVersion: v2\n")
    changed = _packaged(tmp_path / "karpenter", tmp_path / "second")

    problem = chart_digests.unexpected(
        "karpenter-1.8.8.tgz", changed, ChartDigests({}, {"karpenter-1.8.8.tgz": digest})
    )
    assert "is not the chart that this version was tested with" in str(problem)


@pytest.mark.parametrize("part", ["nothing", "a page", "half"])
def test_a_broken_archive_is_refused_in_words(tmp_path: Path, part: str) -> None:
    stand_in(tmp_path, "karpenter", "1.8.8")
    archive = _packaged(tmp_path / "karpenter", tmp_path / "first")
    content = {"nothing": b"", "a page": b"<html>", "half": archive[: len(archive) // 2]}[part]

    digests = ChartDigests({}, {"karpenter-1.8.8.tgz": chart_digests.content_digest(archive)})
    problem = chart_digests.unexpected("karpenter-1.8.8.tgz", content, digests)
    assert str(problem).startswith("karpenter-1.8.8.tgz is not a chart (")


def test_a_chart_that_is_not_on_record_is_refused() -> None:
    problem = chart_digests.unexpected("karpenter-9.9.9.tgz", b"", ChartDigests({}, {}))
    assert problem == "karpenter-9.9.9.tgz has no SHA-256 on record: run `make chart-digests`"


def test_a_version_of_eks_that_is_not_in_the_table_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "generator.deploy.chart_deps", "--eks", "1.20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("EKS 1.20 is not supported: use 1.28, ")
