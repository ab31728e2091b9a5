"""Config files of the reference system, unchanged, through every command that needs no AWS."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from generator.build.files import RUNTIMES_ALONE
from generator.preflight import themes
from generator.solution.context import Context
from testing import solving
from tests.generator.conftest import Cli

TODAY = date(2026, 1, 1)
FILES = sorted((Path(__file__).parent / "reference").glob("*.yaml"))
WHERE = ("--account", "123456789012", "--region", "us-west-2")
COMMANDS = {
    "validate": ["validate"],
    "build": ["build"],
    "build-runtimes": ["build", "--chart", RUNTIMES_ALONE],
    "plan": ["plan"],
    "plan-json": ["plan", "--format", "json"],
    "images": ["images"],
    "images-json": ["images", "--format", "json"],
    "images-script": ["images", "--script"],
    "diff": ["diff"],
}
# The chart refuses what one of the files asks for twice: these commands report that, and exit with code 2.
MAY_REFUSE = {
    "render": ["render", "--chart", RUNTIMES_ALONE],
    "images-verify": ["images", "--verify"],
    "deploy": ["deploy", "--dry-run"],
}
files = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@files
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_accepts_the_file(cli: Cli, file: Path, command: str) -> None:
    name, *flags = COMMANDS[command]

    result = cli(name, str(file), *WHERE, *flags)

    assert result.returncode == 0, result.stderr


@files
@pytest.mark.parametrize("command", MAY_REFUSE)
def test_a_command_accepts_the_file_or_reports_what_is_wrong(cli: Cli, file: Path, command: str) -> None:
    name, *flags = MAY_REFUSE[command]

    result = cli(name, str(file), *WHERE, *flags)

    assert result.returncode in (0, 2), result.stderr
    assert "Traceback" not in result.stderr


@files
def test_preflight_knows_what_to_check(file: Path) -> None:
    data = yaml.safe_load(file.read_text("utf-8"))
    solution = solving.solution(data, Context("us-west-2", "123456789012", TODAY))

    checks = list(themes.checks(solving.subject(solution)))

    assert {check.theme for check in checks} >= {"models", "images", "quotas", "names", "rights"}
