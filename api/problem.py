"""Error responses, as the problem documents of RFC 9457."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True)
class FieldError:
    """One error of a request: the path of the field ("task.metadata.id"), and what is wrong with it."""

    field: str
    detail: str


class ProblemError(Exception):
    """A request that is refused. `errors` names the fields, `headers` are added to the response."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The body of the response."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"field": error.field, "detail": error.detail} for error in self.errors]
        return body


def invalid_request(errors: Sequence[FieldError]) -> ProblemError:
    """400: the body or the path does not match the schema of the API. `errors` holds at least one."""
    first, more = errors[0], f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return ProblemError(HTTPStatus.BAD_REQUEST, f"{first.field} {first.detail}{more}", errors=errors)


def service_unavailable() -> ProblemError:
    """503: a call to AWS failed; the same request may succeed later."""
    detail = "AWS did not answer: repeat the request, with the same id."
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "1"})
