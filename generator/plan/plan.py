"""What a solution will be: resources, GPU nodes at the maximum, the quotas that needs, cost, licences."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from generator.build import cluster
from generator.facts import quotas
from generator.facts.facts import Facts
from generator.facts.prices import Prices
from generator.facts.quotas import Market, Quota
from generator.plan.cost import Cost, cost
from generator.solution.model import Runtime, RuntimeType, Solution

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

# What eksctl makes for the fixed network (cluster.yaml); stack.yaml's own are counted from its text.
NETWORK = {
    "VPC": 1,
    "subnet": 6,
    "internet gateway": 1,
    "NAT gateway": 3,
    "elastic IP": 3,
}
# Roles that eksctl adds to those of service accounts: control plane, node group, VPC CNI add-on.
EKSCTL_ROLES = 3
KUBERNETES_PER_RUNTIME = ("NodePool", "EC2NodeClass", "Deployment", "ScaledObject", "PersistentVolume")


@dataclass(frozen=True)
class Resources:
    """How many of one kind, and which file makes them."""

    made_by: str
    kind: str
    count: int


@dataclass(frozen=True)
class NodeOption:
    """All pods of a runtime on nodes of one type."""

    instance_type: str
    gpu_name: str
    vcpu: int
    pods_per_node: int
    nodes: int

    @property
    def vcpus(self) -> int:
        """vCPUs of all nodes."""
        return self.nodes * self.vcpu


@dataclass(frozen=True)
class RuntimePlan:
    """One runtime at its maximum, for each instance type that Karpenter may choose."""

    name: str
    type: RuntimeType
    licence: str
    pods: int
    markets: tuple[Market, ...]
    options: tuple[NodeOption, ...]


@dataclass(frozen=True)
class Need:
    """What the plan draws of one quota: with the smallest choice of nodes, and with the largest.

    `other_market` is the code of the quota that may serve the same nodes instead (spot and on-demand).
    """

    quota: Quota
    least: int
    most: int
    why: str
    other_market: str | None = None


@dataclass(frozen=True)
class Plan:
    """Everything that `generator plan` prints."""

    stack: str
    region: str
    eks: str
    resources: tuple[Resources, ...]
    runtimes: tuple[RuntimePlan, ...]
    needs: tuple[Need, ...]
    cost: Cost


def plan(
    solution: Solution,
    facts: Facts,
    prices: Prices,
    stack_kinds: Mapping[str, int],
    seconds: Mapping[str, float] | None = None,
) -> Plan:
    """The plan of a solution.

    `stack_kinds` counts the resource types of stack.yaml; `seconds` says how long a GPU takes for a picture.
    """
    runtimes = tuple(runtime_plan(runtime, facts) for runtime in solution.runtimes)
    return Plan(
        stack=solution.stack,
        region=solution.region,
        eks=solution.versions.eks,
        resources=tuple(_resources(solution, stack_kinds)),
        runtimes=runtimes,
        needs=tuple(_needs(solution, runtimes, facts)),
        cost=cost(solution, runtimes, facts, prices, seconds=seconds or {}, stack_kinds=stack_kinds),
    )


def kinds(templates: Mapping[str, str]) -> dict[str, int]:
    """How many resources of each type CloudFormation templates hold."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = (yaml.load(text, loader)["Resources"].values() for text in templates.values())  # noqa: S506 - a safe one
    return dict(Counter(str(resource["Type"]) for resources in found for resource in resources))


