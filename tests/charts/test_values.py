"""Values: an entry wins over the defaults, also when it is empty or false; every key changes something."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import (
    BASE,
    PATHS,
    RUNTIMES,
    TYPES,
    HelmError,
    Objects,
    Render,
    Values,
    merged,
    nested,
    template,
)

# Another value for each key, where its type alone does not give one.
OTHER: dict[str, Any] = {
    "type": "comfyui",
    "modelFilename": "other.ckpt",
    "karpenter.provisioner.instanceType": ["g6.4xlarge"],
    "karpenter.provisioner.extraRequirements": [{"key": "example.com/a", "operator": "Exists"}],
    "karpenter.provisioner.extraTaints": [{"key": "example.com/a", "effect": "NoExecute"}],
    "karpenter.provisioner.resourceLimits": {"nvidia.com/gpu": 3},
    "karpenter.provisioner.disruption.consolidateAfter": "1m",
    "karpenter.provisioner.disruption.expireAfter": "24h",
    "karpenter.nodeTemplate.amiVersion": "1.50.0",
    "karpenter.nodeTemplate.capacityReservationSelectorTerms": [{"id": "cr-0123456789abcdef0"}],
    "karpenter.nodeTemplate.instanceStorePolicy": "None",
    "karpenter.nodeTemplate.userData": "[settings.motd]\n",
    "runtime.inferenceApi.image.digest": f"sha256:{'0' * 64}",
    "runtime.inferenceApi.imagePullPolicy": "Always",
    "runtime.inferenceApi.modelMountPath": "/models",
    "runtime.inferenceApi.port": 9001,
    "runtime.inferenceApi.resources.limits": {"nvidia.com/gpu": "1", "memory": "8Gi"},
    "runtime.inferenceApi.resources.requests": {"nvidia.com/gpu": "1", "memory": "7Gi"},
    "runtime.queueAgent.image.digest": f"sha256:{'0' * 64}",
    "runtime.queueAgent.imagePullPolicy": "Always",
    "runtime.queueAgent.resources.limits.memory": "2Gi",
    "runtime.queueAgent.resources.requests.cpu": "250m",
    "runtime.queueAgent.resources.requests.memory": "256Mi",
    "runtime.queueAgent.inputBuckets": ["more"],
    "runtime.queueAgent.snsTopicArn": "arn:aws:sns:us-west-2:123456789012:other",
    "runtime.queueAgent.sqsQueueUrl": "https://sqs.us-west-2.amazonaws.com/123456789012/other",
    "runtime.queueAgent.deadLetterQueueUrl": "https://sqs.us-west-2.amazonaws.com/123456789012/o",
    "runtime.queueAgent.highPriorityQueueUrl": "https://sqs.us-west-2.amazonaws.com/123456789012/h",
    "runtime.queueAgent.xray.daemon.image.digest": f"sha256:{'0' * 64}",
    "runtime.serviceAccountRoleArn": "arn:aws:iam::123456789012:role/other",
    "runtime.networkPolicy.egress.cidrs": ["10.0.192.0/26"],
    "runtime.networkPolicy.egress.dnsServers": ["169.254.20.10"],
    "runtime.models.load": "mount",
    "runtime.models.files": ["VAE/a.pt"],
    "runtime.models.sizeLimit": "80Gi",
    "runtime.models.cacheSize": "60Gi",
    "runtime.persistence.size": "1Ti",
    "runtime.persistence.accessModes": ["ReadWriteMany"],
    "runtime.persistence.s3.mountOptions": ["prefix team-a/"],
    "runtime.scaling.warm": [
        {"pods": 1, "timezone": "Etc/UTC", "start": "0 8 * * 1-5", "end": "0 18 * * 1-5"}
    ],
    "runtime.scaling.extraHPAConfig": {"scaleUp": {"selectPolicy": "Min"}},
}
OTHER |= {
    f"karpenter.nodeTemplate.{volume}.{key}": value
    for volume in ("osVolume", "dataVolume")
    for key, value in {
        "volumeSize": "33Gi",
        "volumeType": "io1",
        "iops": 3333,
        "throughput": 222,
        "snapshotID": "snap-0123456789abcdef0",
        "volumeInitializationRate": 300,
    }.items()
}
# Keys that take effect only with other keys.
WITH_KEYS: dict[str, Values] = {
    "runtime.inferenceApi.port": TYPES["own"],
    "runtime.inferenceApi.probePath": TYPES["own"],
    "runtime.inferenceApi.taskPath": TYPES["own"],
    "runtime.networkPolicy.egress.internet": nested("runtime.networkPolicy.egress.cidrs", ["10.0.0.5/32"]),
    "runtime.persistence.storageClass": {
        "runtime": {"persistence": {"s3": {"enabled": False}, "storageClass": "first"}}
    },
    "runtime.persistence.s3.enabled": {"runtime": {"persistence": {"storageClass": "first"}}},
}
for _volume in ("osVolume", "dataVolume"):
    WITH_KEYS[f"karpenter.nodeTemplate.{_volume}.volumeType"] = nested(
        f"karpenter.nodeTemplate.{_volume}.throughput", None
    )
    WITH_KEYS[f"karpenter.nodeTemplate.{_volume}.volumeInitializationRate"] = nested(
        f"karpenter.nodeTemplate.{_volume}.snapshotID", "snap-0123456789abcdef0"
    )
for _key in ("repository", "tag", "digest"):
    WITH_KEYS[f"runtime.queueAgent.xray.daemon.image.{_key}"] = nested(
        "runtime.queueAgent.xray.enabled", True
    )


def another_value(path: str, value: Any) -> Any:
    """Another value than the default one."""
    if path in OTHER:
        return OTHER[path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, dict):
        return {"EXTRA": "1"} if path.endswith("extraEnv") else {"example.com/extra": "1"}
    return "/other" if path.endswith("Path") else "other"


# The schema knows one AMI family alone, so nothing else can be said.
CHANGEABLE = {path: value for path, value in PATHS.items() if not path.endswith("amiFamily")}


@pytest.fixture(scope="module")
def changed() -> Objects:
    """For each key two runtimes: `b<n>` without, `c<n>` with another value of it."""
    runtimes: Values = {}
    for number, (path, value) in enumerate(CHANGEABLE.items()):
        with_keys = WITH_KEYS.get(path, {})
        runtimes[f"b{number:03}"] = with_keys
        runtimes[f"c{number:03}"] = merged(with_keys, nested(path, another_value(path, value)))
    return template(
        str(RUNTIMES), json.dumps(merged(BASE, {"global": {"eksVersion": "1.29"}, "runtimes": runtimes}))
    )


def manifests_of(objects: Objects, name: str) -> str:
    """All objects of a runtime, with its name taken out."""
    manifests = {
        key: manifest
        for key, manifest in objects.items()
        if manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == name
    }
    return json.dumps(manifests, sort_keys=True).replace(name, "NAME")


@pytest.mark.thorough
@pytest.mark.parametrize("path", CHANGEABLE)
def test_every_key_changes_something(changed: Objects, path: str) -> None:
    number = list(CHANGEABLE).index(path)
    assert manifests_of(changed, f"b{number:03}") != manifests_of(changed, f"c{number:03}")


@pytest.mark.parametrize(("key", "value"), [("minReplicaCount", 0), ("scaleOnInFlight", False)])
def test_an_entrys_false_and_zero_win_over_the_defaults(render: Render, key: str, value: object) -> None:
    defaults = {"runtime": {"scaling": {"minReplicaCount": 3, "scaleOnInFlight": True}}}
    rendered = render({"defaults": defaults}, one={"runtime": {"scaling": {key: value}}}, two={})
    specs = [rendered[f"ScaledObject/{name}"]["spec"] for name in ("one", "two")]
    flat = [{**spec, **spec["triggers"][0]["metadata"]} for spec in specs]
    assert str(flat[0][key]).lower() == str(value).lower()
    assert flat[0][key] != flat[1][key]


def test_an_entrys_empty_text_wins_over_the_defaults(render: Render) -> None:
    defaults = {"runtime": {"inferenceApi": {"commandArguments": "--medvram"}}}
    rendered = render({"defaults": defaults}, one=nested("runtime.inferenceApi.commandArguments", ""), two={})
    assert "--medvram" not in rendered.env("one")["EXTRA_CMD_ARG"]
    assert "--medvram" in rendered.env("two")["EXTRA_CMD_ARG"]


def test_null_removes_a_default(render: Render) -> None:
    rendered = render(one=nested("karpenter.nodeTemplate.osVolume", {"iops": None, "throughput": None}))
    volume = rendered["EC2NodeClass/demo-one"]["spec"]["blockDeviceMappings"][0]["ebs"]
    assert not {"iops", "throughput"} & volume.keys()


def test_maps_are_merged_and_lists_replaced(render: Render) -> None:
    defaults = {
        "runtime": {"inferenceApi": {"extraEnv": {"A": "1", "B": "1"}}},
        "karpenter": {"provisioner": {"instanceType": ["g5.xlarge", "g5.2xlarge"]}},
    }
    entry = {
        "runtime": {"inferenceApi": {"extraEnv": {"B": "2"}}},
        "karpenter": {"provisioner": {"instanceType": ["g6.xlarge"]}},
    }
    rendered = render({"defaults": defaults}, one=entry)
    assert {"A": "1", "B": "2"}.items() <= rendered.env("one").items()
    requirements = rendered["NodePool/demo-one"]["spec"]["template"]["spec"]["requirements"]
    types = next(
        manifest for manifest in requirements if manifest["key"] == "node.kubernetes.io/instance-type"
    )
    assert types["values"] == ["g6.xlarge"]


def test_one_runtime_does_not_change_another(render: Render) -> None:
    entry = {"runtime": {"scaling": {"queueLength": 9}, "inferenceApi": {"extraEnv": {"A": "1"}}}}
    together, alone = render(a=entry, b={}), render(b={})
    assert {key: together[key] for key in alone} == alone


def test_a_name_with_nothing_behind_it_is_refused(render: Render) -> None:
    with pytest.raises(HelmError, match="Expected: object, given: null"):
        render(one=None)


@pytest.mark.thorough
def test_a_hundred_runtimes_are_rendered() -> None:
    kinds = ["sdwebui", "comfyui", "invokeai"]
    runtimes = {f"r{n:03}": {"type": kinds[n % 3]} for n in range(100)}

    rendered = template(str(RUNTIMES), json.dumps(merged(BASE, {"runtimes": runtimes})))

    assert len(rendered.kinds("Deployment")) == 100


def test_text_that_yaml_would_read_as_something_else_stays_text(with_value: Callable[..., Objects]) -> None:
    words = {
        "A": "yes",
        "B": "1e3",
        "C": "0x1F",
        "D": "null",
        "E": "a: b # c",
        "F": '"quoted"',
        "G": "{{ x }}",
    }
    env = with_value("runtime.inferenceApi.extraEnv", words).env("one")
    assert {key: env[key] for key in words} == words


WORDS = ["true", "null", "no", "on", "y", "e5"]


def test_names_that_yaml_would_read_as_something_else_stay_names(render: Render) -> None:
    entry = {
        "namespace": "1e3",
        "runtime": {"serviceAccountName": "0123", "inferenceApi": {"extraEnv": {"NO": "1", "null": "2"}}},
    }
    plain = {word: {} for word in WORDS}
    rendered = render({"createNamespaces": True}, **plain, a=entry)
    assert all(isinstance(manifest["metadata"]["name"], str) for manifest in rendered.values())
    assert {manifest["metadata"].get("namespace", "1e3") for manifest in rendered.values()} == {
        "default",
        "1e3",
    }
    assert {f"Deployment/{word}" for word in WORDS} <= rendered.keys()
    assert rendered.pod("a")["serviceAccountName"] == "0123"
    assert {"NO", "null"} <= rendered.env("a").keys()
    for word in WORDS:
        spec = rendered[f"ScaledObject/{word}"]["spec"]
        assert spec["scaleTargetRef"]["name"] == spec["triggers"][0]["authenticationRef"]["name"] == word
        assert rendered[f"PersistentVolume/demo-{word}"]["spec"]["claimRef"]["name"] == f"{word}-models"


@pytest.mark.thorough
@pytest.mark.parametrize("part", ["inferenceApi", "queueAgent"])
@pytest.mark.parametrize(
    ("value", "text"),
    [(33554432, "33554432"), (1.5, "1.5"), (2.0, "2"), (0, "0"), (-7, "-7"), (True, "true"), ("1e3", "1e3")],
)
def test_a_number_reaches_the_container_as_it_is_written(
    with_value: Callable[..., Objects], part: str, value: object, text: str
) -> None:
    container = {"inferenceApi": "runtime", "queueAgent": "queue-agent"}[part]
    env = with_value(f"runtime.{part}.extraEnv", {"NUMBER": value}).env("one", container)
    assert env["NUMBER"] == text
