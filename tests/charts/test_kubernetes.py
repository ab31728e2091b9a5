"""Every object is one that Kubernetes 1.28, Karpenter 1.8 and KEDA 2.15 take."""

import json
import re
from typing import Any

import jsonschema
import pytest

from testing import kubernetes

from .conftest import BASE, RUNTIMES, TYPES, Object, Objects, Values, merged, template
from .rules import SPECS, VERSIONS

# Every type with defaults, and one runtime with everything turned round.
EVERYTHING: Values = {
    "namespace": "pictures",
    "karpenter": {
        "provisioner": {
            "labels": {"team": "art"},
            "annotations": {"note": "x"},
            "capacityType": {"spot": False},
            "extraRequirements": [
                {"key": "karpenter.k8s.aws/instance-gpu-memory", "operator": "Gt", "values": ["22000"]},
                {"key": "topology.kubernetes.io/zone", "operator": "NotIn", "values": ["us-west-2d"]},
                {"key": "example.com/x", "operator": "Exists"},
            ],
            "extraTaints": [{"key": "a", "value": "b", "effect": "NoExecute"}],
            "resourceLimits": {"nvidia.com/gpu": "4", "cpu": 64, "memory": "512Gi"},
            "consolidation": True,
            "disruption": {"consolidateAfter": "Never", "expireAfter": "Never"},
        },
        "nodeTemplate": {
            "tags": {"team": "art"},
            "capacityReservationSelectorTerms": [
                {"id": "cr-0123456789abcdef0"},
                {"tags": {"team": "*"}, "ownerID": "210987654321", "instanceMatchCriteria": "targeted"},
            ],
            "osVolume": {"snapshotID": "snap-0123456789abcdef1", "volumeInitializationRate": 100},
            "dataVolume": {
                "snapshotID": "snap-0123456789abcdef0",
                "iops": 4000,
                "throughput": 1000,
                "volumeInitializationRate": 300,
            },
            "userData": "[settings.motd]\n",
        },
    },
    "runtime": {
        "labels": {"team": "art"},
        "annotations": {"note": "x"},
        "scaling": {
            "extraHPAConfig": {"scaleUp": {"selectPolicy": "Min"}},
            "warm": [
                {"nodes": 1},
                {
                    "pods": 1,
                    "nodes": 2,
                    "timezone": "Asia/Tokyo",
                    "start": "0 9 * * 1-5",
                    "end": "0 18 * * 1-5",
                },
            ],
        },
        "inferenceApi": {"extraEnv": {"A": 1}, "commandArguments": "--x"},
        "queueAgent": {"extraEnv": {"B": True}, "xray": {"enabled": True}, "inputBuckets": ["a", "b"]},
        "persistence": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
    },
}
VOLUME_KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SOURCES = {
    "secretKeyRef": {"name": "tokens", "key": "hub", "optional": True},
    "configMapKeyRef": {"name": "settings", "key": "level"},
    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['team']"},
    "resourceFieldRef": {"containerName": "runtime", "resource": "limits.memory", "divisor": "1Mi"},
}
LISTED = [
    {"name": "A", "value": True},
    {"name": "B"},
    *({"name": kind, "valueFrom": {kind: source}} for kind, source in SOURCES.items()),
]
ALL = {
    **TYPES,
    "everything": EVERYTHING,
    "listed": {"runtime": {part: {"extraEnv": LISTED} for part in ("inferenceApi", "queueAgent")}},
    "claim": {"runtime": {"persistence": {"existingClaim": "mine"}}},
    "bare": {"runtime": {"persistence": {"enabled": False}, "networkPolicy": {"enabled": False}}},
}


RELEASE: Values = {"logs": {"enabled": True, "logGroup": "/demo/pods"}, "gpuMetrics": {"enabled": True}}


def everything() -> Objects:
    top = {
        "createNamespaces": True,
        "global": {"tags": {"a": "b"}, "volumeKmsKeyArn": VOLUME_KEY},
        "runtimes": ALL,
        **RELEASE,
    }
    return template(str(RUNTIMES), json.dumps(merged(BASE, top)))


OBJECTS = everything()
CUSTOM = {key: manifest for key, manifest in OBJECTS.items() if manifest["kind"] in SPECS}
CORE = {key: manifest for key, manifest in OBJECTS.items() if manifest["kind"] not in SPECS}


@pytest.mark.parametrize("key", CORE)
def test_kubernetes_takes_every_field(key: str) -> None:
    kubernetes.check(CORE[key], "1.28")


@pytest.mark.parametrize("key", CUSTOM)
def test_the_crds_take_every_field(key: str) -> None:
    manifest = CUSTOM[key]
    assert manifest["apiVersion"] == VERSIONS[manifest["kind"]]
    jsonschema.validate(manifest["spec"], SPECS[manifest["kind"]])


def labels(part: Any) -> dict[str, str]:
    """All labels in an object, at any depth."""
    if isinstance(part, list):
        return {key: value for item in part for key, value in labels(item).items()}
    if not isinstance(part, dict):
        return {}
    here = part.get("labels", {}) | part.get("matchLabels", {})
    return here | {key: value for item in part.values() for key, value in labels(item).items()}


@pytest.mark.parametrize("key", OBJECTS)
def test_names_and_labels_fit(key: str) -> None:
    metadata = OBJECTS[key]["metadata"]
    assert re.fullmatch("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", metadata["name"])
    for name, value in labels(OBJECTS[key]).items():
        assert re.fullmatch(r"([a-z0-9.-]+/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", name), name
        assert re.fullmatch(r"([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?", value), value


def test_the_rules_refuse_what_the_server_would() -> None:
    spec = dict(OBJECTS["ScaledObject/static"]["spec"])
    jsonschema.validate(spec, SPECS["ScaledObject"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**spec, "scaleOnInFlight": True}, SPECS["ScaledObject"])


def mapped_environment(manifest: Object) -> list[Any]:
    return [container.get("env", []) for container in manifest["spec"]["template"]["spec"]["containers"]]


def test_no_variable_is_there_twice() -> None:
    for manifest in OBJECTS.kinds("Deployment"):
        for env in mapped_environment(manifest):
            names = [variable["name"] for variable in env]
            assert len(names) == len(set(names))
