"""Finds samplers and schedulers that SD WebUI does not have: it would use others without an error. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# In the order in which SD WebUI reads them.
SAMPLER_KEYS = ("sampler_name", "sampler_index")


@dataclass(frozen=True)
class Samplers:
    """The samplers of a runtime, its schedulers, and their names at the end of a sampler's name."""

    names: frozenset[str] = frozenset()
    schedulers: frozenset[str] = frozenset()
    suffixes: frozenset[str] = frozenset()

    def unknown(self, content: Mapping[str, Any]) -> str | None:
        """What is wrong with the task's sampler or scheduler; None for values that are no text, or empty."""
        sampler = next((content[key] for key in SAMPLER_KEYS if content.get(key)), None)
        if isinstance(sampler, str) and not self._has(sampler):
            return f"Sampler not found: {sampler!r} is not one of {', '.join(sorted(self.names))}"
        scheduler = content.get("scheduler")
        if isinstance(scheduler, str) and scheduler and scheduler not in self.schedulers:
            return f"Scheduler not found: {scheduler!r} is not one of {', '.join(sorted(self.schedulers))}"
        return None

    def _has(self, name: str) -> bool:
        """Whether this is a sampler, or one with a scheduler, as in `DPM++ 2M Karras`."""
        return name in self.names or any(
            name.removesuffix(f" {word}") in self.names for word in self.suffixes if name.endswith(f" {word}")
        )


def named(content: Mapping[str, Any]) -> bool:
    """Whether a task names a sampler or a scheduler."""
    return any(content.get(key) for key in (*SAMPLER_KEYS, "scheduler"))


def listed(samplers: Sequence[Any], schedulers: Sequence[Any]) -> Samplers:
    """The samplers of a runtime, from its responses to /samplers and /schedulers.

    Source: modules/sd_samplers.py of A1111 1.10 and of Forge.
    """
    rows = [row for row in schedulers if isinstance(row, Mapping)]
    names = {str(row[key]) for row in rows for key in ("name", "label") if row.get(key)}
    aliases = {str(alias) for row in rows for alias in row.get("aliases") or ()}
    return Samplers(
        frozenset(str(row["name"]) for row in samplers if isinstance(row, Mapping) and row.get("name")),
        frozenset(names),
        frozenset(names | aliases),
    )
