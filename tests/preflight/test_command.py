"""The command: table, JSON, exit codes, and the one thing that it may change."""

import json
from pathlib import Path

import pytest

from generator.cli import main
from generator.errors import Exit
from testing.account import write_config
from tests.preflight.conftest import RUNTIME, Sandbox


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> str:
    """A config file for the ready account."""
    models = f"arn:aws:s3:::models-{sandbox.account.id}"
    return str(write_config(tmp_path, sandbox.account, RUNTIME, modelBucketArn=models))


@pytest.mark.thorough
def test_a_ready_account_ends_with_zero_and_a_count(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["preflight", config]) == Exit.DONE

    assert "passed" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.thorough
def test_all_shows_what_passed_too(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    main.main(["preflight", config])
    short = capsys.readouterr().out
    main.main(["preflight", config, "--all"])

    assert len(capsys.readouterr().out.splitlines()) > len(short.splitlines()) + 20


@pytest.mark.thorough
def test_json_holds_every_result_with_its_fix(
    config: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.quotas.values["L-0263D0A3"] = 1

    assert main.main(["preflight", config, "--format", "json"]) == Exit.CONFIG

    rows = json.loads(capsys.readouterr().out)
    row = next(row for row in rows if row["name"] == "EC2-VPC Elastic IPs")
    assert row["status"] == "failed"
    assert row["increase"] == {"service": "ec2", "code": "L-0263D0A3", "value": 3}


@pytest.mark.thorough
def test_nothing_is_requested_unless_asked_for(config: str, sandbox: Sandbox) -> None:
    sandbox.quotas.values["L-0263D0A3"] = 1

    main.main(["preflight", config])

    assert sandbox.quotas.requests == []


@pytest.mark.thorough
def test_an_increase_is_requested_once(
    config: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.quotas.values["L-0263D0A3"] = 1

    for _ in range(2):
        main.main(["preflight", config, "--request-increase"])

    assert [(row["QuotaCode"], row["DesiredValue"]) for row in sandbox.quotas.requests] == [
        ("L-0263D0A3", 3.0)
    ]
    assert "is already open" in capsys.readouterr().err


@pytest.mark.thorough
def test_a_refusal_alone_ends_with_three(config: str, sandbox: Sandbox) -> None:
    sandbox.quotas.denied = {"GetServiceQuota"}

    assert main.main(["preflight", config]) == Exit.AWS
