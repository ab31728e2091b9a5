"""The HTTP API of a solution: its limits, and its keys with theirs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """The most requests in a period: DAY, WEEK or MONTH."""

    limit: int
    period: str


@dataclass(frozen=True)
class ApiKey:
    """A key of the HTTP API, and its usage plan; rates in requests per second."""

    name: str
    rate_limit: int
    burst_limit: int
    quota: Quota | None = None


@dataclass(frozen=True)
class Api:
    """The HTTP API: its stage, its limits in requests per second, its further keys.

    `origins`: those of the web pages that may call it; `*` for all.
    """

    stage: str
    rate_limit: int
    burst_limit: int
    keys: tuple[ApiKey, ...]
    origins: tuple[str, ...]
