"""build, render, diff and init, run as a user runs them."""

import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import yaml_loader

ROOT = Path(__file__).resolve().parents[2]
SECOND = {"name": "graphs", "type": "comfyui"}
Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def file(tmp_path: Path, config: dict[str, Any]) -> Path:
    """A config in the folder that commands run in."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def change_config(file: Path, **top: Any) -> None:
    file.write_text(yaml.safe_dump({**yaml_loader.load(file.read_text()), **top}))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_build_writes_every_file_of_the_contract(file: Path, cli: Cli) -> None:
    result = cli("build", "config.yaml")

    names = {"stack.yaml", "network.yaml", "cluster.yaml", "values/platform.yaml", "values/sdxl.yaml"}
    names |= {"iam/deployer-policy.json", "plan.md", "plan.json", "made-from.json"}
    assert result.returncode == 0, result.stderr
    assert names <= set(files_of(file.parent / "build/demo"))


@pytest.mark.thorough
def test_build_prints_the_path_of_each_file(file: Path, cli: Cli) -> None:
    printed = cli("build", "config.yaml").stdout.split()

    assert set(printed) == {f"build/demo/{path}" for path in files_of(file.parent / "build/demo")}


def test_the_same_config_gives_the_same_bytes(file: Path, cli: Cli) -> None:
    cli("build", "config.yaml", "-o", "one")
    cli("build", "config.yaml", "-o", "two")

    assert files_of(file.parent / "one") == files_of(file.parent / "two")


@pytest.mark.thorough
def test_every_file_says_which_config_it_was_made_from(file: Path, cli: Cli) -> None:
    cli("build", "config.yaml")

    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    files = files_of(file.parent / "build/demo")
    listed = json.loads(files.pop("made-from.json"))
    assert listed["config"] == "config.yaml"
    assert listed["sha256"] == digest
    assert listed["files"] == {path: hashlib.sha256(text).hexdigest() for path, text in sorted(files.items())}
    for path, text in files.items():
        first = text.decode().partition("\n")[0]
        assert path.endswith(".json") or f"config.yaml (sha256 {digest[:12]})" in first, path


@pytest.mark.thorough
def test_a_config_that_is_wrong_leaves_the_last_build_as_it_was(file: Path, cli: Cli) -> None:
    cli("build", "config.yaml")
    before = files_of(file.parent / "build")
    change_config(file, stackName="Not A Name")

    result = cli("build", "config.yaml")

    assert result.returncode == 2
    assert files_of(file.parent / "build") == before


@pytest.mark.thorough
def test_a_folder_that_is_not_a_build_is_refused_with_a_fix(file: Path, cli: Cli) -> None:
    (file.parent / "build/demo").mkdir(parents=True)
    (file.parent / "build/demo/mine.txt").write_text("mine")

    result = cli("build", "config.yaml")

    assert result.returncode == 2
    assert "choose another folder with -o" in result.stderr


@pytest.mark.thorough
def test_a_folder_that_cannot_be_made_is_named(file: Path, cli: Cli) -> None:
    (file.parent / "build").write_text("a file")

    result = cli("build", "config.yaml")

    assert result.returncode == 2
    assert "cannot write build" in result.stderr


def test_build_for_the_runtimes_chart_writes_its_values_alone(file: Path, cli: Cli) -> None:
    cli("build", "config.yaml", "--chart", "sd-runtimes")

    assert set(files_of(file.parent / "build/demo")) == {"values/sdxl.yaml", "made-from.json"}


@pytest.mark.thorough
def test_render_prints_manifests_that_read_as_yaml(file: Path, cli: Cli) -> None:
    result = cli("render", "config.yaml", "--chart", "sd-runtimes")

    kinds = {manifest["kind"] for manifest in yaml_loader.load_all(result.stdout) if manifest}
    assert {"Deployment", "ScaledObject", "NodePool", "EC2NodeClass"} <= kinds


def test_render_writes_nothing(file: Path, cli: Cli) -> None:
    cli("render", "config.yaml", "--chart", "sd-runtimes")

    assert [path.name for path in file.parent.iterdir()] == ["config.yaml"]


@pytest.mark.thorough
def test_diff_shows_what_a_changed_config_changes_in_the_last_build(file: Path, cli: Cli) -> None:
    cli("build", "config.yaml")
    change_config(file, tags={"team": "art"})

    result = cli("diff", "config.yaml")

    assert result.returncode == 0, result.stderr
    assert "+++ b/values/sdxl.yaml" in result.stdout
    assert "+    team: art" in result.stdout


@pytest.mark.thorough
def test_diff_of_an_unchanged_config_prints_nothing(file: Path, cli: Cli) -> None:
    cli("build", "config.yaml")
    file.write_text("# only a comment is new\n" + file.read_text())

    assert cli("diff", "config.yaml").stdout == ""


@pytest.mark.thorough
def test_diff_against_another_config_needs_no_build(file: Path, cli: Cli) -> None:
    other = file.read_text()
    change_config(file, eksVersion="1.34")

    result = cli("diff", "config.yaml", "--against", "-", stdin=other)

    assert re.search(r'^-  version: "1.28"\n\+  version: "1.34"$', result.stdout, re.MULTILINE)


@pytest.mark.thorough
def test_diff_names_a_removed_runtime_and_what_it_keeps(file: Path, cli: Cli) -> None:
    one = yaml_loader.load(file.read_text())["modelsRuntime"]
    other = yaml.safe_dump({**yaml_loader.load(file.read_text()), "modelsRuntime": [*one, SECOND]})

    result = cli("diff", "config.yaml", "--against", "-", stdin=other)

    losses = result.stdout.partition("Removed or replaced:\n")[2].splitlines()
    assert "  - AWS::SQS::Queue demo-graphs (kept in the account)" in losses
    assert "  - runtime graphs (pods, nodes and volume claims)" in losses


@pytest.mark.thorough
def test_diff_compares_both_configs_in_the_same_zones(file: Path, cli: Cli) -> None:
    words = ["--zones", "us-west-2a,us-west-2b,us-west-2d", "--against", "config.yaml"]

    assert cli("diff", "config.yaml", *words).stdout == ""


@pytest.mark.thorough
def test_diff_without_a_build_says_that_every_file_is_new(file: Path, cli: Cli) -> None:
    result = cli("diff", "config.yaml")

    assert "every file is new" in result.stderr
    assert "--- /dev/null" in result.stdout


@pytest.mark.thorough
def test_diff_has_no_colors_in_a_pipe(file: Path, cli: Cli) -> None:
    assert "\x1b" not in cli("diff", "config.yaml").stdout


@pytest.mark.parametrize("kind", ["sdwebui", "comfyui", "invokeai", "custom"])
@pytest.mark.parametrize("region", ["us-east-1", pytest.param("cn-north-1", marks=pytest.mark.thorough)])
def test_a_first_config_validates(kind: str, region: str, tmp_path: Path, cli: Cli) -> None:
    words = ["--no-questions", "--type", kind, "--region", region, "--account", "123456789012"]
    (tmp_path / "config.yaml").write_text(cli("init", *words).stdout)

    result = cli("validate", "config.yaml")

    assert result.returncode == 0, result.stderr


def test_init_never_overwrites_a_file(file: Path, cli: Cli) -> None:
    before = file.read_text()

    result = cli("init", "-o", "config.yaml")

    assert result.returncode == 2
    assert file.read_text() == before


def test_init_refuses_an_answer_that_is_not_valid_in_a_config(tmp_path: Path, cli: Cli) -> None:
    result = cli("init", "--stack-name", "Not A Name", "-o", "config.yaml")

    assert result.returncode == 2
    assert "stackName" in result.stderr
    assert not (tmp_path / "config.yaml").exists()


def test_init_asks_on_a_terminal_for_what_no_flag_sets(tmp_path: Path) -> None:
    answers = "art\n123456789012\n\ncomfyui\n"

    config = yaml_loader.load(init_output(tmp_path, answers, "--region", "us-east-1"))

    assert config["stackName"] == "art"
    assert config["region"] == "us-east-1"
    assert config["modelBucketArn"] == "arn:aws:s3:::art-models-123456789012"
    assert config["modelsRuntime"][0]["type"] == "comfyui"


def init_output(folder: Path, answers: str, *words: str) -> str:
    """What init writes when these lines are typed at a terminal."""
    terminal, child = pty.openpty()
    command = [sys.executable, "-m", "generator", "init", *words]
    with subprocess.Popen(
        command, cwd=folder, stdin=child, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        os.write(terminal, answers.encode())
        text, _ = run.communicate(timeout=30)
    os.close(child)
    os.close(terminal)
    return text
