"""Configs for property tests: built from the schema's vocabulary, so that most of them validate.

Where one key constrains another (types and models, bounds of scaling, volumes), they are chosen together;
free text (environment, arguments, annotations) is any text at all.
"""

import json
import shlex
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from generator import app

Config = dict[str, Any]
Values = st.SearchStrategy[Any]

SCHEMA: Config = json.loads((Path(__file__).resolve().parents[2] / "values-schema.json").read_text("utf-8"))
FACTS = app.facts()
REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "ap-northeast-1", "cn-north-1", "cn-northwest-1")
CHINA = "cn-"

RESOURCES = {"requests": {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": 1}, "limits": {"memory": "8Gi"}}

# Any text that YAML can hold.
text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=30)
word = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True)
label_key = st.from_regex(r"([a-z]{1,8}\.example\.com/)?[a-z][a-z0-9._-]{0,15}[a-z0-9]", fullmatch=True)
labels = st.dictionaries(label_key, word, max_size=3)
annotations = st.dictionaries(label_key, text, max_size=3)
# What AWS takes in a tag.
tags = st.dictionaries(word, st.from_regex(r"[A-Za-z0-9 .:/=+@_-]{0,20}", fullmatch=True), max_size=3)
env = st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,12}", fullmatch=True), text, max_size=4)
digest = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)
duration = st.sampled_from(["30s", "5m", "1h30m", "720h", "Never"])


def some(**keys: Values) -> Values:
    """A map with any of these keys."""
    return st.fixed_dictionaries({}, optional=keys)


def image() -> Values:
    repository = st.from_regex(r"([a-z]{2,8}\.example\.com/)?[a-z]{1,8}/[a-z]{1,8}", fullmatch=True)
    return some(repository=repository, tag=word, digest=digest)


@st.composite
def volume(draw: st.DrawFn) -> Config:
    volume: Config = draw(some(deleteOnTermination=st.booleans()))
    volume["volumeSize"] = f"{draw(st.integers(60, 400))}Gi"
    if draw(st.booleans()):
        volume |= {"volumeType": "gp3", "iops": draw(st.integers(3000, 16000))}
    if draw(st.booleans()):
        volume["snapshotID"] = draw(st.from_regex(r"snap-[0-9a-f]{17}", fullmatch=True))
    return volume


def gpu_types(region: str) -> list[str]:
    """Instance types of a region with NVIDIA GPUs, an NVMe disk and room for the default pod."""
    instance_types = (FACTS.instance_type(name) for name in FACTS.region(region).gpu_types)  # type: ignore[union-attr]
    return sorted(
        kind.name
        for kind in instance_types
        if kind and kind.gpus == 1 and kind.nvme_gb and kind.vcpu >= 4 and kind.gpu_manufacturer == "nvidia"
        and kind.memory_mib >= 16_000 and kind.arch == "amd64"
    )  # fmt: skip


