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
    files: dict[str, Values] = {"values/platform.yaml": platform(solution)}
    for runtime in solution.runtimes:
        values = {runtime.name: runtime_values(solution, runtime)}
        files[f"values/{runtime.name}.yaml"] = {"sd-runtimes": {"runtimes": values}}
    return _dump(solution, files)


def runtimes_alone(solution: Solution) -> dict[str, str]:
    """Values files for charts/sd-runtimes, for a cluster that already has what the umbrella adds."""
    files = {
        f"values/{runtime.name}.yaml": {
            "runtimes": {runtime.name: runtime_values(solution, runtime)},
            **_observability(solution),
        }
        for runtime in solution.runtimes
    }
    return _dump(solution, files)


def _dump(solution: Solution, files: Mapping[str, Values]) -> dict[str, str]:
    """Each file starts with the shared values, dumped once: with 1,000 runtimes that halves the work."""
    shared = yaml_text.dump({"global": global_values(solution)})
    return {path: shared + yaml_text.dump(values) for path, values in files.items()}


def global_values(solution: Solution) -> Values:
    """The values that all runtimes share (`global`)."""
    return {
        "stackName": solution.stack,
        "region": solution.region,
        "accountId": solution.account,
        "partition": solution.partition.name,
        "dnsSuffix": solution.partition.dns_suffix,
        "imageRegistry": solution.image_registry or "",
        "eksVersion": solution.versions.eks,
        "podIdentity": solution.pod_identity,
        "tags": dict(solution.tags),
        "volumeKmsKeyArn": solution.keys.volumes or "",
        **(
            {"clusterName": solution.cluster, "autoMode": solution.auto_mode}
            if solution.existing_cluster
            else {}
        ),
    }


def runtime_values(solution: Solution, runtime: Runtime) -> Values:
    """The values of one runtime: generated names, overridden by the user's `extraValues`."""
    model = {"modelFilename": runtime.model_filename} if runtime.model_filename else {}
    image = {"tag": runtime.runtime_image.default_tag} if runtime.custom_nodes else {}
    generated = {
        "namespace": runtime.namespace,
        "type": runtime.type,
        **model,
        "dynamicModel": runtime.dynamic_model,
        "karpenter": _nodes(solution),
        "runtime": {
            "serviceAccountName": runtime.service_account,
            "serviceAccountRoleArn": "" if solution.pod_identity else runtime.role_arn,
            "queueAgent": {
                "s3Bucket": runtime.output_bucket,
                "snsTopicArn": solution.results_topic_arn,
                "sqsQueueUrl": runtime.queue.url,
                "deadLetterQueueUrl": runtime.dead_letter_queue.url,
                **({"highPriorityQueueUrl": high.url} if (high := runtime.high_priority_queue) else {}),
            },
            "persistence": {"s3": {"modelBucket": solution.model_bucket}},
            **({"inferenceApi": {"image": image}} if image else {}),
        },
    }
    # The chart has no other key of `extraValues`.
    user = {key: runtime.extra_values[key] for key in ("karpenter", "runtime") if key in runtime.extra_values}
    values = merged(generated, _without_empty_names(user, generated))
    if runtime.models.mounted and runtime.models.mount_options:
        mount = {"s3": {"mountOptions": list(runtime.models.mount_options)}}
        values = merged(values, {"runtime": {"persistence": mount}})
    if runtime.user_data is None:
        return values
    # The user's text, joined with the settings for image pulls: the chart cannot read TOML.
    return merged(values, {"karpenter": {"nodeTemplate": {"userData": runtime.user_data}}})


def _nodes(solution: Solution) -> Values:
    """The nodes' role, and the release of their operating system; of Auto Mode's nodes, their lifetime."""
    if solution.existing_cluster and solution.auto_mode:
        return {
            "provisioner": {"disruption": {"expireAfter": solution.existing_cluster.expire_after}},
            "nodeTemplate": {"iamRole": solution.node_role},
        }
    return {"nodeTemplate": {"iamRole": solution.node_role, "amiVersion": solution.versions.bottlerocket}}


