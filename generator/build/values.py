"""Values of the charts: one file for the platform, one for each runtime."""

from collections.abc import Mapping
from typing import Any

from generator.build import yaml_text
from generator.facts import image_reference
from generator.images import images
from generator.solution import names
from generator.solution.merge import merged
from generator.solution.model import Runtime, Solution

Values = dict[str, Any]


def umbrella(solution: Solution) -> dict[str, str]:
    """Values files for charts/sd-on-eks."""
    parts: dict[str, Values] = {"values/platform.yaml": platform(solution)}
    for runtime in solution.runtimes:
        values = {runtime.name: runtime_values(solution, runtime)}
        parts[f"values/{runtime.name}.yaml"] = {"sd-runtimes": {"runtimes": values}}
    return _texts(solution, parts)


def runtimes_alone(solution: Solution) -> dict[str, str]:
    """Values files for charts/sd-runtimes, for a cluster that has the operators already."""
    parts = {
        f"values/{runtime.name}.yaml": {"runtimes": {runtime.name: runtime_values(solution, runtime)}}
        for runtime in solution.runtimes
    }
    return _texts(solution, parts)


def _texts(solution: Solution, parts: Mapping[str, Values]) -> dict[str, str]:
    """Each file begins with what all share, written once: with 1,000 runtimes it is half of the work."""
    shared = yaml_text.dump({"global": global_values(solution)})
    return {path: shared + yaml_text.dump(values) for path, values in parts.items()}


def global_values(solution: Solution) -> Values:
    """What all runtimes share."""
    return {
        "stackName": solution.stack,
        "region": solution.region,
        "accountId": solution.account,
        "partition": solution.partition.name,
        "dnsSuffix": solution.partition.dns_suffix,
        "imageRegistry": solution.image_registry or "",
        "eksVersion": solution.versions.eks,
        "tags": dict(solution.tags),
    }


def runtime_values(solution: Solution, runtime: Runtime) -> Values:
    """One runtime: what follows from names, with the user's `extraValues` laid upon it."""
    model = {"modelFilename": runtime.model_filename} if runtime.model_filename else {}
    generated = {
        "namespace": runtime.namespace,
        "type": runtime.type,
        **model,
        "dynamicModel": runtime.dynamic_model,
        "karpenter": {
            "nodeTemplate": {
                "iamRole": names.controller_role(solution.stack, "karpenter-node"),
                "amiVersion": solution.versions.bottlerocket,
            }
        },
        "runtime": {
            "serviceAccountName": runtime.service_account,
            "serviceAccountRoleArn": runtime.role_arn,
            "queueAgent": {
                "s3Bucket": runtime.output_bucket,
                "snsTopicArn": solution.results_topic_arn,
                "sqsQueueUrl": runtime.queue_url,
                "deadLetterQueueUrl": runtime.dead_letter_queue_url,
            },
            "persistence": {"s3": {"modelBucket": solution.model_bucket}},
        },
    }
    return merged(generated, _said(runtime.extra_values, generated))


def _said(user: Mapping[str, Any], generated: Mapping[str, Any]) -> Values:
    """`user` without empty strings in the place of a generated name: those say nothing."""
    said: Values = {}
    for key, value in user.items():
        under = generated.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            said[key] = _said(value, under)
        elif value != "" or not under:
            said[key] = value
    return said


def platform(solution: Solution) -> Values:
    """Values of Karpenter, KEDA and the Mountpoint S3 CSI driver."""
    return {
        "karpenter": _karpenter(solution),
        "keda": _keda(solution),
        "aws-mountpoint-s3-csi-driver": _s3_csi(solution),
        "sd-runtimes": {"createNamespaces": True},
    }


def _karpenter(solution: Solution) -> Values:
    """Keys of oci://public.ecr.aws/karpenter/karpenter."""
    values: Values = {
        "serviceAccount": {
            # The chart would name it after the release; the role trusts this name.
            "name": names.KARPENTER_SERVICE_ACCOUNT,
            "annotations": _role(solution, "karpenter-controller"),
        },
        "settings": {
            "clusterName": solution.stack,
            "interruptionQueue": names.interruption_queue(solution.stack),
        },
    }
    if solution.image_registry:
        # The chart's digest stays: a mirrored image is the same image.
        repository = _in_registry(images.KARPENTER, solution.image_registry)
        values["controller"] = {"image": {"repository": repository}}
    return values


def _keda(solution: Solution) -> Values:
    """Keys of kedacore/keda."""
    values: Values = {
        # The umbrella has the CRDs in crds/, or a fresh cluster would refuse its ScaledObjects.
        "crds": {"install": False},
        "clusterName": solution.stack,
        "podIdentity": {"aws": {"irsa": {"enabled": True, "roleArn": solution.role_arn("keda-operator")}}},
    }
    if solution.image_registry:
        parts = ("keda", "metricsApiServer", "webhooks")
        values["image"] = {part: {"registry": solution.image_registry} for part in parts}
    return values


def _s3_csi(solution: Solution) -> Values:
    """Keys of aws-mountpoint-s3-csi-driver."""
    values: Values = {
        "node": {
            # GPU nodes are tainted; without this they would have no driver, and no models.
            "tolerateAllTaints": True,
            "serviceAccount": {
                "name": names.S3_CSI_SERVICE_ACCOUNT,
                "annotations": _role(solution, "s3-csi-driver"),
            },
        }
    }
    if solution.image_registry:
        registry = solution.image_registry
        values["image"] = {"repository": _in_registry(images.S3_CSI_DRIVER, registry)}
        values["sidecars"] = {
            part: {"image": {"repository": _in_registry(repository, registry)}}
            for part, (repository, _) in images.S3_CSI_SIDECARS[solution.versions.s3_csi].items()
        }
    return values


def _in_registry(repository: str, registry: str) -> str:
    return str(image_reference.parse(repository).in_registry(registry))


def _role(solution: Solution, controller: str) -> Values:
    return {"eks.amazonaws.com/role-arn": solution.role_arn(controller)}
