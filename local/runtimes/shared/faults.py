"""Faults that can be injected into a simulated runtime, from the command line or while it runs."""

from __future__ import annotations

import asyncio
import random
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

KINDS = {
    "oom": "the GPU runs out of memory in the middle of the work",
    "error": "an exception in the middle of the work",
    "device": "a CUDA error in the middle of the work; all work fails until the process is restarted",
    "mount": "the models cannot be read: the mount of the bucket is gone",
    "disk": "the scratch volume is full: a file cannot be written",
    "crash": "the process is killed in the middle of the work",
    "hang": "the work does not end and ignores interrupts until the faults are cleared",
    "slow": "the work takes ten times as long",
    "refuse": "the submission is answered with 500 and the connection is closed",
    "disconnect": "the connection is closed in the middle of the work, which goes on (SD WebUI)",
    "partial": "fewer pictures than requested, without an error (SD WebUI)",
    "wrong-model": "another model is used, without an error",
    "node-errors": "200, but an output is dropped because its nodes are invalid (ComfyUI)",
    "forget": "queue and history are lost, as after a restart, once the work is submitted",
    "no-output": "the work succeeds without a picture",
    "broken-output": "the picture cannot be downloaded or decoded",
    "no-nodes": "the list of all nodes is answered with 500 (ComfyUI)",
    "queue-full": "200, but nothing is queued (InvokeAI)",
}
SLOW_FACTOR = 10


@dataclass
class Rule:
    """One fault: how often it occurs, and for which work."""

    kind: str
    times: int = 1  # -1: always
    after: int = 0  # how many matching jobs pass before the first fault
    probability: float = 1.0
    match: str = ""  # text in the id or the prompt

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; the faults are {', '.join(KINDS)}")


class Faults:
    """The active faults of one runtime, and how often each has occurred."""

    def __init__(self, rules: list[Rule] | None = None, seed: int = 0) -> None:
        self.rules = rules or []
        self.cleared = asyncio.Event()
        self.occurred: dict[str, int] = {}
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def take(self, kind: str, label: str = "") -> bool:
        """Whether the fault `kind` occurs now for the work with this label; counts it."""
        for rule in self.rules:
            if rule.kind != kind or rule.match not in label or rule.times == 0:
                continue
            if rule.after > 0:
                rule.after -= 1
                continue
            if self._random.random() >= rule.probability:
                continue
            rule.times -= 1 if rule.times > 0 else 0
            self.occurred[kind] = self.occurred.get(kind, 0) + 1
            return True
        return False

    def slowness(self, label: str) -> float:
        """The factor on the service time."""
        return SLOW_FACTOR if self.take("slow", label) else 1

    def add(self, rule: Rule) -> None:
        """Add a fault."""
        if rule.kind == "hang":
            self.cleared.clear()
        self.rules.append(rule)

    def clear(self) -> None:
        """Remove all faults and end the work that hangs."""
        self.rules.clear()
        self.cleared.set()


def parse(text: str) -> Rule:
    """A fault as written on the command line: `kind`, `kind:times` or `kind@probability`."""
    kind, _, probability = text.partition("@")
    if probability:
        return Rule(kind, times=-1, probability=float(probability))
    kind, _, times = text.partition(":")
    return Rule(kind, times=int(times) if times else 1)


def routes(faults: Faults) -> list[web.RouteDef]:
    """`/_simulation/faults`: POST adds a fault, GET lists them, DELETE removes all."""

    async def add(request: web.Request) -> web.Response:
        try:
            faults.add(Rule(**await request.json()))
        except (TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"active": len(faults.rules)})

    async def show(_: web.Request) -> web.Response:
        rules: list[dict[str, Any]] = [asdict(rule) for rule in faults.rules]
        return web.json_response({"rules": rules, "occurred": faults.occurred, "kinds": KINDS})

    async def clear(_: web.Request) -> web.Response:
        faults.clear()
        return web.json_response({"active": 0})

    path = "/_simulation/faults"
    return [web.post(path, add), web.get(path, show), web.delete(path, clear)]
