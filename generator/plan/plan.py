"""Composes the plan of a solution: resources, GPU nodes at the maximum, quotas, cost, licenses."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date

from generator.facts import quotas
from generator.facts.facts import Facts
from generator.facts.instance_types import InstanceType
from generator.facts.quotas import Market, Quota
from generator.iam import accounts
from generator.plan import models, notes
from generator.plan.cold_start import cold_start
from generator.plan.cost import cost
from generator.plan.encryption import encryption
from generator.plan.model import (
    ColdStart,
    NodeOption,
    NodePoolPlan,
    Plan,
    QuotaNeed,
    ResourceCount,
    RuntimePlan,
)
from generator.solution import capacity, mounts, warm
from generator.solution.capacity import Place
from generator.solution.model import NodePool, Runtime, RuntimeType, Solution
from generator.solution.nodes import Nodes

# Sources: the LICENSE files of the three projects. They are not part of this product.
LICENCES: Mapping[RuntimeType, str] = {
    "sdwebui": "Stable Diffusion web UI: AGPL-3.0 (offered over a network with changes: offer their source)",
    "comfyui": "ComfyUI: GPL-3.0",
    "invokeai": "InvokeAI: Apache-2.0",
    "custom": "your own container: your own licence",
}
MODEL_LICENCES = (
    "Models have licences of their own (CreativeML Open RAIL-M, Stability AI Community, FLUX non-commercial):"
    " read that of each file in the model bucket."
)

# Roles that eksctl creates in addition to those of service accounts: control plane, node group, VPC CNI.
EKSCTL_ROLES = 3
KUBERNETES_PER_RUNTIME = ("Deployment", "ScaledObject")


def plan(
    solution: Solution,
    facts: Facts,
    today: date,
    stack_resources: Mapping[str, int],
    seconds: Mapping[str, float] | None = None,
) -> Plan:
    """The plan of a solution, with the prices of the day `today`.

    `stack_resources` counts the resources of the CloudFormation templates by type; `seconds` are the seconds
    that a picture takes, by GPU, where the user has numbers of their own.
    """
    place = Place(facts.region(solution.region), solution.zones)
    runtimes = tuple(runtime_plan(runtime, place, facts) for runtime in solution.runtimes)
    return Plan(
        stack=solution.stack,
        region=solution.region,
        eks=solution.versions.eks,
        resources=tuple(_resources(solution, stack_resources)),
        runtimes=runtimes,
        node_pools=tuple(_node_pools(solution, runtimes, facts)),
        needs=tuple(_needs(solution, runtimes, facts)),
        encryption=tuple(encryption(solution)),
        cost=cost(
            solution,
            runtimes,
            facts,
            today=today,
            seconds=seconds or {},
            stack_resources=stack_resources,
        ),
        model_loads=tuple(models.loads(solution, facts)),
        model_copies=tuple(models.copies(solution)),
        cold_starts=tuple(_cold_starts(solution, runtimes, facts, seconds or {})),
        notes=tuple(notes.notes(solution, facts, today)),
    )


def _cold_starts(
    solution: Solution, runtimes: tuple[RuntimePlan, ...], facts: Facts, seconds: Mapping[str, float]
) -> Iterator[ColdStart]:
    """The cold start of each runtime on the first type that Karpenter can start for it."""
    pictures = {**facts.prices.seconds_per_image, **seconds}
    for runtime, planned in zip(solution.runtimes, runtimes, strict=True):
        kind = facts.instance_type(planned.options[0].instance_type) if planned.options else None
        if kind is not None:
            yield cold_start(
                runtime,
                kind,
                facts.cold_start,
                picture=pictures.get(kind.gpu_name),
                size=models.size(solution, runtime),
                auto_mode=solution.auto_mode,
            )


def runtime_plan(runtime: Runtime, place: Place, facts: Facts) -> RuntimePlan:
    """One runtime at its maximum number of pods, on each instance type that Karpenter can start for it."""
    left = capacity.select(runtime.nodes, runtime.pod, place, facts).left
    pods = runtime.scaling.max_replicas if runtime.scaling.enabled else 1
    limits = [capacity.most_pods(kind, runtime.nodes, runtime.pod) for kind in left]
    pods = min(pods, max((limit for limit in limits if limit is not None), default=pods))
    markets: tuple[Market, ...] = ("spot", "on-demand")
    allowed = capacity.capacity_types(runtime.nodes, place)
    placeholders = warm.most_placeholders(runtime.scaling.warm)
    return RuntimePlan(
        name=runtime.name,
        type=runtime.type,
        licence=LICENCES[runtime.type],
        pods=pods,
        placeholders=placeholders,
        warm=warm.levels(runtime.scaling.warm),
        markets=tuple(market for market in markets if market in allowed),
        options=tuple(_options(runtime, left, pods + placeholders)),
    )


def _options(runtime: Runtime, left: Iterable[InstanceType], pods: int) -> Iterator[NodeOption]:
    """All pods on nodes of one type, as far as the limits of the pool allow."""
    for kind in left:
        per_node = capacity.pods_per_node(kind, runtime.nodes, runtime.pod)
        nodes = math.ceil(pods / per_node)
        limit = capacity.nodes_within_limits(kind, runtime.nodes)
        nodes = nodes if limit is None else min(nodes, limit)
        yield NodeOption(kind.name, kind.gpu_name, kind.vcpu, per_node, nodes)


def _node_pools(
    solution: Solution, runtimes: tuple[RuntimePlan, ...], facts: Facts
) -> Iterator[NodePoolPlan]:
    for pool, plans in _by_pool(solution, runtimes):
        pods = sum(runtime.pods for runtime in plans)
        kinds = _kinds(plans, facts)
        most = [capacity.most_pods(kind, pool.nodes, one.pod) for kind in kinds for one in pool.runtimes]
        limits = [limit for limit in most if limit is not None]
        names = tuple(runtime.name for runtime in plans)
        yield NodePoolPlan(pool.name, names, min(pods, max(limits, default=pods)))


def _by_pool(
    solution: Solution, runtimes: tuple[RuntimePlan, ...]
) -> Iterator[tuple[NodePool, list[RuntimePlan]]]:
    plans = {runtime.name: runtime for runtime in runtimes}
    for pool in solution.node_pools:
        yield pool, [plans[runtime.name] for runtime in pool.runtimes]


def _kinds(runtimes: Iterable[RuntimePlan], facts: Facts) -> list[InstanceType]:
    """The instance types that Karpenter may start for any of the runtimes."""
    names = dict.fromkeys(option.instance_type for runtime in runtimes for option in runtime.options)
    return [kind for name in names if (kind := facts.instance_type(name))]


def _resources(solution: Solution, stack_resources: Mapping[str, int]) -> Iterator[ResourceCount]:
    for kind, count in sorted(stack_resources.items()):
        yield ResourceCount("stack.yaml", kind, count)
    if solution.existing_cluster is None:
        yield from _of_cluster(solution)
    nodes = ("NodePool", "NodeClass" if solution.auto_mode else "EC2NodeClass")
    for kind in nodes:
        yield ResourceCount("charts", kind, len(solution.node_pools))
    for kind in KUBERNETES_PER_RUNTIME:
        yield ResourceCount("charts", kind, len(solution.runtimes))
    if volumes := mounts.volumes(solution.runtimes):
        yield ResourceCount("charts", "PersistentVolume", volumes)
    observability = solution.observability
    daemon_sets = observability.logs.enabled + observability.gpu_metrics
    if daemon_sets:
        yield ResourceCount("charts", "DaemonSet", daemon_sets)


def _of_cluster(solution: Solution) -> Iterator[ResourceCount]:
    """What eksctl creates."""
    # With EKS Pod Identity, the roles of service accounts are in stacks of the solution.
    given = 0 if solution.pod_identity else len(list(accounts.service_accounts(solution)))
    zones = len(solution.zones)
    created = {
        "EKS cluster": 1,
        "node group": 1,
        "controller node": solution.components.desired_count,
        "IAM role": given + EKSCTL_ROLES,
        # The network: a public and a private subnet in each zone, with a NAT gateway and its address.
        "VPC": 1,
        "subnet": 2 * zones,
        "internet gateway": 1,
        "NAT gateway": zones,
        "elastic IP": zones,
    }
    for kind, count in created.items():
        yield ResourceCount("cluster.yaml", kind, count)


def _needs(solution: Solution, runtimes: tuple[RuntimePlan, ...], facts: Facts) -> Iterator[QuotaNeed]:
    yield from _gpu_needs(solution, runtimes, facts)
    if solution.existing_cluster is None:
        yield from _needs_of_cluster(solution, facts)
    rate, burst = solution.api.rate_limit, solution.api.burst_limit
    why = "tasks that the HTTP API lets in, at its rate and its burst, each announced twice (task, result)"
    yield QuotaNeed(quotas.PUBLISHES, 2 * rate, 2 * max(rate, burst), why)
    yield QuotaNeed(quotas.BUCKETS, len(runtimes), len(runtimes), "one output bucket for each runtime")


def _needs_of_cluster(solution: Solution, facts: Facts) -> Iterator[QuotaNeed]:
    """What the cluster and its network need."""
    zones = len(solution.zones)
    controllers = facts.instance_type(solution.components.instance_type)
    standard = quotas.of_instance(solution.components.instance_type, "on-demand")
    if controllers and standard:
        vcpus = controllers.vcpu * solution.components.desired_count
        # A rolling update of the node group needs one additional node.
        yield QuotaNeed(standard, vcpus, vcpus + controllers.vcpu, "node group of the controllers")
    yield QuotaNeed(quotas.ADDRESSES, zones, zones, "one for each NAT gateway")
    yield QuotaNeed(quotas.VPCS, 1, 1, "the cluster's own network")
    yield QuotaNeed(quotas.NAT_GATEWAYS, 1, 1, "one in each of three zones")


def _gpu_needs(solution: Solution, runtimes: tuple[RuntimePlan, ...], facts: Facts) -> Iterator[QuotaNeed]:
    """vCPUs of GPU nodes for each quota that their types count against, summed over the node pools."""
    of_pools: list[QuotaNeed] = []
    for pool, plans in _by_pool(solution, runtimes):
        needs = _summed(need for runtime in plans for need in _needs_of(runtime))
        of_pools += [_within_limits(need, pool.nodes, _kinds(plans, facts)) for need in needs]
    yield from _summed(of_pools)


def _summed(needs: Iterable[QuotaNeed]) -> list[QuotaNeed]:
    sums: dict[Quota, QuotaNeed] = {}
    for need in needs:
        earlier = sums.get(need.quota)
        sums[need.quota] = need if earlier is None else _sum(earlier, need)
    return list(sums.values())


def _within_limits(need: QuotaNeed, nodes: Nodes, kinds: Iterable[InstanceType]) -> QuotaNeed:
    """What the limits of the pool leave of the need of all its runtimes together."""
    limits = [
        kind.vcpu * count
        for kind in kinds
        if need.quota in (quotas.of_instance(kind.name, "spot"), quotas.of_instance(kind.name, "on-demand"))
        and (count := capacity.nodes_within_limits(kind, nodes)) is not None
    ]
    if not limits:
        return need
    return replace(need, least=min(need.least, *limits), most=min(need.most, max(limits)))


def _needs_of(runtime: RuntimePlan) -> Iterator[QuotaNeed]:
    for market in runtime.markets:
        groups = _by_quota(runtime.options, market)
        for quota, options in groups.items():
            vcpus = [option.vcpus for option in options]
            # Karpenter may choose types of another quota instead.
            least = min(vcpus) if len(groups) == 1 else 0
            other_market = _other_market(options[0].instance_type, market, runtime.markets)
            yield QuotaNeed(quota, least, max(vcpus), f"GPU nodes of {runtime.name}", other_market)


def _sum(one: QuotaNeed, more: QuotaNeed) -> QuotaNeed:
    """The needs of two runtimes; another market can serve instead only if it can for both."""
    other_market = one.other_market if one.other_market == more.other_market else None
    why = f"{one.why}, {more.why.removeprefix('GPU nodes of ')}"
    return QuotaNeed(one.quota, one.least + more.least, one.most + more.most, why, other_market)


def _by_quota(options: tuple[NodeOption, ...], market: Market) -> dict[Quota, list[NodeOption]]:
    groups: dict[Quota, list[NodeOption]] = {}
    for option in options:
        quota = quotas.of_instance(option.instance_type, market)
        if quota:
            groups.setdefault(quota, []).append(option)
    return groups


def _other_market(instance_type: str, market: Market, markets: tuple[Market, ...]) -> str | None:
    if len(markets) < 2:
        return None
    quota = quotas.of_instance(instance_type, "on-demand" if market == "spot" else "spot")
    return quota.code if quota else None
