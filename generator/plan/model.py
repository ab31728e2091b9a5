"""What a plan holds: resources, GPU nodes at the maximum, the quotas that they need, cost."""

from dataclasses import dataclass
from typing import Literal

from generator.facts.quotas import Market, Quota
from generator.solution.model import RuntimeType
from generator.solution.warm import WarmLevel

StageName = Literal["keda", "node", "image", "start", "model", "picture"]


@dataclass(frozen=True)
class ResourceCount:
    """How many resources of one kind there are, and which file creates them."""

    made_by: str
    kind: str
    count: int


@dataclass(frozen=True)
class NodeOption:
    """All pods of a runtime on nodes of one instance type."""

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
    """One runtime at its maximum, for each instance type that Karpenter may choose.

    `placeholders`: how many of them there may be in addition to the pods. `warm`: what is kept ready.
    """

    name: str
    type: RuntimeType
    licence: str
    pods: int
    placeholders: int
    warm: tuple[WarmLevel, ...]
    markets: tuple[Market, ...]
    options: tuple[NodeOption, ...]


@dataclass(frozen=True)
class NodePoolPlan:
    """One node pool: its runtimes, and the most pods of all of them together that its limits allow."""

    name: str
    runtimes: tuple[str, ...]
    pods: int


@dataclass(frozen=True)
class QuotaNeed:
    """How much of one quota the plan uses: with the smallest choice of nodes, and with the largest.

    `other_market` is the code of the quota that may serve the same nodes instead (spot and on-demand).
    """

    quota: Quota
    least: int
    most: int
    why: str
    other_market: str | None = None


@dataclass(frozen=True)
class Encryption:
    """What encrypts one kind of data at rest: the ARN of a customer's key, or in words."""

    data: str
    key: str


@dataclass(frozen=True)
class ModelLoad:
    """How long a pod of a runtime waits for one model file, on its slowest and its fastest instance type.

    `way`: direct or mount. `size` in bytes; None, like the seconds, where the config does not have it.
    """

    runtime: str
    path: str
    size: int | None
    way: str
    slowest: float | None = None
    fastest: float | None = None


@dataclass(frozen=True)
class ModelCopy:
    """A file that `generator models pull` copies into the bucket."""

    path: str
    source: str
    objects: tuple[str, ...]
    sha256: str | None
    license: str | None


@dataclass(frozen=True)
class CostLine:
    """One amount and the formula behind it; no amount where a price is not known."""

    what: str
    formula: str
    amount: float | None


@dataclass(frozen=True)
class Cost:
    """Cost when idle for a month, and of 1,000 pictures by instance type. Amounts are in `currency`."""

    currency: str
    priced_as: str
    note: str
    idle: tuple[CostLine, ...]
    per_1000: tuple[CostLine, ...]
    requests: CostLine

    @property
    def idle_total(self) -> float:
        """The sum of the known amounts."""
        return sum(line.amount for line in self.idle if line.amount is not None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The items without a known price, which the sum does not include."""
        return tuple(line.what for line in self.idle if line.amount is None)


@dataclass(frozen=True)
class Stage:
    """One stage of a start, in seconds; None where it is not known."""

    name: StageName
    seconds: float | None


@dataclass(frozen=True)
class Start:
    """The stages until the first picture where there is no node, only a placeholder's node, or a warm pod.

    `meets`: whether it meets the goal; None where a stage is not known.
    """

    name: Literal["no node", "placeholder", "warm pod"]
    stages: tuple[Stage, ...]
    seconds: float | None
    meets: bool | None


@dataclass(frozen=True)
class Advice:
    """A key below `extraValues`, its value, and the seconds that it saves; None where that is not known."""

    key: str
    value: str
    saves: float | None


@dataclass(frozen=True)
class ColdStart:
    """The starts of one runtime on its cheapest instance type, with a model of `model_gb` GB."""

    runtime: str
    instance_type: str
    network_gbps: float
    image: str
    model: str
    model_gb: float
    goal_seconds: int
    goal_model_seconds: int
    starts: tuple[Start, ...]
    advice: tuple[Advice, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that `generator plan` prints."""

    stack: str
    region: str
    eks: str
    resources: tuple[ResourceCount, ...]
    runtimes: tuple[RuntimePlan, ...]
    node_pools: tuple[NodePoolPlan, ...]
    needs: tuple[QuotaNeed, ...]
    encryption: tuple[Encryption, ...]
    cost: Cost
    model_loads: tuple[ModelLoad, ...]
    model_copies: tuple[ModelCopy, ...]
    cold_starts: tuple[ColdStart, ...]
    # Sentences about the support of the EKS version and the age of the data.
    notes: tuple[str, ...]
