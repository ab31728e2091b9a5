"""A deployment renders the chart first: what the chart refuses ends it before AWS is asked for anything."""

import json
from pathlib import Path

import pytest

from generator.cli import main
from generator.errors import Exit

REFUSAL = "these values are not valid: runtimes.one.type: no such type: choose another"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A config of an account that no AWS answers for."""
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "config.yaml"
    data = {
        "stackName": "demo",
        "region": "us-east-1",
        "accountId": "123456789012",
        "eksVersion": "1.34",
        "modelBucketArn": "arn:aws:s3:::demo-models",
        "modelsRuntime": [{"name": "one", "type": "comfyui"}],
    }
    path.write_text(json.dumps(data))
    return str(path)


@pytest.mark.parametrize("flags", [[], ["--dry-run"], ["--only", "stack"]], ids=["all", "dry-run", "stack"])
def test_a_refusal_of_the_chart_ends_a_deployment_before_it_begins(
    flags: list[str],
    config: str,
    programs: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls, rules = programs
    rules.write_text(f"helm template\techo '{REFUSAL}' >&2; exit 1\n")

    code = main.main(["deploy", config, "-o", str(tmp_path / "out"), *flags])

    output = capsys.readouterr()
    assert code == Exit.CONFIG
    assert REFUSAL in output.err
    assert output.out == ""
    [call] = calls.read_text().splitlines()
    assert call.startswith("helm template demo ")
    assert not (tmp_path / "out").exists()
