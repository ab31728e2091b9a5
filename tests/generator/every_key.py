"""A value for every key of the config's schema, and configs that set one key each."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Data = dict[str, Any]

SCHEMA: Data = json.loads((ROOT / "values-schema.json").read_text("utf-8"))
RUNTIME = SCHEMA["definitions"]["modelsRuntime"]

CUSTOM = {
    "type": "custom",
    "extraValues.runtime.inferenceApi.image.repository": "ghcr.io/us/ours",
    "extraValues.runtime.inferenceApi.image.tag": "1.0.0",
    "extraValues.runtime.inferenceApi.probePath": "/ready",
    "extraValues.runtime.inferenceApi.taskPath": "/run",
}
REQUIREMENTS = "extraValues.karpenter.provisioner.extraRequirements"
TAINTS = "extraValues.karpenter.provisioner.extraTaints"
ZONES = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-west-2a", "us-west-2b"]}

NODES = "extraValues.karpenter.nodeTemplate"
WARM = "extraValues.runtime.scaling.warm"
GPU = "nvidia.com/gpu"
FOUR_GPUS = {"extraValues.karpenter.provisioner.instanceType": ["g5.12xlarge"]}
RESOURCES = {
    container: f"extraValues.runtime.{container}.resources" for container in ("inferenceApi", "queueAgent")
}

VARIABLES = [f"extraValues.runtime.{container}.extraEnv" for container in RESOURCES]
SOURCES: Data = {
    "secretKeyRef": {"name": "secret", "key": "one"},
    "configMapKeyRef": {"name": "config", "key": "one"},
    "fieldRef": {"fieldPath": "metadata.namespace"},
    "resourceFieldRef": {"resource": "limits.cpu"},
}

TERMS = f"{NODES}.capacityReservationSelectorTerms"

# The files next to the config of these tests.
COMMIT = "727295b52e5f7b5429e81ca2179172865aa83b99"
GIT_NODE = {"repository": "https://github.com/ltdrdata/ComfyUI-Impact-Pack", "commit": COMMIT}
SNAPSHOT = {"git_custom_nodes": {GIT_NODE["repository"]: {"hash": COMMIT, "disabled": False}}}
FILES = {"snapshot.json": json.dumps(SNAPSHOT)}

# The other keys that a runtime needs before a key has an effect.
REQUIRED_KEYS: dict[str, Data] = {
    "modelFilename": {"type": "sdwebui", "modelFilename": "one.safetensors"},
    "dynamicModel": {"type": "sdwebui"},
    "extraValues.runtime.inferenceApi.port": CUSTOM,
    "extraValues.runtime.inferenceApi.probePath": CUSTOM,
    "extraValues.runtime.inferenceApi.taskPath": CUSTOM,
    "extraValues.runtime.models.sizeLimit": {"extraValues.runtime.models.files": ["vae/ae.safetensors"]},
    "extraValues.runtime.models.load": {"extraValues.runtime.models.files": ["vae/ae.safetensors"]},
    "extraValues.runtime.queueAgent.xray.daemon": {"extraValues.runtime.queueAgent.xray.enabled": True},
    "extraValues.runtime.networkPolicy.egress.internet": {
        "extraValues.runtime.networkPolicy.egress.cidrs": ["10.0.0.5/32"]
    },
    "extraValues.runtime.persistence.storageClass": {
        "extraValues.runtime.persistence.s3.enabled": False,
        "extraValues.runtime.persistence.storageClass": "gp2",
    },
    "extraValues.runtime.persistence.s3.enabled": {"extraValues.runtime.persistence.storageClass": "gp2"},
    f"{NODES}.osVolume.volumeType": {f"{NODES}.osVolume.throughput": None},
    f"{NODES}.dataVolume.volumeType": {f"{NODES}.dataVolume.throughput": None},
    f"{NODES}.osVolume.iops": {f"{NODES}.osVolume.volumeSize": "100Gi"},
    f"{NODES}.osVolume.snapshotID": {f"{NODES}.osVolume.volumeSize": "100Gi"},
    f"{NODES}.dataVolume.snapshotID": {f"{NODES}.dataVolume.volumeSize": "100Gi"},
    **{
        f"{NODES}.{volume}.volumeInitializationRate": {
            f"{NODES}.{volume}.volumeSize": "100Gi",
            f"{NODES}.{volume}.snapshotID": "snap-0123456789abcdef0",
        }
        for volume in ("osVolume", "dataVolume")
    },
    "customNodes[]": {"customNodes": [GIT_NODE]},
    f"{TERMS}[]": {TERMS: [{"tags": {"team": "art"}}]},
    f"{TERMS}[].id": {TERMS: [{"id": "cr-1"}]},
    **{
        f"{RESOURCES[container]}.{kind}.{GPU}": FOUR_GPUS
        for container in RESOURCES
        for kind in ("limits", "requests")
    },
    f"{REQUIREMENTS}[]": {REQUIREMENTS: [ZONES]},
    **{f"{path}[]": {path: [{"name": "A"}]} for path in VARIABLES},
    **{
        f"{path}[].valueFrom.{source}": {path: [{"name": "A", "valueFrom": {source: fields}}]}
        for path in VARIABLES
        for source, fields in SOURCES.items()
    },
    f"{TAINTS}[]": {TAINTS: [{"key": "team", "value": "art", "effect": "NoSchedule"}]},
    f"{WARM}[]": {WARM: [{"pods": 3, "start": "0 7 * * 1-5", "end": "0 17 * * 1-5"}]},
}
# The same for keys of the solution, which change what is built.
REQUIRED_KEYS["kmsKeys.inputs"] = {"extraValues.runtime.queueAgent.inputBuckets": ["my-inputs"]}
# The other keys outside modelsRuntime that a key there needs.
QUOTA = {"limit": 10, "period": "DAY"}
REQUIRED_TOP: Data = {
    "observability.monitors.labels": {"observability.monitors.enabled": True},
    **{
        f"APIGW.keys[].{key}": {"APIGW.keys": [{"name": "newsroom", "quota": QUOTA}]}
        for key in ("name", "throttle.rateLimit", "throttle.burstLimit", "quota.limit", "quota.period")
    },
    **{
        f"models[].{key}": {"models": [{"source": "hf://a/b/c.safetensors", "type": "lora"}]}
        for key in ("source", "type", "file", "sha256", "size", "license")
    },
    "models[].runtimes": {
        "models": [{"source": "hf://a/b/c.safetensors", "type": "lora"}],
        "modelsRuntime": [
            {"name": "one", "type": "comfyui"},
            {
                "name": "two",
                "type": "comfyui",
                "extraValues": {"runtime": {"persistence": {"s3": {"modelBucket": "two-models"}}}},
            },
        ],
    },
    "existingCluster.nodeRole": {"existingCluster.name": "platform"},
    "existingCluster.autoMode": {"existingCluster.name": "platform", "eksVersion": "1.35"},
}
# Values where no example of the schema differs from the default, or is valid with the rest.
VALUES: Data = {
    "stackName": "other",
    "region": "us-east-1",
    "accountId": "210987654321",
    "APIGW.throttle.rateLimit": 31,
    "APIGW.throttle.burstLimit": 51,
    "type": "invokeai",
    "models[].type": "vae",
    "models[].runtimes": ["two"],
    "modelFilename": "other.safetensors",
    "customNodes[].repository": "https://gitlab.com/studio/nodes",
    "customNodes[].commit": "0" * 40,
    "extraValues.runtime.models.load": "mount",
    "extraValues.runtime.inferenceApi.modelMountPath": "/models",
    "extraValues.runtime.inferenceApi.imagePullPolicy": "Always",
    "extraValues.runtime.queueAgent.imagePullPolicy": "Always",
    f"{RESOURCES['inferenceApi']}.limits.{GPU}": "3",
    f"{RESOURCES['inferenceApi']}.requests.{GPU}": "3",
    "extraValues.runtime.queueAgent.resources.requests.memory": "768Mi",
    "extraValues.runtime.inferenceApi.resources.requests.cpu": "2",
    "extraValues.runtime.inferenceApi.resources.requests.memory": "5Gi",
    "extraValues.runtime.queueAgent.image.tag": "0.2.0",
    "extraValues.runtime.queueAgent.xray.daemon.image.repository": "ghcr.io/us/collector",
    "extraValues.runtime.queueAgent.xray.daemon.image.tag": "v1.0.0",
    "extraValues.runtime.persistence.size": "4Ti",
    "extraValues.runtime.persistence.accessModes": ["ReadWriteMany"],
    "extraValues.runtime.persistence.s3.mountOptions": ["prefix team-a/"],
    "extraValues.karpenter.nodeTemplate.amiVersion": "1.50.0",
    "extraValues.runtime.persistence.s3.modelBucket": "other-models",
    f"{REQUIREMENTS}[].key": "failure-domain.beta.kubernetes.io/zone",
    f"{REQUIREMENTS}[].operator": "NotIn",
    f"{REQUIREMENTS}[].values": ["us-west-2c"],
    f"{REQUIREMENTS}[].minValues": 2,
    **{f"{path}[].name": "EXTRA" for path in VARIABLES},
    f"{TAINTS}[].key": "group",
    f"{TAINTS}[].value": "studio",
    f"{TAINTS}[].effect": "NoExecute",
}
# A key that is legal only together with another one.
PAIRED_KEYS = {
    f"{path}.{kind}.{GPU}": f"{path}.{other}.{GPU}"
    for path in RESOURCES.values()
    for kind, other in (("limits", "requests"), ("requests", "limits"))
}
# Keys with one legal value, which is the default.
FIXED = {
    "extraValues.karpenter.nodeTemplate.amiFamily",
    *(f"{path}[].valueFrom.fieldRef.apiVersion" for path in VARIABLES),
}
# Every other name derives from this one: all the tests below change it.
NAME = "name"


def keys(node: Data, path: str = "") -> Iterator[tuple[str, Data]]:
    """Every key that holds a value, by its dotted path, with its part of the schema."""
    node = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    if node.get("properties"):
        for key, child in node["properties"].items():
            if key != "modelsRuntime":
                yield from keys(child, f"{path}.{key}" if path else key)
        return
    yield path, node
    if node.get("items", {}).get("properties"):
        yield from keys(node["items"], f"{path}[]")


TOP = dict(keys(SCHEMA))
OF_RUNTIME = {path: node for path, node in keys(RUNTIME) if path not in {NAME, *FIXED}}
EFFECTIVE = [path for path, node in OF_RUNTIME.items() if "x-no-effect" not in node]
WITHOUT_EFFECT = [path for path, node in OF_RUNTIME.items() if "x-no-effect" in node]


def other_value(path: str, node: Data) -> Any:
    """A legal value that is not the default."""
    if path in VALUES:
        return VALUES[path]
    if node.get("type") == "boolean" and "default" in node:
        return not node["default"]
    return next(value for value in node["examples"] if value != node.get("default"))


def put(data: Data, path: str, value: Any) -> None:
    """Set a dotted path; `[]` is the first item of a list. Names of resources may hold dots themselves."""
    *parents, last = re.findall(r"nvidia\.com/gpu|[^.\[\]]+|\[\]", path)
    parent: Any = data
    for step in parents:
        parent = parent[0] if step == "[]" else parent.setdefault(step, {})
    parent[last] = value


def runtime(name: str, path: str) -> Data:
    """A runtime in which `path` has an effect."""
    entry: Data = {"name": name, "type": "comfyui"}
    for prefix, required in REQUIRED_KEYS.items():
        if path.startswith(prefix):
            for key, value in required.items():
                put(entry, key, copy.deepcopy(value))
    return entry


def config(runtimes: list[Data]) -> Data:
    return {
        "stackName": "demo",
        "region": "us-west-2",
        "accountId": "123456789012",
        # Of EKS 1.28, the S3 CSI driver has no cache.
        "eksVersion": "1.29",
        "modelBucketArn": "arn:aws:s3:::demo-models",
        "modelsRuntime": runtimes,
    }
