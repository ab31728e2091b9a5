"""Which charts are pulled, and when again."""

import os
import shlex
from pathlib import Path

import pytest

from generator import paths
from generator.cli import main
from generator.deploy import charts, steps
from generator.deploy.tools import Tools
from generator.errors import Exit
from generator.facts.facts import Facts
from testing.account import Account, write_config
from tests.deploy.conftest import Bench, MakeBench

FACTS = Facts(paths.data())


def pulls(bench_job: Bench) -> list[str]:
    """The commands with which a release would pull its charts."""
    dry = bench_job.with_(tools=Tools(bench_job.messages.append, dry_run=True, environment={}))
    steps.run(dry.job, ["release"])
    return [line for line in dry.messages if line.startswith(("$ helm pull", "$ helm package"))]


def test_charts_that_are_missing_are_pulled_for_this_eks_version(fresh: Bench) -> None:
    (fresh.job.chart / "charts" / "keda-2.20.2.tgz").unlink()

    commands = pulls(fresh)

    karpenter = ("karpenter", FACTS.versions("1.34").karpenter)
    assert len(commands) == 4
    assert any(all(word in command for word in karpenter) for command in commands)


def test_charts_that_are_there_are_not_pulled_again(fresh: Bench) -> None:
    assert pulls(fresh) == []


def test_charts_that_are_older_than_their_source_are_pulled_again(fresh: Bench) -> None:
    os.utime(fresh.job.chart / "charts" / "keda-2.20.2.tgz", (0, 0))

    assert len(pulls(fresh)) == 4


def test_pulled_charts_do_not_count_as_sources(tmp_path: Path) -> None:
    umbrella = tmp_path / "charts" / "sd-on-eks"
    for folder in (*(umbrella / name for name in ("charts", "crds", "templates")), umbrella / "__pycache__"):
        folder.mkdir(parents=True)
        (folder / "file").touch()

    assert charts.sources(tmp_path / "charts") == [umbrella / "templates" / "file"]


@pytest.mark.thorough
@pytest.mark.parametrize("eks", FACTS.eks_versions())
def test_the_chart_of_the_row_of_the_eks_version_is_installed(
    eks: str, account: Account, bench: MakeBench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench("one")
    config = write_config(tmp_path, account, {"name": "one", "type": "comfyui"}, eksVersion=eks)
    words = [str(config), "-o", str(tmp_path / "out"), "--only", "release", "--dry-run"]

    assert main.main(["deploy", *words]) == Exit.DONE

    output = capsys.readouterr().out
    chart = "charts" if eks == "1.28" else f"build/charts/{eks}"
    folder = shlex.quote(str(paths.root() / chart / "sd-on-eks"))
    assert f"helm upgrade --install demo {folder} " in output
    assert f"helm show crds {folder} " in output
    pull = f"/karpenter --version {FACTS.versions(eks).karpenter} --destination"
    assert pull in output or f"{chart}/sd-on-eks: its dependencies are downloaded already" in output
