"""The tasks of a demo: the example requests, each for the runtimes that support it, in several rounds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from queue_agent.task.protocol import TASK_TYPES

from generator import client
from generator.solution.model import Runtime

Body = Mapping[str, Any]

# The keys of texts and of seeds in the requests and node types of all four runtimes.
PROMPT_KEYS, SEED_KEYS = ("prompt", "text"), ("seed", "noise_seed")
SEED_STEP = 1009


@dataclass(frozen=True)
class Request:
    """One example request: its name and its body."""

    name: str
    body: Body

    @property
    def tasktype(self) -> str:
        """The task type."""
        if "task" in self.body:
            return str(self.body["task"]["metadata"]["tasktype"])
        return str(self.body["alwayson_scripts"]["task"])

    @property
    def content(self) -> Body:
        """The part of the body that goes to the runtime."""
        content: Body = self.body["task"]["content"] if "task" in self.body else self.body
        return content

    @property
    def legacy(self) -> bool:
        """Whether it has the form v1alpha1, which is routed by its model."""
        return "task" not in self.body

    @property
    def prompt(self) -> str:
        """Its prompt, or an empty text."""
        return next(
            (text for key, text in _leaves(self.content) if key in PROMPT_KEYS and isinstance(text, str)), ""
        )

    @property
    def title(self) -> str:
        """Its title in tables and in the gallery."""
        return self.prompt or self.tasktype.replace("-", " ")

    def runs_on(self, runtime: Runtime) -> bool:
        """Whether `runtime` supports it."""
        if _runtime_type(self.tasktype) != runtime.type:
            return False
        if self.legacy:
            return bool(runtime.default_model == self.body["alwayson_scripts"]["sd_model_checkpoint"])
        if runtime.type != "sdwebui":
            return True
        names_model = "sd_model_checkpoint" in self.content.get("override_settings", {})
        return runtime.dynamic_model if names_model else runtime.default_model is not None


@dataclass(frozen=True)
class PlannedTask:
    """A task to send, and its runtime."""

    id: str
    runtime: str
    request: Request


def read(folder: Path) -> tuple[Request, ...]:
    """The example requests, by name."""
    files = sorted(folder.glob("*.json"))
    return tuple(Request(file.stem, json.loads(file.read_text("utf-8"))) for file in files)


def plan(
    requests: Sequence[Request], runtimes: Sequence[Runtime], prompts: Sequence[str], rounds: int
) -> list[PlannedTask]:
    """Every request for every runtime that supports it, `rounds` times, alternating between runtimes.

    Rounds after the first have another prompt and another seed; a request that has neither is sent once.
    """
    pairs = [(runtime, request) for request in requests for runtime in runtimes if request.runs_on(runtime)]
    planned: list[PlannedTask] = []
    for number in range(rounds):
        for index, (runtime, request) in enumerate(pairs):
            prompt = prompts[(number * len(pairs) + index) % len(prompts)] if number else request.prompt
            body = varied(request.body, request.prompt, prompt, number * SEED_STEP)
            if number and body == request.body:
                continue
            task = f"{request.name}-{runtime.name}-{number + 1}"
            body = client.with_runtime(client.with_id(body, task), runtime.name)
            planned.append(PlannedTask(task, runtime.name, Request(request.name, body)))
    return planned


def varied(value: Any, old: str, new: str, step: int, key: str = "") -> Any:
    """A copy of the body with prompt `new` in place of `old`, and with seeds that are `step` higher."""
    if isinstance(value, Mapping):
        return {name: varied(item, old, new, step, name) for name, item in value.items()}
    if isinstance(value, list):
        return [varied(item, old, new, step) for item in value]
    if key in PROMPT_KEYS and value == old:
        return new
    return value + step if key in SEED_KEYS and isinstance(value, int) else value


def _runtime_type(tasktype: str) -> str:
    """The type of runtime that an example with this task type is meant for: the first that accepts it."""
    return next((name for name, tasktypes in TASK_TYPES.items() if tasktype in tasktypes), "custom")


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with a scalar value, outer ones first."""
    if isinstance(value, Mapping):
        yield from ((key, item) for key, item in value.items() if not isinstance(item, Mapping | list))
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _leaves(item)
