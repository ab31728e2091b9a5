"""`generator whatif`: a table for people, JSON for programs, and the settings to use."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import yaml_loader
from generator.cli import main

CONFIG: dict[str, Any] = {
    "stackName": "demo",
    "region": "us-east-1",
    "accountId": "123456789012",
    "eksVersion": "1.35",
    "modelBucketArn": "arn:aws:s3:::models",
    "modelsRuntime": [
        {"name": "webui", "type": "sdwebui", "modelFilename": "a.safetensors"},
        {"name": "graphs", "type": "comfyui"},
    ],
}
TRACE = "timestamp,runtime,seconds\n" + "".join(f"{n * 200},graphs,10\n" for n in range(20))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "trace.csv").write_text(TRACE)
    return tmp_path


def test_the_settings_that_it_recommends_are_valid_and_then_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["whatif", "config.yaml", "trace.csv", "--p95", "30"]) == 0
    out = capsys.readouterr().out
    settings = yaml_loader.load(out[out.index("    extraValues:") :])
    changed = json.loads(json.dumps(CONFIG))
    changed["modelsRuntime"][1] |= settings
    (folder / "config.yaml").write_text(yaml.safe_dump(changed))

    assert main.main(["whatif", "config.yaml", "trace.csv", "--p95", "30"]) == 0

    assert "nothing that was compared is cheaper" in capsys.readouterr().out


def test_only_runtimes_of_the_trace_are_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["whatif", "config.yaml", "trace.csv", "--format", "json"]) == 0

    [forecast] = json.loads(capsys.readouterr().out)
    assert forecast["runtime"] == "graphs"
    assert forecast["tasks"] == 20
    assert forecast["rows"][0]["policy"]["queue_length"] == 8
    assert forecast["rows"][0]["cost"] > 0


def test_the_cold_start_of_the_flags_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--node-seconds", "0", "--image-seconds", "0", "--start-seconds", "1"]
    assert main.main(["whatif", "config.yaml", "trace.csv", "--format", "json", *flags]) == 0

    [forecast] = json.loads(capsys.readouterr().out)
    assert forecast["rows"][0]["p95"] <= 10 + 5 + 1


def test_a_target_that_cannot_be_met_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["whatif", "config.yaml", "trace.csv", "--p95", "1"]) == 0

    assert "No policy has a p95 of 1 s; the smallest is one of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        ("timestamp,runtime\n1,webui\n2,other\n", "trace.csv:3:3: error: the config has no runtime 'other'"),
        (None, "generator whatif: [Errno 2] No such file or directory: 'trace.csv'"),
    ],
)
def test_what_is_wrong_with_a_trace_ends_with_two(
    folder: Path, capsys: pytest.CaptureFixture[str], trace: str | None, line: str
) -> None:
    (folder / "trace.csv").unlink()
    if trace is not None:
        (folder / "trace.csv").write_text(trace)

    assert main.main(["whatif", "config.yaml", "trace.csv"]) == 2
    assert line in capsys.readouterr().err


def test_without_flags_the_cold_start_is_that_of_the_plan(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["plan", "config.yaml", "--format", "json"]) == 0
    [cold] = [one for one in json.loads(capsys.readouterr().out)["cold_starts"] if one["runtime"] == "graphs"]
    stages = {stage["name"]: stage["seconds"] for stage in cold["starts"][0]["stages"]}

    assert main.main(["whatif", "config.yaml", "trace.csv", "--image-seconds", "7", "--format", "json"]) == 0

    [forecast] = json.loads(capsys.readouterr().out)
    start = pytest.approx(stages["start"] + stages["model"])
    assert forecast["delays"] == {"node": stages["node"], "image": 7, "start": start}
