"""`generator whatif`: a table for people, JSON for programs, and the settings to use."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import yaml_loader
from generator.cli import forecast_text, main
from generator.scaling.policy import Policy
from generator.solution.warm import WarmEntry

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
    assert "costs the rest of the day too" in out
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
    assert forecast["delays"] == {"node": stages["node"], "image": 7, "start": start, "removal": 20}


def forecast_of(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The forecast of the runtime `graphs`."""
    assert main.main(["whatif", "config.yaml", "trace.csv", "--format", "json", *arguments]) == 0
    return next(one for one in json.loads(capsys.readouterr().out) if one["runtime"] == "graphs")


def write(folder: Path, scaling: Any = None, provisioner: Any = None, pool: str = "own") -> None:
    """A config with these settings of `graphs`; both runtimes are in the pool."""
    config = json.loads(json.dumps(CONFIG))
    for runtime in config["modelsRuntime"]:
        karpenter = {"nodePool": pool, "provisioner": provisioner or {}}
        runtime["extraValues"] = {"karpenter": karpenter}
    config["modelsRuntime"][1]["extraValues"]["runtime"] = {"scaling": scaling or {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


HOURS = {"pods": 1, "timezone": "Europe/Berlin", "start": "0 8 * * *", "end": "0 18 * * *"}


def test_pods_that_are_kept_at_some_hours_are_warm_at_these_hours_only(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"warm": [HOURS]})
    row = forecast_of(folder, capsys, "--start", "2026-11-27T10:00:00Z")["rows"][0]
    # In Berlin it is 11 o'clock; at night nobody keeps a pod.
    night = forecast_of(folder, capsys, "--start", "2026-11-27T20:00:00Z")["rows"][0]

    assert row["p95"] == 10
    assert night["p95"] > 60
    assert night["gpu_hours"] != row["gpu_hours"]


def test_a_trace_without_dates_says_when_it_is_taken_to_start(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"warm": [HOURS]})
    assert main.main(["whatif", "config.yaml", "trace.csv"]) == 0

    assert "the trace has no dates: it is taken to start on a Monday at 00:00 UTC" in capsys.readouterr().out


def test_a_free_node_saves_the_launch_and_the_pull(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cold = forecast_of(folder, capsys)["rows"][0]
    write(folder, {"warm": [{"nodes": 1}]})
    row = forecast_of(folder, capsys)["rows"][0]

    assert row["p95"] == pytest.approx(
        cold["p95"] - 40 - forecast_of(folder, capsys)["delays"]["image"], abs=0.2
    )
    assert row["gpu_hours"] > cold["gpu_hours"]


def test_spot_is_cheaper_than_on_demand_and_may_be_interrupted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    types = {"instanceType": ["g6.xlarge"]}
    write(folder, provisioner={**types, "capacityType": {"spot": False, "onDemand": True}})
    on_demand = forecast_of(folder, capsys, "--interruptions", "100")
    write(folder, provisioner=types)
    spot = forecast_of(folder, capsys)
    given = forecast_of(folder, capsys, "--spot-price", "g6.xlarge=0.1")
    storm = forecast_of(folder, capsys, "--interruptions", "100")

    assert (on_demand["node"]["market"], spot["node"]["market"]) == ("on-demand", "spot")
    assert on_demand["interruptions"] == 0
    # The Spot Instance Advisor had 49 % for the type.
    assert spot["rows"][0]["cost"] == pytest.approx(on_demand["rows"][0]["cost"] * 0.51, rel=0.01)
    assert given["rows"][0]["cost"] == pytest.approx(given["rows"][0]["gpu_hours"] * 0.1, abs=0.001)
    assert storm["rows"][0]["interrupted"] > 0


def test_a_warm_node_of_a_shared_pool_serves_the_other_runtime(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "trace.csv").write_text("timestamp,runtime,seconds\n0,webui,10\n900,webui,10\n")
    waits = {}
    for pool in ("own", "all"):
        write(folder, {"warm": [{"nodes": 1}]}, pool=pool)
        assert main.main(["whatif", "config.yaml", "trace.csv", "--format", "json"]) == 0
        [forecast] = json.loads(capsys.readouterr().out)
        waits[pool] = forecast["rows"][0]["p95"]

    assert forecast["shares_with"] == ["graphs"]
    # The node is there, its image is not.
    assert waits["all"] == pytest.approx(waits["own"] - forecast["delays"]["node"], abs=0.2)


def test_tasks_of_high_priority_do_not_wait_for_others_where_they_have_a_queue(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"0,graphs,10,{'high' if n >= 95 else 'normal'}\n" for n in range(100))
    (folder / "trace.csv").write_text(f"timestamp,runtime,seconds,priority\n{rows}")
    config = json.loads(json.dumps(CONFIG))
    config["modelsRuntime"][1] |= {"priorityQueue": True}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))

    row = forecast_of(folder, capsys)["rows"][0]

    assert row["high"] < row["p50"]


