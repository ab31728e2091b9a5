"""What the facts say that containers need, against the containers."""

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from generator.facts import footprint, runtimes
from generator.facts.instance_types import Resources
from generator.facts.quantity import parse

ROOT = Path(__file__).resolve().parents[2]
CONTAINERS = (ROOT / "charts/sd-runtimes/templates/runtime/_containers.tpl").read_text("utf-8")
DIRECT = (ROOT / "charts/sd-runtimes/templates/models/_direct.tpl").read_text("utf-8")
VALUES = yaml.safe_load((ROOT / "charts/sd-runtimes/values.yaml").read_text("utf-8"))
# VmHWM is of this program alone; ru_maxrss would include the process that started it.
MEASURE = """
import re, resource
import queue_agent.__main__
usage = resource.getrusage(resource.RUSAGE_SELF)
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
print(int(peak[1]) * 1024, usage.ru_utime + usage.ru_stime)
"""


@pytest.mark.thorough
def test_the_agent_starts_within_the_least_memory_and_cpu_time() -> None:
    started = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    memory, seconds = map(Decimal, started.stdout.split())

    assert memory < footprint.AGENT_MEMORY
    # Its liveness probe gives up after 70 s.
    assert seconds < 70 * footprint.AGENT_CORES * 2


@pytest.mark.parametrize(
    ("template", "container", "fact"),
    [
        (CONTAINERS, "trace-collector", footprint.COLLECTOR),
        (DIRECT, "name: model-loader", footprint.MODEL_LOADER),
    ],
)
def test_the_requests_of_further_containers_are_those_of_the_chart(
    template: str, container: str, fact: Resources
) -> None:
    line = next(line for line in template.partition(container)[2].splitlines() if "requests:" in line)
    requests = yaml.safe_load(re.sub(r"{{.*?}}", "0", line))["requests"]

    assert (parse(requests["cpu"]), parse(requests["memory"])) == (fact.cores, fact.memory)


@pytest.mark.parametrize(
    ("key", "fact"), [("logs", footprint.LOG_COLLECTOR), ("gpuMetrics", footprint.GPU_EXPORTER)]
)
def test_the_requests_of_daemon_sets_are_those_of_the_chart(key: str, fact: Resources) -> None:
    requests = VALUES[key]["resources"]["requests"]

    assert (parse(requests["cpu"]), parse(requests["memory"])) == (fact.cores, fact.memory)


def test_each_daemon_set_takes_its_requests_from_the_node() -> None:
    none, logs = (footprint.daemons(logs=on, gpu_metrics=False) for on in (False, True))
    both = footprint.daemons(logs=True, gpu_metrics=True)

    assert none == footprint.DAEMONS
    assert logs == none + footprint.LOG_COLLECTOR
    assert both == logs + footprint.GPU_EXPORTER


@pytest.mark.parametrize(
    ("kind", "gib"), [("sdwebui", 15), ("comfyui", 35), ("invokeai", 35), ("custom", 15)]
)
def test_scratch_is_the_sum_of_the_pods_volumes(kind: str, gib: int) -> None:
    profile = runtimes.load(ROOT / "charts").profiles[kind]

    assert profile.scratch_bytes == gib * 2**30
    assert f"sizeLimit: {runtimes.AGENT_SCRATCH // 2**30}Gi" in CONTAINERS
