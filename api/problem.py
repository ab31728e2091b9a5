"""Refusals, as the problem documents of RFC 9457."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a request: the field by its path, and what is wrong with it."""

    field: str
    detail: str


class ProblemError(Exception):
    """A request that is refused. `errors` names the fields, `headers` go into the answer."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """What the client reads."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"field": fault.field, "detail": fault.detail} for fault in self.errors]
        return body


def unfit(faults: Sequence[Fault]) -> ProblemError:
    """A body or path that is not what the API's schema says."""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return ProblemError(HTTPStatus.BAD_REQUEST, f"{faults[0].field} {faults[0].detail}{more}", errors=faults)


def unavailable() -> ProblemError:
    """AWS did not do its part; the same request may do better."""
    detail = "AWS did not answer: repeat the request, with the same id."
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"})