@st.composite
def karpenter(draw: st.DrawFn, region: str) -> Config:
    capacity = st.sampled_from([(True, True), (True, False), (False, True)])
    spot, on_demand = draw(capacity)
    taints = st.fixed_dictionaries(
        {
            "key": label_key,
            "value": word,
            "effect": st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
        }
    )
    requirement = st.sampled_from(
        [
            {"key": "karpenter.k8s.aws/instance-gpu-memory", "operator": "Gt", "values": ["15000"]},
            {"key": "topology.kubernetes.io/zone", "operator": "Exists"},
            {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
        ]
    )
    types = st.lists(st.sampled_from(gpu_types(region)), min_size=1, max_size=4, unique=True)
    provisioner = draw(
        some(
            labels=labels,
            annotations=annotations,
            extraRequirements=st.lists(requirement, max_size=2, unique_by=lambda item: item["key"]),
            extraTaints=st.lists(taints, max_size=2, unique_by=lambda item: item["key"]),
            resourceLimits=st.fixed_dictionaries({"nvidia.com/gpu": st.integers(25, 200)}),
            consolidation=st.booleans(),
            disruption=some(consolidateAfter=duration, expireAfter=duration),
        )
    )
    template = draw(
        some(
            tags=tags,
            instanceStorePolicy=st.sampled_from(["RAID0", "None"]),
            osVolume=volume(),
            dataVolume=volume(),
            userData=st.sampled_from(["", '[settings.kernel.sysctl]\n"vm.swappiness" = "10"\n']),
        )
    )
    provisioner |= {"instanceType": draw(types), "capacityType": {"spot": spot, "onDemand": on_demand}}
    return {"provisioner": provisioner, "nodeTemplate": template}


@st.composite
def scaling(draw: st.DrawFn) -> Config:
    values: Config = draw(
        some(
            enabled=st.booleans(),
            queueLength=st.integers(1, 50),
            cooldownPeriod=st.integers(1, 3600),
            pollingInterval=st.integers(1, 300),
            scaleOnInFlight=st.booleans(),
            extraHPAConfig=st.just({"scaleDown": {"stabilizationWindowSeconds": 600}}),
        )
    )
    low, high = sorted(draw(st.tuples(st.integers(0, 20), st.integers(1, 20))))
    return values | {"minReplicaCount": low, "maxReplicaCount": high}


@st.composite
def runtime_values(draw: st.DrawFn, kind: str) -> Config:
    api = draw(
        some(
            image=image(),
            commandArguments=text.map(shlex.quote) | st.lists(text, max_size=3),
            extraEnv=env,
            imagePullPolicy=st.sampled_from(["Always", "IfNotPresent", "Never"]),
            resources=st.just(RESOURCES),
        )
    )
    if kind == "custom":
        api |= {"port": draw(st.integers(9000, 9999)), "probePath": "/ready", "taskPath": "/run"}
        api["image"] = {"repository": "images.example.com/ours", "tag": draw(word)}
    agent = some(
        image=image(),
        extraEnv=env,
        taskTimeoutSeconds=st.integers(10, 7200),
        maxAttempts=st.integers(1, 20),
        inputBuckets=st.lists(
            st.from_regex(r"[a-z][a-z0-9-]{2,20}[a-z0-9]", fullmatch=True), max_size=2, unique=True
        ),
        xray=some(enabled=st.booleans()),
    )
    persistence = some(
        enabled=st.booleans(), labels=labels, annotations=annotations, size=st.sampled_from(["1Ti", "500Gi"])
    )
    values: Config = draw(
        some(
            labels=labels,
            annotations=annotations,
            scaling=scaling(),
            queueAgent=agent,
            persistence=persistence,
            networkPolicy=some(
                enabled=st.booleans(),
                egress=st.fixed_dictionaries(
                    {"internet": st.booleans(), "cidrs": st.just(["10.0.192.0/26"])}
                ),
            ),
        )
    )
    return values | {"inferenceApi": api}


@st.composite
def runtime(draw: st.DrawFn, name: str, region: str) -> Config:
    kind = draw(st.sampled_from(["sdwebui", "comfyui", "invokeai", "custom"]))
    entry: Config = {"name": name, "type": kind}
    if kind == "sdwebui" and draw(st.booleans()):
        entry["dynamicModel"] = True
    elif kind == "sdwebui":
        entry["modelFilename"] = f"{name}.safetensors"
    if draw(st.booleans()):
        entry["priorityQueue"] = draw(st.booleans())
    if draw(st.booleans()):
        entry["namespace"] = draw(st.sampled_from(["default", "art", "team-1"]))
    extra: Config = {"runtime": draw(runtime_values(kind))}
    # The default types are not offered everywhere, so a config of another region names its own.
    extra["karpenter"] = draw(karpenter(region))
    return entry | {"extraValues": extra}


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """A config; nearly always one that validates."""
    region = draw(st.sampled_from(REGIONS))
    names = draw(
        st.lists(
            st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )
    config: Config = draw(
        some(
            eksVersion=st.sampled_from(FACTS.eks_versions()),
            clusterComponents=some(desiredCount=st.integers(1, 10)),
            APIGW=some(stageName=st.sampled_from(["prod", "dev_2"])),
            tags=tags,
        )
    )
    # Quoted text may end in a line break, which `$` in a pattern overlooks; validation refuses it, so
    # few configs have one.
    end = draw(st.sampled_from([""] * 9 + ["\n"]))
    partition = "aws"
    if region.startswith(CHINA):
        partition, config["imageRegistry"] = "aws-cn", "mirror.example.com/all"
    return config | {
        "stackName": draw(st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True)) + end,
        "region": region,
        "accountId": draw(st.from_regex(r"[0-9]{12}", fullmatch=True)),
        "modelBucketArn": f"arn:{partition}:s3:::models-of-ours",
        "modelsRuntime": [draw(runtime(name, region)) for name in names],
    }
