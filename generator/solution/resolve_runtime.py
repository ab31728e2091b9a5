"""From one entry of `modelsRuntime` to a resolved runtime: its names, images, nodes, models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from generator.facts import image_reference
from generator.facts.facts import Partition
from generator.facts.image_reference import ImageReference
from generator.facts.instance_types import Resources
from generator.facts.quantity import parse
from generator.facts.runtimes import DefaultImage
from generator.solution import custom_nodes, direct, names, node_pool, node_snapshot, user_data
from generator.solution.custom_nodes import CustomNodes
from generator.solution.defaults import Defaults
from generator.solution.merge import merged
from generator.solution.model import ContainerImage, Models, Queue, Runtime, Scaling
from generator.solution.nodes import Nodes
from generator.solution.warm import WarmEntry

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Scope:
    """What the names of everything in one solution have in common."""

    stack: str
    region: str
    account: str
    partition: Partition
    # The registry that mirrors every default image, if there is one.
    registry: str | None
    model_bucket: str
    # What the DaemonSets of a GPU node request.
    daemons: Resources
    # Whether GPU nodes are those of EKS Auto Mode.
    auto_mode: bool
    # The texts of the files that the config names, and of locks.
    files: Mapping[str, str]

    def arn(self, service: str, resource: str) -> str:
        """An ARN in the solution's region and account."""
        return names.arn(self.partition.name, service, self.region, self.account, resource)

    def role_arn(self, role: str) -> str:
        """The ARN of a role, which has no region."""
        return names.arn(self.partition.name, "iam", "", self.account, f"role/{role}")

    def queue(self, name: str) -> Queue:
        """A queue by its name."""
        url = names.queue_url(self.partition.dns_suffix, self.region, self.account, name)
        return Queue(name, self.arn("sqs", name), url)


def resolve_runtime(entry: Data, defaults: Defaults, scope: Scope) -> Runtime:
    """The runtime that an entry describes, with defaults for what it leaves out."""
    full = merged(defaults.runtime, entry)
    name, kind = full["name"], full["type"]
    karpenter, pods = full["extraValues"]["karpenter"], full["extraValues"]["runtime"]
    agent, policy = pods["queueAgent"], pods["networkPolicy"]
    # The reference system spells it `XRay`.
    traces = bool(agent["xray"]["enabled"] or agent["XRay"].get("enabled", False))
    high = scope.queue(names.high_priority_queue(scope.stack, name)) if full["priorityQueue"] else None
    role = names.runtime_role(scope.stack, name)
    extra_values = entry.get("extraValues", {})
    nodes = node_pool.nodes(
        karpenter["provisioner"], karpenter["nodeTemplate"], scope.daemons, auto_mode=scope.auto_mode
    )
    models, added = _models(full, scope, nodes), _custom_nodes(full, scope)
    image = defaults.runtime_images[kind]
    if added:
        image = replace(image, tag=added.tag(image.tag))
    containers = pods["inferenceApi"]["resources"], agent["resources"]
    downloads = parse(pods["models"]["sizeLimit"]) if models.direct else None
    return Runtime(
        name=name,
        namespace=full["namespace"],
        type=kind,
        model_filename=full.get("modelFilename") or None,
        dynamic_model=full["dynamicModel"],
        service_account=pods.get("serviceAccountName") or name,
        role_name=role,
        role_arn=pods.get("serviceAccountRoleArn") or scope.role_arn(role),
        queue=scope.queue(names.queue(scope.stack, name)),
        dead_letter_queue=scope.queue(names.dead_letter_queue(scope.stack, name)),
        high_priority_queue=high,
        output_bucket=names.output_bucket(scope.stack, name, scope.account, scope.region),
        node_pool=names.node_pool(scope.stack, node_pool.pool(karpenter, name)),
        dns_servers=tuple(policy["egress"]["dnsServers"]) if policy["enabled"] else None,
        task_timeout_seconds=agent["taskTimeoutSeconds"],
        input_buckets=tuple(agent["inputBuckets"]),
        scaling=_scaling(pods["scaling"]),
        nodes=nodes,
        ami_version=karpenter["nodeTemplate"].get("amiVersion") or None,
        user_data=_user_data(karpenter["nodeTemplate"].get("userData"), nodes, defaults),
        models=models,
        arguments=_words(pods["inferenceApi"]["commandArguments"]),
        memory_limit=parse(pods["inferenceApi"]["resources"]["limits"].get("memory")),
        pod=node_pool.pod_requests(*containers, collector=traces, downloads=downloads, cache=models.cache),
        runtime_image=container_image(image, _at(extra_values, "runtime", "inferenceApi", "image"), scope),
        custom_nodes=added,
        agent_image=container_image(
            defaults.agent_image, _at(extra_values, "runtime", "queueAgent", "image"), scope
        ),
        collector_image=container_image(
            defaults.collector_image,
            _at(extra_values, "runtime", "queueAgent", "xray", "daemon", "image"),
            scope,
        ),
        xray=traces,
        extra_values=extra_values,
    )