def _without_empty_names(user: Mapping[str, Any], generated: Mapping[str, Any]) -> Values:
    """`user` without the empty strings that would override a generated name."""
    values: Values = {}
    for key, value in user.items():
        name = generated.get(key)
        if isinstance(value, Mapping) and isinstance(name, Mapping):
            values[key] = _without_empty_names(value, name)
        elif value != "" or not name:
            values[key] = value
    return values


def platform(solution: Solution) -> Values:
    """Values of Karpenter, KEDA and the Mountpoint S3 CSI driver."""
    return {
        "karpenter": _karpenter(solution),
        "keda": _keda(solution),
        "aws-mountpoint-s3-csi-driver": _s3_csi(solution),
        "sd-runtimes": {"createNamespaces": True, **_observability(solution)},
    }


def _observability(solution: Solution) -> Values:
    """Keys of charts/sd-runtimes: Fluent Bit, the DCGM exporter, objects of the Prometheus Operator."""
    logs = solution.observability.logs
    role = "" if solution.pod_identity else solution.role_arn("log-collector")
    log_values = {"logGroup": logs.group, "serviceAccountRoleArn": role}
    monitors = solution.observability.monitors
    return {
        "logs": {"enabled": logs.enabled, **(log_values if logs.enabled else {})},
        "gpuMetrics": {"enabled": solution.observability.gpu_metrics},
        "monitors": {"enabled": monitors.enabled, "labels": dict(monitors.labels)},
    }


def _karpenter(solution: Solution) -> Values:
    """Keys of oci://public.ecr.aws/karpenter/karpenter."""
    values: Values = {
        "serviceAccount": {
            # The chart would name it after the release; the trust policy of the role names this one.
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
    if solution.observability.monitors.enabled:
        values["serviceMonitor"] = _monitor(solution)
    return values


def _keda(solution: Solution) -> Values:
    """Keys of kedacore/keda."""
    values: Values = {
        # The umbrella chart has the CRDs in crds/: otherwise a new cluster rejects its ScaledObjects.
        "crds": {"install": False},
        "clusterName": solution.stack,
    }
    if not solution.pod_identity:
        irsa = {"enabled": True, "roleArn": solution.role_arn("keda-operator")}
        values["podIdentity"] = {"aws": {"irsa": irsa}}
    if solution.image_registry:
        parts = ("keda", "metricsApiServer", "webhooks")
        values["image"] = {part: {"registry": solution.image_registry} for part in parts}
    if solution.observability.monitors.enabled:
        part = {"enabled": True, "serviceMonitor": _monitor(solution)}
        values["prometheus"] = {"operator": part, "metricServer": part}
    return values


def _monitor(solution: Solution) -> Values:
    """The switch of a ServiceMonitor in the charts of Karpenter and KEDA."""
    return {"enabled": True, "additionalLabels": dict(solution.observability.monitors.labels)}


def _s3_csi(solution: Solution) -> Values:
    """Keys of aws-mountpoint-s3-csi-driver."""
    values: Values = {
        "node": {
            # GPU nodes are tainted: without this the driver does not run there, and no model can be mounted.
            "tolerateAllTaints": True,
            "serviceAccount": {
                "name": names.S3_CSI_SERVICE_ACCOUNT,
                "annotations": _role(solution, "s3-csi-driver"),
            },
        }
    }
    if solution.versions.csi_has_pods:
        # Karpenter evicts pods of this class last. Those of the default class get SIGTERM with the runtimes'
        # pods and are killed after ten minutes; a task may run for longer.
        values["mountpointPod"] = {"priorityClassName": "system-node-critical"}
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
    """The annotation by which IRSA gives a role to a service account."""
    if solution.pod_identity:
        return {}
    return {"eks.amazonaws.com/role-arn": solution.role_arn(controller)}
