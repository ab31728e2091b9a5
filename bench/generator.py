"""Speed of the generator, as ratios to baselines that are measured in the same run.

validate: `generator validate` of one config against `python -c "import yaml, jsonschema"`; at most 3 times
build: `generator build` of 1,000 runtimes against one of 100; at most 10 times, and under 300 MB
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
GENERATOR = [sys.executable, "-m", "generator"]
VALIDATE_GOAL = 3.0
BUILD_GOAL = 10.0
MEMORY_GOAL_MB = 300


@dataclass(frozen=True)
class Run:
    """Time and peak memory of one process."""

    seconds: float
    megabytes: float


def main() -> int:
    with tempfile.TemporaryDirectory() as scratch:
        met = [bench_validate(), bench_build(Path(scratch))]
    return 0 if all(met) else 1


def bench_validate(rounds: int = 15) -> bool:
    config = str(ROOT / "examples" / "three-runtimes.yaml")
    baseline, ours = [], []
    for _ in range(rounds):  # alternating, so that other load on the machine affects both alike
        baseline.append(run([sys.executable, "-c", "import yaml, jsonschema"]).seconds)
        ours.append(run([*GENERATOR, "validate", config]).seconds)
    base, validate = statistics.median(baseline), statistics.median(ours)
    ratio = validate / base
    print(f"validate: {validate * 1000:.0f} ms (median of {rounds})")
    print(f"          {ratio:.2f} times `import yaml, jsonschema` ({base * 1000:.0f} ms)", end="; ")
    print(f"goal: at most {VALIDATE_GOAL:g}")
    return ratio <= VALIDATE_GOAL


def bench_build(scratch: Path, rounds: int = 3) -> bool:
    few, many = [], []
    for _ in range(rounds):
        few.append(build(scratch, 100))
        many.append(build(scratch, 1000))
    short, long = (statistics.median(run.seconds for run in runs) for runs in (few, many))
    ratio, peak = long / short, max(run.megabytes for run in many)
    print(f"build of 1,000 runtimes: {long:.2f} s; of 100: {short:.2f} s; median of {rounds}")
    print(f"          {ratio:.2f} times; goal: at most {BUILD_GOAL:g}")
    print(f"          {peak:.0f} MB at the peak; goal: under {MEMORY_GOAL_MB}")
    return ratio <= BUILD_GOAL and peak < MEMORY_GOAL_MB


def build(scratch: Path, count: int) -> Run:
    """Build a config with `count` different runtimes."""
    config = scratch / f"{count}.yaml"
    config.write_text(yaml.safe_dump(config_of(count), sort_keys=False))
    return run([*GENERATOR, "build", str(config), "-o", str(scratch / "build")])


def config_of(count: int) -> dict[str, object]:
    return {
        "stackName": "bench",
        "region": "us-west-2",
        "accountId": "123456789012",
        "modelBucketArn": "arn:aws:s3:::bench-models",
        "modelsRuntime": [
            {
                "name": f"runtime-{number:04}",
                "type": "sdwebui",
                "modelFilename": f"model-{number:04}.safetensors",
                "extraValues": {"runtime": {"scaling": {"maxReplicaCount": 5}}},
            }
            for number in range(count)
        ],
    }


def run(command: list[str]) -> Run:
    """Run a command. Raises SystemExit if it fails."""
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        errors = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{errors.decode()}")
    # ru_maxrss is in KiB on Linux and in bytes on macOS.
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Run(seconds, usage.ru_maxrss / unit)


if __name__ == "__main__":
    sys.exit(main())
