"""Which tasks a demo sends: the example requests, each to the runtimes that suit it, in several rounds."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from queue_agent.task.protocol import TASK_TYPES

from generator import client
from generator.solution.model import Runtime

Body = Mapping[str, Any]

# Node types hold their text and their seed under these names, in all four runtimes.
PROMPT_KEYS, SEED_KEYS = ("prompt", "text"), ("seed", "noise_seed")
SEED_STEP = 1009


@dataclass(frozen=True)
class Request:
    """One example: its name and its body."""

    name: str
    body: Body

    @property
    def tasktype(self) -> str:
        """What is to be done."""
        if "task" in self.body:
            return str(self.body["task"]["metadata"]["tasktype"])
        return str(self.body["alwayson_scripts"]["task"])

    @property
    def content(self) -> Body:
        """What the runtime is sent."""
        content: Body = self.body["task"]["content"] if "task" in self.body else self.body
        return content

    @property
    def legacy(self) -> bool:
        """Whether it has the older form, which is routed by its model."""
        return "task" not in self.body

    @property
    def prompt(self) -> str:
        """What it asks for in words, if in words."""
        return next(
            (text for key, text in _leaves(self.content) if key in PROMPT_KEYS and isinstance(text, str)), ""
        )

    @property
    def title(self) -> str:
        """What to call it before a reader."""
        return self.prompt or self.tasktype.replace("-", " ")

    def suits(self, runtime: Runtime) -> bool:
        """Whether `runtime` can do it."""
        if _runtime_type(self.tasktype) != runtime.type:
            return False
        if self.legacy:
            return bool(runtime.model_filename == self.body["alwayson_scripts"]["sd_model_checkpoint"])
        names_model = "sd_model_checkpoint" in self.content.get("override_settings", {})
        return runtime.type != "sdwebui" or names_model == runtime.dynamic_model


@dataclass(frozen=True)
class Planned:
    """A task to send, and the runtime that will do it."""

    id: str
    runtime: str
    request: Request


def read(folder: Path) -> tuple[Request, ...]:
    """The example requests, by name."""
    files = sorted(folder.glob("*.json"))
    return tuple(Request(file.stem, json.loads(file.read_text("utf-8"))) for file in files)


def plan(
    requests: Sequence[Request], runtimes: Sequence[Runtime], prompts: Sequence[str], rounds: int
) -> list[Planned]:
    """Every request to every runtime that suits it, `rounds` times; the runtimes take turns.

    Rounds after the first have another prompt and another seed; a request that has neither is sent once.
    """
    pairs = [(runtime, request) for request in requests for runtime in runtimes if request.suits(runtime)]
    planned: list[Planned] = []
    for number in range(rounds):
        for index, (runtime, request) in enumerate(pairs):
            prompt = prompts[(number * len(pairs) + index) % len(prompts)] if number else request.prompt
            body = varied(request.body, request.prompt, prompt, number * SEED_STEP)
            if number and body == request.body:
                continue
            task = f"{request.name}-{runtime.name}-{number + 1}"
            body = client.with_runtime(client.with_id(body, task), runtime.name)
            planned.append(Planned(task, runtime.name, Request(request.name, body)))
    return planned


def varied(value: Any, old: str, new: str, step: int, key: str = "") -> Any:
    """The same body with another prompt and with seeds that are `step` higher."""
    if isinstance(value, Mapping):
        return {name: varied(each, old, new, step, name) for name, each in value.items()}
    if isinstance(value, list):
        return [varied(each, old, new, step) for each in value]
    if key in PROMPT_KEYS and value == old:
        return new
    return value + step if key in SEED_KEYS and isinstance(value, int) else value


def _runtime_type(tasktype: str) -> str:
    """The type of runtime that an example with this task type is meant for: the first that accepts it."""
    return next((name for name, tasktypes in TASK_TYPES.items() if tasktype in tasktypes), "custom")


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its plain value, outer ones first."""
    if isinstance(value, Mapping):
        yield from ((key, each) for key, each in value.items() if not isinstance(each, Mapping | list))
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _leaves(each)
