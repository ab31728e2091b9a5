"""From a config that validates to the solution that every emitter reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from generator.facts import image_reference
from generator.facts.facts import Partition
from generator.facts.versions import Versions
from generator.solution import names
from generator.solution.context import Context
from generator.solution.merge import merged
from generator.solution.model import (
    Api,
    ClusterComponents,
    Nodes,
    Runtime,
    Scaling,
    Solution,
)

Data = Mapping[str, Any]

# What a config need not say. Tests keep these equal to the defaults of values-schema.json and of the chart.
DEFAULTS: Data = {
    "eksVersion": "1.28",
    "clusterComponents": {"instanceType": "m7g.large", "desiredCount": 2},
    "APIGW": {"stageName": "prod", "throttle": {"rateLimit": 30, "burstLimit": 50}},
    "tags": {},
    "imageRegistry": "",
}
RUNTIME_DEFAULTS: Data = {
    "namespace": "default",
    "modelFilename": "",
    "dynamicModel": False,
    "extraValues": {},
}
EXTRA_DEFAULTS: Data = {
    "karpenter": {
        "provisioner": {
            "capacityType": {"onDemand": True, "spot": True},
            "instanceType": ["g5.xlarge", "g5.2xlarge", "g6.xlarge", "g6.2xlarge"],
            "resourceLimits": {"nvidia.com/gpu": 100},
        }
    },
    "runtime": {
        "serviceAccountName": "",
        "serviceAccountRoleArn": "",
        "scaling": {"enabled": True, "queueLength": 8, "maxReplicaCount": 20, "minReplicaCount": 0},
        "inferenceApi": {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
        "queueAgent": {
            "taskTimeoutSeconds": 1800,
            "maxAttempts": 5,
            "inputBuckets": [],
            "xray": {"enabled": False},
        },
    },
}
AGENT_IMAGE: Data = {"repository": "sd-on-eks/queue-agent", "tag": "0.1.0", "digest": ""}
RUNTIME_IMAGES: Mapping[str, Data] = {
    "sdwebui": {"repository": "sd-on-eks/sdwebui", "tag": "1.10.1", "digest": ""},
    "comfyui": {"repository": "sd-on-eks/comfyui", "tag": "0.8.0", "digest": ""},
    "invokeai": {"repository": "ghcr.io/invoke-ai/invokeai", "tag": "v6.14.1-cuda", "digest": ""},
    "custom": {"repository": "", "tag": "", "digest": ""},
}


class Facts(Protocol):
    """What must be known of AWS."""

    def partition(self, region: str) -> Partition:
        """The partition of a region."""

    def versions(self, eks: str) -> Versions:
        """The versions that belong to one version of EKS."""

    def zones(self, region: str, instance_types: Sequence[str]) -> tuple[str, str, str]:
        """Three zones of a region, those first that offer the instance types."""


@dataclass(frozen=True)
class _Place:
    """What the names of one config's things share."""

    stack: str
    region: str
    account: str
    partition: Partition
    registry: str | None

    def arn(self, service: str, resource: str) -> str:
        return names.arn(self.partition.name, service, self.region, self.account, resource)

    def role_arn(self, role: str) -> str:
        return names.arn(self.partition.name, "iam", "", self.account, f"role/{role}")

    def queue_url(self, queue: str) -> str:
        return names.queue_url(self.partition.dns_suffix, self.region, self.account, queue)


def solution(data: Data, facts: Facts, context: Context) -> Solution:
    """The solution that `data` describes; `data` must have validated with the same facts and context."""
    if context.region is None or context.account is None:
        raise ValueError("names cannot be derived without a region and an account")
    full = merged(DEFAULTS, data)
    place = _Place(
        stack=full["stackName"],
        region=context.region,
        account=context.account,
        partition=facts.partition(context.region),
        registry=full["imageRegistry"] or None,
    )
    runtimes = tuple(_runtime(merged(RUNTIME_DEFAULTS, entry), place) for entry in full["modelsRuntime"])
    instance_types = sorted({kind for runtime in runtimes for kind in runtime.nodes.instance_types})
    return Solution(
        stack=place.stack,
        region=place.region,
        account=place.account,
        partition=place.partition,
        zones=facts.zones(place.region, instance_types),
        versions=facts.versions(full["eksVersion"]),
        model_bucket=full["modelBucketArn"].rpartition(":")[2],
        model_bucket_arn=full["modelBucketArn"],
        components=ClusterComponents(
            instance_type=full["clusterComponents"]["instanceType"],
            desired_count=full["clusterComponents"]["desiredCount"],
        ),
        api=_api(full["APIGW"]),
        tags=full["tags"],
        image_registry=place.registry,
        requests_topic_arn=place.arn("sns", names.requests_topic(place.stack)),
        results_topic_arn=place.arn("sns", names.results_topic(place.stack)),
        runtimes=runtimes,
    )