def test_hours_are_recommended_where_the_trace_has_days(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        f"2026-11-{day:02}T{hour:02}:{minute:02}:00Z,graphs,30\n"
        for day in range(2, 14)
        for hour in range(9, 17)
        for minute in range(0, 60, 4)
        if day not in (7, 8)
    ]
    (folder / "trace.csv").write_text("timestamp,runtime,seconds\n" + "".join(lines))

    best = forecast_of(folder, capsys, "--p95", "40")["recommended"]

    [entry] = best["policy"]["kept"]
    assert (entry["start"], entry["end"], entry["timezone"]) == ("0 9 * * 1-5", "0 17 * * 1-5", "UTC")
    assert best["policy"]["warm"] == 0


@pytest.mark.parametrize(
    ("start", "end", "zone", "text"),
    [
        ("0 8 * * *", "0 20 * * *", "UTC", "1 pod 8-20 h"),
        ("0 20 * * *", "0 4 * * *", "UTC", "1 pod 20-4 h"),
        ("0 8 * * 1-5", "0 20 * * 1-5", "Asia/Tokyo", "1 pod 8-20 h, Mon-Fri in Asia/Tokyo"),
        ("0 20 * * 1-5", "0 4 * * 2-6", "UTC", "1 pod 20-4 h, Mon-Fri"),
        ("0 22 * * 5", "0 6 * * 1", "UTC", "1 pod at some hours"),
        ("0 8 1 * *", "0 20 1 * *", "UTC", "1 pod at some hours"),
        ("30 8 * * *", "0 20 * * *", "UTC", "1 pod at some hours"),
    ],
)
def test_hours_have_words_only_where_these_are_exact(start: str, end: str, zone: str, text: str) -> None:
    kept = (WarmEntry(1, 0, zone, start, end),)
    assert forecast_text.warm(Policy(8, 45, 0, 20, 5, True, 150, 0, kept)) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--start", "soon"], "'soon' is not a date"),
        (["--start", "9999-01-01"], "'9999-01-01' is not a date"),
        (["--spot-price", "g6=1"], "'g6=1' is not an instance type and its price"),
        (["--spot-price", "g6.xlarge=nan"], "is not an instance type and its price"),
        (["--interruptions", "101"], "'101' is not a number from 0 to 100"),
        (["--node-seconds", "1e308"], "'1e308' is not a number of seconds from 0 to 86400"),
    ],
)
def test_a_flag_that_cannot_be_used_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    with pytest.raises(SystemExit):
        main.main(["whatif", "config.yaml", "trace.csv", *arguments])

    assert text in capsys.readouterr().err


def test_a_runtime_without_keda_gets_settings_that_turn_it_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, {"enabled": False})
    lines = "".join(f"{n},graphs,100\n" for n in range(0, 400, 40))
    (folder / "trace.csv").write_text("timestamp,runtime,seconds\n" + lines)
    assert main.main(["whatif", "config.yaml", "trace.csv", "--p95", "150"]) == 0

    out = capsys.readouterr().out
    assert "          enabled: true\n" in out


def test_without_a_node_for_its_pods_a_task_is_never_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = {"resourceLimits": {"nvidia.com/gpu": 1}}
    write(folder, {"minReplicaCount": 1}, limit, pool="all")
    (folder / "trace.csv").write_text("timestamp,runtime,seconds\n0,webui,10\n")
    assert main.main(["whatif", "config.yaml", "trace.csv"]) == 0

    assert "never" in capsys.readouterr().out
