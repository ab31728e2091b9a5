"""Which web pages may read an answer of the API: cross-origin resource sharing (https://fetch.spec.whatwg.org)."""

from collections.abc import Iterable, Mapping

# How long a browser may remember the answer to a preflight request; Chrome's maximum.
MAX_AGE_SECONDS = 7200
# Beside those that every script may read: https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name
EXPOSED_HEADERS = "Location, Retry-After"


def cors_headers(request: Mapping[str, str], origins: Iterable[str]) -> dict[str, str]:
    """The headers that let a page of one of the origins read the answer."""
    allowed = set(origins)
    if not allowed:
        return {}
    if "*" in allowed:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED_HEADERS}
    origin = header(request, "origin")
    if origin not in allowed:
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        "Vary": "Origin",
    }


def preflight_headers(request: Mapping[str, str], verbs: Iterable[str]) -> dict[str, str]:
    """The headers that answer a browser's question before it sends a request with one of these verbs."""
    asked = header(request, "access-control-request-headers")
    return {
        "Access-Control-Allow-Methods": ", ".join(verbs),
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
        **({"Access-Control-Allow-Headers": asked} if asked else {}),
    }


def header(headers: Mapping[str, str], name: str) -> str:
    """The value of a header, whose name is given in lower case; "" without it."""
    return next((value for key, value in headers.items() if key.lower() == name), "")
