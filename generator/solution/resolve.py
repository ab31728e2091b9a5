"""From a config that validates to the solution that every emitter reads."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from generator.facts import footprint
from generator.facts.facts import Facts
from generator.solution import names, node_pool, resolve_models
from generator.solution.capacity import Place
from generator.solution.context import Context
from generator.solution.defaults import Defaults
from generator.solution.http_api import Api, ApiKey, Quota
from generator.solution.merge import merged
from generator.solution.model import (
    ClusterComponents,
    ExistingCluster,
    KmsKeys,
    Logs,
    Monitors,
    Observability,
    Solution,
)
from generator.solution.mounts import with_throughput
from generator.solution.resolve_runtime import Scope, container_image, resolve_runtime


def solution(data: Mapping[str, Any], defaults: Defaults, facts: Facts, context: Context) -> Solution:
    """The solution that `data` describes, with defaults for what it leaves out.

    `data` must have validated with the same facts and context. Raises ValueError without region or account.
    """
    if context.region is None or context.account is None:
        raise ValueError("names cannot be derived without a region and an account")
    config = merged(defaults.config, data)
    existing = existing_cluster(config["existingCluster"], facts)
    scope = Scope(
        stack=config["stackName"],
        region=context.region,
        account=context.account,
        partition=facts.partition(context.region),
        registry=config["imageRegistry"] or None,
        model_bucket=config["modelBucketArn"].rpartition(":")[2],
        daemons=footprint.daemons(
            logs=config["observability"]["logs"]["enabled"],
            gpu_metrics=config["observability"]["gpuMetrics"]["enabled"],
        ),
        auto_mode=existing is not None and existing.auto_mode,
        files=context.files,
    )
    runtimes = tuple(resolve_runtime(entry, defaults, scope) for entry in config["modelsRuntime"])
    instance_types = node_pool.instance_types(runtime.nodes for runtime in runtimes)
    zones, versions = facts.zones(scope.region, instance_types), facts.versions(config["eksVersion"])
    if versions.csi_has_pods:
        place = Place(facts.region(scope.region), zones)
        runtimes = with_throughput(runtimes, place, facts)
    return Solution(
        stack=scope.stack,
        region=scope.region,
        account=scope.account,
        partition=scope.partition,
        zones=zones,
        versions=versions,
        model_bucket=scope.model_bucket,
        model_bucket_arn=config["modelBucketArn"],
        components=ClusterComponents(
            instance_type=config["clusterComponents"]["instanceType"],
            desired_count=config["clusterComponents"]["desiredCount"],
        ),
        existing_cluster=existing,
        pod_identity=config["podIdentity"],
        keys=_keys(config["kmsKeys"]),
        api=_api(config["APIGW"]),
        tags=config["tags"],
        image_registry=scope.registry,
        permissions_boundary_arn=config["permissionsBoundaryArn"] or None,
        requests_topic_arn=scope.arn("sns", names.requests_topic(scope.stack)),
        results_topic_arn=scope.arn("sns", names.results_topic(scope.stack)),
        observability=_observability(config["observability"], defaults, scope),
        runtimes=runtimes,
        model_files=resolve_models.model_files(config["models"], runtimes, scope.model_bucket),
    )


def existing_cluster(config: Mapping[str, Any], facts: Facts) -> ExistingCluster | None:
    """The cluster that the config names; None where it names none."""
    if not config.get("name"):
        return None
    return ExistingCluster(
        name=config["name"],
        node_role=config.get("nodeRole"),
        auto_mode=config["autoMode"],
        expire_after=facts.auto_mode.expire_after,
        dns_servers=facts.auto_mode.dns_servers,
    )


def in_existing_cluster(solution: Solution, facts: Facts) -> Solution:
    """The same for a cluster that exists: the one that the config names, else the one named as the stack."""
    if solution.existing_cluster:
        return solution
    cluster = ExistingCluster(
        solution.stack, None, False, facts.auto_mode.expire_after, facts.auto_mode.dns_servers
    )
    return replace(solution, existing_cluster=cluster)


def _observability(config: Mapping[str, Any], defaults: Defaults, scope: Scope) -> Observability:
    logs, monitors = config["logs"], config["monitors"]
    return Observability(
        logs=Logs(logs["enabled"], names.pod_log_group(scope.stack), logs["retentionDays"]),
        gpu_metrics=config["gpuMetrics"]["enabled"],
        monitors=Monitors(monitors["enabled"], monitors["labels"]),
        log_collector_image=container_image(defaults.log_collector_image, {}, scope),
        gpu_exporter_image=container_image(defaults.gpu_exporter_image, {}, scope),
    )


def _api(gateway: Mapping[str, Any]) -> Api:
    throttle = gateway["throttle"]
    return Api(
        stage=gateway["stageName"],
        rate_limit=throttle["rateLimit"],
        burst_limit=throttle["burstLimit"],
        keys=tuple(_api_key(entry, throttle) for entry in gateway["keys"]),
        origins=tuple(gateway["cors"]["allowOrigins"]),
    )


def _api_key(entry: Mapping[str, Any], of_api: Mapping[str, int]) -> ApiKey:
    limits = {**of_api, **entry.get("throttle", {})}
    quota = Quota(**entry["quota"]) if "quota" in entry else None
    return ApiKey(entry["name"], limits["rateLimit"], limits["burstLimit"], quota)


def _keys(keys: Mapping[str, Any]) -> KmsKeys:
    return KmsKeys(
        models=tuple(keys["models"]),
        inputs=tuple(keys["inputs"]),
        outputs=keys.get("outputs") or None,
        messages=keys.get("messages") or None,
        volumes=keys.get("volumes") or None,
        secrets=keys.get("secrets") or None,
    )
