"""Whether the instance types of a runtime have the GPU memory and the main memory for a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from generator.facts import model_memory
from generator.facts.footprint import AGENT_MEMORY
from generator.facts.instance_types import InstanceType
from generator.facts.quantity import MIB, gib
from generator.models.contents import Contents
from generator.preflight.check import Subject
from generator.preflight.models import THEME
from generator.preflight.result import CheckStatus, Result
from generator.solution import capacity
from generator.solution.capacity import Place
from generator.solution.model import Runtime

SHOWN = 5


@dataclass(frozen=True)
class Reader:
    """A runtime of a subject."""

    subject: Subject
    runtime: Runtime

    @property
    def place(self) -> Place:
        """Where its nodes are."""
        solution = self.subject.solution
        return Place(self.subject.facts.region(solution.region), solution.zones)

    def kinds(self) -> Sequence[InstanceType]:
        """The instance types that Karpenter may start for it."""
        return capacity.select(self.runtime.nodes, self.runtime.pod, self.place, self.subject.facts).left

    def other_kinds(self) -> Sequence[InstanceType]:
        """The types that it could have as well, if the config listed them."""
        any_type = replace(self.runtime.nodes, instance_types=())
        return capacity.select(any_type, self.runtime.pod, self.place, self.subject.facts).left

    def price(self, kind: InstanceType) -> float | None:
        """The price of an hour, where it is known."""
        region, facts = self.place.region, self.subject.facts
        prices = facts.prices.region_list(region.name, region.partition) if region else None
        return prices.instance(kind.name) if prices else None

    def keeps_all_on_gpu(self, architecture: str) -> bool:
        """Whether the program has all parts of a model on the GPU at the same time."""
        small = any(word in model_memory.SMALL_GPU_ARGUMENTS for word in self.runtime.arguments)
        return self.runtime.type == "sdwebui" and architecture in model_memory.A1111 and not small


@dataclass(frozen=True)
class Need:
    """Bytes that a model needs: of GPU memory at least, of GPU memory to stay there whole, of main memory.

    Between the first two the program keeps a part in main memory, and is slower.
    """

    gpu: Decimal
    whole: Decimal
    memory: Decimal


def need(reader: Reader, model: Contents) -> Need:
    """What a runtime needs for a model."""
    memory = model_memory.main_memory(reader.runtime.type, model.size)
    if reader.keeps_all_on_gpu(model.architecture):
        all_parts = Decimal(model.on_gpu) + model_memory.decoding(model.architecture)
        return Need(all_parts, all_parts, memory)
    largest = Decimal(max(model.diffusion, model.text))
    # A text encoder runs once for a picture, on the CPU if need be.
    return Need(
        Decimal(0) if model.kind == "textEncoder" else largest, largest + model_memory.INFERENCE, memory
    )


def judge(reader: Reader, name: str, model: Contents) -> Iterator[Result]:
    """What is wrong with a model for a runtime, or that nothing is."""
    runtime = reader.runtime
    if runtime.default_model and model.kind not in ("checkpoint", "diffusionModel", ""):
        message = f"this is a {model.kind}, which SD WebUI cannot load as its model"
        yield Result(THEME, name, CheckStatus.FAILED, message, "set `modelFilename` to a checkpoint")
        return
    needed = need(reader, model)
    kinds = reader.kinds()
    faults = {kind.name: fault for kind in kinds if (fault := shortage(reader, kind, needed))}
    if faults:
        message = f"{model}: too large for {_listed(faults)}"
        yield Result(THEME, name, CheckStatus.FAILED, message, _cure(reader, kinds, needed))
        return
    limit = runtime.memory_limit
    if limit is not None and limit < needed.memory:
        message = f"{model}: the memory limit of {gib(limit)} is below the {gib(needed.memory)} that it needs"
        help = "raise or remove inferenceApi.resources.limits.memory"
        yield Result(THEME, name, CheckStatus.FAILED, message, help)
        return
    if not model.kind:
        help = "compare its size with the memory of the GPUs yourself"
        yield Result(THEME, name, CheckStatus.NOT_ASKED, f"{model}: nothing is known of its GPU memory", help)
    elif split := [kind.name for kind in kinds if _gpu(kind) < needed.whole]:
        message = f"{model}: on {', '.join(split[:SHOWN])} a part of it stays in main memory, which is slower"
        yield Result(THEME, name, CheckStatus.WARNING, message, _cure(reader, kinds, needed, whole=True))
    elif runtime.type == "sdwebui" and model.architecture and model.architecture not in model_memory.A1111:
        message = f"{model}: A1111 does not load it; Forge does, which runs as SD WebUI too"
        yield Result(THEME, name, CheckStatus.WARNING, message, "use an image with Forge, or type: comfyui")
    else:
        yield Result(THEME, name, CheckStatus.PASSED, f"{model}: fits on every instance type")


def shortage(reader: Reader, kind: InstanceType, needed: Need, *, whole: bool = False) -> str:
    """What a type has too little of; empty where it fits. `whole`: weights may not be split."""
    at_least = needed.whole if whole else needed.gpu
    if _gpu(kind) < at_least:
        return f"{gib(_gpu(kind))} of GPU memory, of {gib(at_least)} needed"
    if (memory := _memory(reader, kind)) < needed.memory:
        return f"{gib(memory)} of memory for a pod, of {gib(needed.memory)} needed"
    return ""


def _gpu(kind: InstanceType) -> Decimal:
    return Decimal(kind.gpu_memory_mib * MIB)


def _memory(reader: Reader, kind: InstanceType) -> Decimal:
    """What one pod's runtime can use of a node, next to DaemonSets, other pods and its agent."""
    runtime = reader.runtime
    room = capacity.room_for_pods(kind, runtime.nodes).memory - runtime.nodes.daemons.memory
    return room / max(1, capacity.pods_per_node(kind, runtime.nodes, runtime.pod)) - AGENT_MEMORY


def _listed(faults: dict[str, str]) -> str:
    shown = [f"{name} ({fault})" for name, fault in list(faults.items())[:SHOWN]]
    more = len(faults) - len(shown)
    return "; ".join(shown) + (f" and {more} more types" if more else "")


def _cure(reader: Reader, kinds: Sequence[InstanceType], needed: Need, *, whole: bool = False) -> str:
    """The instance types to leave out, and the cheapest that fits."""
    fitting = [kind for kind in kinds if not shortage(reader, kind, needed, whole=whole)]
    others = [kind for kind in reader.other_kinds() if not shortage(reader, kind, needed, whole=whole)]
    priced = [(price, kind.name) for kind in others if (price := reader.price(kind))]
    keep = f"allow only {', '.join(kind.name for kind in fitting[:SHOWN])}, or " if fitting else ""
    if priced:
        price, name = min(priced)
        return f"{keep}set instanceType: [{name}], the cheapest that fits ({price:.2f} an hour)"
    if others:
        smallest = min(others, key=InstanceType.size)
        return f"{keep}set instanceType: [{smallest.name}], the smallest that fits"
    return "no GPU type of the region has that much: use a smaller or quantized file of the model"
