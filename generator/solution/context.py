"""Inputs of a run other than the config: region, account, today's date."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True)
class Context:
    """Read once, outside the core: a flag first, then the config's key, then the environment (or STS).

    `None`: not set. `validate` warns about it; commands that derive names report an error.
    `files`: the texts of files next to the config: those that it names, and `custom_nodes.lock_name`.
    """

    region: str | None
    account: str | None
    today: date
    files: Mapping[str, str] = field(default_factory=dict)