def _api(gateway: Data) -> Api:
    throttle = gateway["throttle"]
    return Api(
        stage=gateway["stageName"], rate_limit=throttle["rateLimit"], burst_limit=throttle["burstLimit"]
    )


def _runtime(entry: Data, place: _Place) -> Runtime:
    name = entry["name"]
    extra = entry["extraValues"]
    full = merged(EXTRA_DEFAULTS, extra)
    runtime, agent = full["runtime"], full["runtime"]["queueAgent"]
    queue = names.queue(place.stack, name)
    dead_letter = names.dead_letter_queue(place.stack, name)
    role = names.runtime_role(place.stack, name)
    limits = runtime["inferenceApi"]["resources"]["limits"]
    return Runtime(
        name=name,
        namespace=entry["namespace"],
        type=entry["type"],
        model_filename=entry["modelFilename"] or None,
        dynamic_model=entry["dynamicModel"],
        service_account=runtime["serviceAccountName"] or name,
        role_name=role,
        role_arn=runtime["serviceAccountRoleArn"] or place.role_arn(role),
        queue_name=queue,
        queue_arn=place.arn("sqs", queue),
        queue_url=place.queue_url(queue),
        dead_letter_queue_name=dead_letter,
        dead_letter_queue_arn=place.arn("sqs", dead_letter),
        dead_letter_queue_url=place.queue_url(dead_letter),
        output_bucket=names.output_bucket(place.stack, name, place.account, place.region),
        cluster_scoped_name=names.cluster_scoped(place.stack, name),
        task_timeout_seconds=agent["taskTimeoutSeconds"],
        max_attempts=agent["maxAttempts"],
        input_buckets=tuple(agent["inputBuckets"]),
        scaling=_scaling(runtime["scaling"]),
        nodes=_nodes(full["karpenter"]["provisioner"]),
        gpus_per_pod=int(limits["nvidia.com/gpu"]),
        runtime_image=_image(RUNTIME_IMAGES[entry["type"]], runtime["inferenceApi"], place),
        agent_image=_image(AGENT_IMAGE, agent, place),
        # The reference system spells it `XRay`.
        xray=any(agent.get(spelling, {}).get("enabled", False) for spelling in ("xray", "XRay")),
        extra_values=extra,
    )


def _scaling(scaling: Data) -> Scaling:
    return Scaling(
        enabled=scaling["enabled"],
        min_replicas=scaling["minReplicaCount"],
        max_replicas=scaling["maxReplicaCount"],
        queue_length=scaling["queueLength"],
    )


def _nodes(provisioner: Data) -> Nodes:
    gpu_limit = provisioner["resourceLimits"].get("nvidia.com/gpu")
    return Nodes(
        instance_types=tuple(provisioner["instanceType"]),
        spot=provisioner["capacityType"]["spot"],
        on_demand=provisioner["capacityType"]["onDemand"],
        gpu_limit=None if gpu_limit is None else int(gpu_limit),
    )


def _image(default: Data, container: Data, place: _Place) -> str:
    """The container's image, by the rule of the chart (sd-runtimes.image)."""
    user = container.get("image", {})
    image = {**default, **{key: value for key, value in user.items() if value}}
    name = replace(image_reference.parse(image["repository"]), digest=image["digest"])
    if not name.digest:
        name = replace(name, tag=image["tag"])
    if place.registry and not (name.registry and user.get("repository")):
        name = name.in_registry(place.registry)
    elif not name.registry:
        suffix = place.partition.dns_suffix
        name = name.in_registry(image_reference.ecr_host(place.account, place.region, suffix))
    return str(name)
