"""Errors of the Comfy API v2: `{"error": {code, message, details}}`, with the codes of its contract."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from api.problem import ProblemError

# The codes by status; those of 403 and 429 are API Gateway's.
ERROR_CODES = {
    400: ("invalid_request", "invalid_cursor", "invalid_metadata_filter"),
    403: ("unauthorized",),
    404: ("not_found", "blob_not_found"),
    405: ("method_not_allowed",),
    409: ("hash_mismatch", "asset_in_use"),
    413: ("payload_too_large",),
    422: (
        *("invalid_workflow", "workflow_format_ui", "missing_asset", "idempotency_key_reuse"),
        *("metadata_invalid", "invalid_request"),
    ),
    429: ("rate_limited",),
    500: ("upstream_error",),
    503: ("upstream_error",),
}
# What the other routes of this API refuse, in the words of the contract.
_CODES = {
    HTTPStatus.BAD_REQUEST: "invalid_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "payload_too_large",
    HTTPStatus.SERVICE_UNAVAILABLE: "upstream_error",
}


class ComfyError(Exception):
    """A request that is refused; `code` tells clients apart what the status does not."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.headers = dict(headers or {})

    def envelope(self) -> dict[str, Any]:
        """The body of the response."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


def invalid(message: str, code: str = "invalid_request", **details: Any) -> ComfyError:
    """422: the request is well-formed, but cannot be carried out."""
    return ComfyError(HTTPStatus.UNPROCESSABLE_ENTITY, code, message, details=details or None)


def bad_request(message: str, code: str = "invalid_request") -> ComfyError:
    """400: the request cannot be read."""
    return ComfyError(HTTPStatus.BAD_REQUEST, code, message)


def not_found(message: str, code: str = "not_found") -> ComfyError:
    """404: there is none, or it belongs to another key: the answer does not say which."""
    return ComfyError(HTTPStatus.NOT_FOUND, code, message)


def of_problem(problem: ProblemError) -> ComfyError:
    """The error for what the other routes would answer with this problem document."""
    code = _CODES.get(problem.status, "upstream_error")
    details = {error.field: error.detail for error in problem.errors}
    return ComfyError(problem.status, code, problem.detail, details=details or None, headers=problem.headers)
