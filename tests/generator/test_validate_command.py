"""`generator validate`, `explain` and `schema`, run as a user runs them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generator import yaml_loader

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).resolve().parents[2]
BAD = ROOT / "tests/generator/bad"
Account = Any  # the fixture's type, from tests/conftest.py
REFERENCE = sorted((ROOT / "tests/generator/reference").glob("*.yaml"))
WHERE = ("--region", "us-west-2", "--account", "123456789012")

GOOD = """\
stackName: studio
region: us-west-2
accountId: "123456789012"
eksVersion: "1.35"
modelBucketArn: arn:aws:s3:::studio-models
modelsRuntime:
  - {name: sdxl, type: sdwebui, modelFilename: sdxl.safetensors}
"""
WARNED = GOOD.replace("us-west-2", "eu-west-1")
WRONG = GOOD.replace("type: sdwebui", "type: sdwebu")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return name

    return write


def test_a_good_config_ends_with_0_and_says_so(cli: Cli, write: Callable[[str, str], str]) -> None:
    result = cli("validate", write("a.yaml", GOOD))

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "1 file: no problems\n")


def test_a_warning_ends_with_0(cli: Cli, write: Callable[[str, str], str]) -> None:
    result = cli("validate", write("a.yaml", WARNED))

    assert result.returncode == 0
    assert "[SD702]" in result.stderr


def test_a_warning_ends_with_2_when_strict(cli: Cli, write: Callable[[str, str], str]) -> None:
    assert cli("validate", "--strict", write("a.yaml", WARNED)).returncode == 2


def test_an_error_ends_with_2(cli: Cli, write: Callable[[str, str], str]) -> None:
    assert cli("validate", write("a.yaml", WRONG)).returncode == 2


def test_every_file_is_checked_in_the_order_given(cli: Cli, write: Callable[[str, str], str]) -> None:
    names = [write("b.yaml", WRONG), write("c.yaml", "]"), write("a.yaml", WRONG)]

    output = cli("validate", *names).stderr

    sources = [line.partition(":")[0] for line in output.splitlines() if ": error: " in line]
    assert sources == ["b.yaml", "c.yaml", "a.yaml"]


def test_problems_are_in_the_order_of_the_file(cli: Cli) -> None:
    result = cli("validate", str(BAD / "SD103-wrong-types/config.yaml"), "--format", "json")

    lines = [problem["line"] for problem in json.loads(result.stdout)["problems"]]
    assert lines == sorted(lines)
    assert len(lines) > 4


def test_a_file_that_is_not_there_does_not_stop_the_others(
    cli: Cli, write: Callable[[str, str], str]
) -> None:
    result = cli("validate", "missing.yaml", write("a.yaml", WRONG))

    assert "missing.yaml:1:1: error: $: cannot read the file: No such file or directory" in result.stderr
    assert "a.yaml:7:24: error" in result.stderr
    assert result.returncode == 2


def test_a_config_may_come_from_standard_input(cli: Cli) -> None:
    result = cli("validate", "-", stdin=WRONG)

    assert result.stderr.startswith("<stdin>:7:24: error: modelsRuntime[0].type:")


def test_a_flag_wins_over_the_config(cli: Cli, write: Callable[[str, str], str]) -> None:
    result = cli("validate", write("a.yaml", GOOD), "--region", "eu-west-1")

    assert "region eu-west-1 is not verified" in result.stderr


@pytest.mark.thorough
def test_the_account_can_come_from_aws(
    write: Callable[[str, str], str], account: Account, tmp_path: Path
) -> None:
    text = GOOD.replace('accountId: "123456789012"\n', "")

    result = with_environment(tmp_path, account.env, "validate", write("a.yaml", text), "--account-from-sts")

    assert (result.returncode, result.stderr) == (0, "1 file: no problems\n")


@pytest.mark.thorough
def test_no_answer_from_aws_ends_with_3(write: Callable[[str, str], str], tmp_path: Path) -> None:
    env = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_MAX_ATTEMPTS": "1"}
    env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"

    result = with_environment(tmp_path, env, "validate", write("a.yaml", GOOD), "--account-from-sts")

    assert result.returncode == 3
    assert "AWS could not be reached" in result.stderr


def with_environment(folder: Path, env: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "generator", *words]
    env = {**env, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_nothing_is_colored_outside_a_terminal(cli: Cli, write: Callable[[str, str], str]) -> None:
    assert "\x1b" not in cli("validate", write("a.yaml", WRONG)).stderr


@pytest.mark.parametrize("file", REFERENCE, ids=lambda file: file.stem)
def test_a_config_of_the_reference_system_is_accepted_unchanged(cli: Cli, file: Path) -> None:
    result = cli("validate", str(file), *WHERE)

    assert result.returncode == 0, result.stderr


def test_keys_of_the_reference_system_without_effect_say_why(cli: Cli) -> None:
    file = ROOT / "tests/generator/reference/snapshot-and-own-charts.yaml"

    output = cli("validate", str(file), *WHERE).stderr

    assert "'chartRepository' has no effect: the charts come with the generator" in output


def test_unquoted_versions_in_the_order_of_two_files_keep_their_own_lines(
    cli: Cli, write: Callable[[str, str], str]
) -> None:
    text = GOOD.replace('"1.35"', "1.30")

    result = cli("validate", write("a.yaml", "# one more line\n" + text), write("b.yaml", text))

    assert "a.yaml:5:13: error: eksVersion" in result.stderr
    assert "b.yaml:4:13: error: eksVersion" in result.stderr
    assert 'write it in quotes: "1.30"' in result.stderr


def test_help_lists_every_command(cli: Cli) -> None:
    output = cli("--help").stdout

    assert all(name in output for name in ("validate", "build", "schema", "explain", "init"))


def test_an_unknown_command_ends_with_2(cli: Cli) -> None:
    assert cli("valdiate").returncode == 2


def test_no_command_shows_the_help_and_ends_with_2(cli: Cli) -> None:
    result = cli()

    assert (result.returncode, result.stdout) == (2, "")
    assert "exit codes" in result.stderr


def test_version_names_the_package(cli: Cli) -> None:
    assert cli("--version").stdout.startswith("generator 0.")


def test_a_closed_pipe_is_not_an_error() -> None:
    command = f"'{ROOT}/.venv/bin/python' -m generator schema | head -1; exit ${{PIPESTATUS[0]}}"

    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (0, "")


def test_a_bug_shows_where_it_is_and_asks_for_a_report(cli: Cli, tmp_path: Path) -> None:
    # A package that shadows the command's own module: nothing that a user's config can do raises.
    broken = "import sys, generator.cli.schema as s; s.run = lambda args: 1 / 0\n"
    broken += "from generator.cli.main import main; sys.exit(main(['schema']))"
    python = str(ROOT / ".venv/bin/python")

    result = subprocess.run([python, "-c", broken], cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr
    assert "This is a bug in the generator" in result.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("word", ["queueLength", "modelsRuntime.extraValues.runtime.scaling.queueLength"])
def test_explain_finds_a_key_by_name_and_by_path(cli: Cli, word: str) -> None:
    output = cli("explain", word).stdout

    assert output.startswith("KEY      modelsRuntime[].extraValues.runtime.scaling.queueLength\n")
    assert "DEFAULT  8\n" in output


def test_explain_shows_what_is_below_a_key(cli: Cli) -> None:
    assert "  rateLimit <integer>\n" in cli("explain", "APIGW.throttle").stdout


def test_explain_knows_rules(cli: Cli) -> None:
    assert cli("explain", "sd401").stdout.startswith("SD401 (error): minReplicaCount cannot be above")


def test_explain_suggests_a_key_for_a_misspelled_one(cli: Cli) -> None:
    result = cli("explain", "queueLenght")

    assert (result.returncode, result.stdout) == (2, "")
    assert "did you mean 'queueLength'?" in result.stderr


def test_schema_prints_the_schema(cli: Cli) -> None:
    assert cli("schema").stdout == (ROOT / "values-schema.json").read_text()


def test_the_reference_pages_are_fresh(cli: Cli) -> None:
    assert cli("schema", "--markdown").stdout == (ROOT / "docs/config.md").read_text(), "run: make reference"
    assert cli("schema", "--rules").stdout == (ROOT / "docs/rules.md").read_text(), "run: make reference"


def test_a_config_that_is_yaml_of_another_style_is_read_alike(
    cli: Cli, write: Callable[[str, str], str]
) -> None:
    flow = json.dumps(yaml_loader.load(GOOD))

    assert cli("validate", write("a.json", flow)).returncode == 0