def runtime_plan(runtime: Runtime, facts: Facts) -> RuntimePlan:
    """One runtime with every pod running."""
    pods = runtime.scaling.max_replicas if runtime.scaling.enabled else 1
    if runtime.nodes.gpu_limit is not None:
        pods = min(pods, runtime.nodes.gpu_limit // max(runtime.gpus_per_pod, 1))
    markets: tuple[Market, ...] = ("spot", "on-demand")
    allowed = {"spot": runtime.nodes.spot, "on-demand": runtime.nodes.on_demand}
    return RuntimePlan(
        name=runtime.name,
        type=runtime.type,
        licence=LICENCES[runtime.type],
        pods=pods,
        markets=tuple(market for market in markets if allowed[market]),
        options=tuple(_options(runtime, pods, facts)),
    )


def _options(runtime: Runtime, pods: int, facts: Facts) -> Iterator[NodeOption]:
    """The types that can hold a pod; one with too few GPUs never will."""
    for name in runtime.nodes.instance_types:
        found = facts.instance_type(name)
        per_node = found.gpus // max(runtime.gpus_per_pod, 1) if found else 0
        if found and per_node:
            nodes = math.ceil(pods / per_node)
            yield NodeOption(name, found.gpu_name, found.vcpu, per_node, nodes)


def _resources(solution: Solution, stack_kinds: Mapping[str, int]) -> Iterator[Resources]:
    for kind, count in sorted(stack_kinds.items()):
        yield Resources("stack.yaml", kind, count)
    roles = len(list(cluster.service_accounts(solution))) + EKSCTL_ROLES
    made = {
        "EKS cluster": 1,
        "node group": 1,
        "controller node": solution.components.desired_count,
        "IAM role": roles,
        **NETWORK,
    }
    for kind, count in made.items():
        yield Resources("cluster.yaml", kind, count)
    for kind in KUBERNETES_PER_RUNTIME:
        yield Resources("charts", kind, len(solution.runtimes))


def _needs(solution: Solution, runtimes: tuple[RuntimePlan, ...], facts: Facts) -> Iterator[Need]:
    yield from _gpu_needs(runtimes)
    controllers = facts.instance_type(solution.components.instance_type)
    standard = quotas.of_instance(solution.components.instance_type, "on-demand")
    if controllers and standard:
        vcpus = controllers.vcpu * solution.components.desired_count
        # A rolling update of the node group runs one node more.
        yield Need(standard, vcpus, vcpus + controllers.vcpu, "node group of the controllers")
    yield Need(quotas.ADDRESSES, 3, 3, "one for each NAT gateway")
    yield Need(quotas.VPCS, 1, 1, "the cluster's own network")
    yield Need(quotas.NAT_GATEWAYS, 1, 1, "one in each of three zones")
    rate, burst = solution.api.rate_limit, solution.api.burst_limit
    why = "tasks that the HTTP API lets in, at its rate and its burst, each announced twice (task, result)"
    yield Need(quotas.PUBLISHES, 2 * rate, 2 * max(rate, burst), why)
    yield Need(quotas.BUCKETS, len(runtimes), len(runtimes), "one output bucket for each runtime")


def _gpu_needs(runtimes: tuple[RuntimePlan, ...]) -> Iterator[Need]:
    """vCPUs of GPU nodes, summed over the runtimes, for each quota that any of their types counts against."""
    needs: dict[Quota, Need] = {}
    for runtime in runtimes:
        for need in _needs_of(runtime):
            had = needs.get(need.quota)
            needs[need.quota] = need if had is None else _together(had, need)
    yield from needs.values()


def _needs_of(runtime: RuntimePlan) -> Iterator[Need]:
    for market in runtime.markets:
        groups = _by_quota(runtime.options, market)
        for quota, options in groups.items():
            vcpus = [option.vcpus for option in options]
            # With types of another quota to choose from, the runtime can do without this one.
            least = min(vcpus) if len(groups) == 1 else 0
            other = _other_code(options[0].instance_type, market, runtime.markets)
            yield Need(quota, least, max(vcpus), f"GPU nodes of {runtime.name}", other)


def _together(one: Need, more: Need) -> Need:
    """Two runtimes' needs of one quota; another market helps only if it helps both."""
    other = one.other_market if one.other_market == more.other_market else None
    why = f"{one.why}, {more.why.removeprefix('GPU nodes of ')}"
    return Need(one.quota, one.least + more.least, one.most + more.most, why, other)


def _by_quota(options: tuple[NodeOption, ...], market: Market) -> dict[Quota, list[NodeOption]]:
    groups: dict[Quota, list[NodeOption]] = {}
    for option in options:
        quota = quotas.of_instance(option.instance_type, market)
        if quota:
            groups.setdefault(quota, []).append(option)
    return groups


def _other_code(instance_type: str, market: Market, markets: tuple[Market, ...]) -> str | None:
    if len(markets) < 2:
        return None
    found = quotas.of_instance(instance_type, "on-demand" if market == "spot" else "spot")
    return found.code if found else None
