"""What the function knows of the solution it serves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Runtime:
    """A runtime that takes tasks; `model` is set where v1alpha1 tasks for that model go."""

    name: str
    type: str
    bucket: str
    model: str | None


@dataclass(frozen=True)
class Settings:
    """The solution's name, its topic, its runtimes by name."""

    stack: str
    topic: str
    runtimes: Mapping[str, Runtime]

    def of_type(self, kind: str) -> list[str]:
        """The names of the runtimes of a type."""
        return [runtime.name for runtime in self.runtimes.values() if runtime.type == kind]

    def types(self) -> list[str]:
        """The types of runtimes there are."""
        return sorted({runtime.type for runtime in self.runtimes.values()})

    def by_model(self) -> dict[str, Runtime]:
        """The runtime that a v1alpha1 task for a model goes to: the first with it, as in the stack."""
        found: dict[str, Runtime] = {}
        for runtime in self.runtimes.values():
            if runtime.model is not None:
                found.setdefault(runtime.model, runtime)
        return found


def read_settings(text: str) -> Settings:
    """The settings that the generator wrote."""
    known = json.loads(text)
    runtimes = {name: Runtime(name=name, **entry) for name, entry in known["runtimes"].items()}
    return Settings(stack=known["stack"], topic=known["topic"], runtimes=runtimes)
