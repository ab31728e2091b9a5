"""Inputs of a run other than the config: region, account, today's date."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Context:
    """Read once, outside the core: a flag first, then the config's key, then the environment (or STS).

    `None`: not set. `validate` warns about it; commands that derive names report an error.
    """

    region: str | None
    account: str | None
    today: date