def _words(arguments: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(arguments.split() if isinstance(arguments, str) else map(str, arguments))


def _custom_nodes(full: Data, scope: Scope) -> CustomNodes | None:
    """What the config, or the file that it names, adds to ComfyUI; None for nothing."""
    if full.get("customNodesFile"):
        nodes = node_snapshot.parse(scope.files[full["customNodesFile"]]).custom_nodes()
    elif full["customNodes"]:
        nodes = custom_nodes.declared(full["customNodes"])
    else:
        return None
    return nodes.with_lock(scope.files.get(custom_nodes.lock_name(full["name"])))


def _user_data(own: str | None, nodes: Nodes, defaults: Defaults) -> str | None:
    if not own:
        return own
    cached = bool(nodes.data_volume.snapshot_id)
    table = user_data.joined(own, defaults.parallel_pull, image_cache=cached, local_disks=nodes.local_disks)
    return user_data.text(table)


def _scaling(scaling: Data) -> Scaling:
    return Scaling(
        enabled=scaling["enabled"],
        min_replicas=scaling["minReplicaCount"],
        max_replicas=scaling["maxReplicaCount"],
        polling_seconds=scaling["pollingInterval"],
        warm=tuple(map(warm_entry, scaling["warm"])) if scaling["enabled"] else (),
    )


def warm_entry(entry: Data) -> WarmEntry:
    """One entry of `scaling.warm`, with the defaults of the schema."""
    return WarmEntry(
        pods=entry.get("pods", 0),
        nodes=entry.get("nodes", 0),
        timezone=entry.get("timezone", "UTC"),
        start=entry.get("start"),
        end=entry.get("end"),
    )


def _models(full: Data, scope: Scope, nodes: Nodes) -> Models:
    pods = full["extraValues"]["runtime"]
    persistence, models = pods["persistence"], pods["models"]
    from_bucket = persistence["enabled"] and persistence["s3"]["enabled"]
    mounted = bool(from_bucket and not persistence["existingClaim"])
    return Models(
        bucket=persistence["s3"].get("modelBucket") or scope.model_bucket,
        mounted=mounted,
        mount_options=tuple(persistence["s3"]["mountOptions"]),
        direct=direct.files(
            full["type"],
            full.get("modelFilename"),
            models["files"],
            models["load"],
            mounted=mounted,
            disks=nodes.local_disks or scope.auto_mode,
        ),
        cache=parse(models["cacheSize"]) if mounted and models["cacheSize"] else None,
        claim=(str(persistence["size"]), *persistence["accessModes"], str(models["cacheSize"])),
    )


def _at(values: Data, *path: str) -> Data:
    """The map that the user's values have at a path; empty where they say nothing there."""
    for key in path:
        value = values.get(key)
        values = value if isinstance(value, Mapping) else {}
    return values


def container_image(default: DefaultImage, image: Data, scope: Scope) -> ContainerImage:
    """The container's image, by the rule of the chart (sd-runtimes.image); `image` is the user's part.

    A repository of the user with a registry is used unchanged. Any other is in the registry of all images, if
    there is one; without it, a repository without a registry is in the account's ECR.
    """
    name = _reference(default, image)
    if scope.registry and not (name.registry and image.get("repository")):
        name = name.in_registry(scope.registry)
    elif not name.registry:
        suffix = scope.partition.dns_suffix
        name = name.in_registry(image_reference.ecr_host(scope.account, scope.region, suffix))
    return ContainerImage(str(name), default.repository, default.tag)


def _reference(default: DefaultImage, image: Data) -> ImageReference:
    """Repository and tag, or digest, which wins over a tag."""
    repository = image_reference.parse(image.get("repository") or default.repository)
    if image.get("digest"):
        return replace(repository, digest=image["digest"])
    return replace(repository, tag=image.get("tag") or default.tag)
