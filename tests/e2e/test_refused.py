"""What the API server would refuse, the chart refuses first: the same values, with its guards and without."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from generator.deploy import helm
from generator.deploy.helm import HelmError
from testing.cluster.chart import CHART, KUBERNETES
from testing.cluster.controlplane import Cluster
from tests.charts.conftest import BASE, Values, merged, nested
from tests.charts.guard_cases import CASES, STACK

POOL, NODE = "karpenter.provisioner", "karpenter.nodeTemplate"
# Values that each violate one guard and that no API server rejects: EC2 or the agent would, or the runtime
# would never work.
NOT_REJECTED = {
    *("static-without-model", "no-checkpoint", "dynamic-no-checkpoint", "model-elsewhere", "tab-in-model"),
    *("model-of-windows", "model-with-folder", "model-with-folders", "failed-tasks-again"),
    *("models-above-config", "models-by-another-path", "models-in-config", "open-quote", "two-sources"),
    *("agents-variable", "runtimes-variable", "other-path", "other-port"),
    *("no-probe", "no-task-path", "no-image", "no-tag", "old-daemon", "models-over-scratch"),
    *("no-queue", "no-dead-letters", "no-bucket", "no-topic", "no-models", "one-writer", "unbound-claim"),
    *("no-pods", "long-window", "min-over-max", "agents-port", "tag-of-aws"),
    *("bad-node-note", "not-in-without-values", "exists-with-values", "taint-twice", "no-ami"),
    *("bad-requirement-value", "io1-without-iops"),
    *("gp2-with-iops", "io2-with-throughput", "io2-without-iops", "fast-without-iops", "storage-twice"),
    *("everything", "half-of-everything", "metadata-service", "no-way-to-aws", "reservation-with-no-tag"),
    *("mount-option-of-the-chart", "mount-option-unknown", "mount-option-value", "mount-option-range"),
    *("warm-nothing", "warm-without-hours", "warm-above-maximum", "warm-at-odd-hours"),
    *("warm-on-sunday", "warm-backwards", "warm-for-no-time", "warm-without-keda"),
    *("download-of-elsewhere", "models-over-downloads", "two-queues-in-one", "failed-tasks-first"),
    *("mount-option-twice", "mount-option-exclusive", "mount-option-newer"),
    *("cache-of-old-driver", "cache-without-bucket"),
}
# What kubectl prints for a rejection; other errors, such as an unreachable server, are not rejections.
REJECTIONS = (
    *("is invalid", "error validating data"),
    *("failed to create typed patch object", "failed to convert new object"),
)
# Values that the schema rejects, by a word of its message.
SCHEMA: dict[str, Values] = {
    "consolidateAfter": nested(f"{POOL}.disruption.consolidateAfter", "300"),
    "expireAfter": nested(f"{POOL}.disruption.expireAfter", "a month"),
    "effect": nested(f"{POOL}.extraTaints", [{"key": "a", "effect": "Never"}]),
    "operator": nested(f"{POOL}.extraRequirements", [{"key": "a", "operator": "Is", "values": ["b"]}]),
    "resourceLimits": nested(f"{POOL}.resourceLimits", {"nvidia.com/gpu": "many"}),
    "volumeSize": nested(f"{NODE}.dataVolume.volumeSize", "100GB"),
    "volumeType": nested(f"{NODE}.osVolume.volumeType", "gp9"),
    "imagePullPolicy": nested("runtime.inferenceApi.imagePullPolicy", "Sometimes"),
    "accessModes": nested("runtime.persistence", {"s3": {"enabled": False}, "accessModes": ["Write"]}),
    "size": nested("runtime.persistence.size", "2 TB"),
    "namespace": {"namespace": "Of_Ours"},
}


@pytest.fixture(scope="module")
def unguarded(run_folder: Path) -> Path:
    """The chart without its guards and its schema."""
    chart = run_folder / "unguarded"
    shutil.copytree(CHART, chart)
    (chart / "templates" / "values" / "guards.yaml").unlink()
    (chart / "values.schema.json").unlink()
    return chart


def _rendered(chart: Path, name: str, runtime: Values) -> str:
    """The objects of one runtime with these values, as a List."""
    top = {"global": {"stackName": STACK}, "createNamespaces": True}
    values = merged(BASE, {**top, "runtimes": {name: runtime}})
    rendered = helm.template("sd", chart, KUBERNETES, {"values/one.yaml": json.dumps(values)})
    items = [item for item in yaml.load_all(rendered, yaml.CSafeLoader) if item]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _rejected(cluster: Cluster, objects: str) -> bool:
    """Whether the API server or an admission webhook rejects one of the objects as invalid."""
    check = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    output = cluster.kubectl(*check, stdin=objects, check=False)
    return any(text in output for text in REJECTIONS)


def test_objects_of_valid_values_are_accepted(cluster: Cluster, unguarded: Path) -> None:
    assert not _rejected(cluster, _rendered(unguarded, "good", {}))


# That the chart refuses each of them is what tests/charts/test_guards.py shows.
@pytest.mark.parametrize("case", sorted(CASES.keys() - NOT_REJECTED))
def test_the_api_server_rejects_what_a_guard_rejects(cluster: Cluster, unguarded: Path, case: str) -> None:
    assert _rejected(cluster, _rendered(unguarded, case, CASES[case][0]))


@pytest.mark.parametrize("case", sorted(NOT_REJECTED))
def test_the_api_server_accepts_what_only_others_reject(cluster: Cluster, unguarded: Path, case: str) -> None:
    assert not _rejected(cluster, _rendered(unguarded, case, CASES[case][0]))


@pytest.mark.parametrize("word", SCHEMA)
def test_the_api_server_rejects_what_the_schema_rejects(cluster: Cluster, unguarded: Path, word: str) -> None:
    assert _rejected(cluster, _rendered(unguarded, "bad", SCHEMA[word]))
    with pytest.raises(HelmError, match=word):
        _rendered(CHART, "bad", SCHEMA[word])
