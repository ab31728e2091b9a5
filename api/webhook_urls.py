"""Which URLs may be called as webhooks: https, at a public host, on a port that a web server has. Pure."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit

from queue_agent.task.protocol import WEBHOOK_MAX_CHARACTERS
from queue_agent.task.public_addresses import is_literal, is_public

# For JSON Schema, which cannot say the rest.
WEBHOOK_PATTERN = "^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"
# Of at most 63 characters each, 253 together (RFC 1035). The last is a word: where it is a number, resolvers
# read the name as an IPv4 address (https://url.spec.whatwg.org/#ends-in-a-number-checker).
_HOST_LABEL = "[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_PUBLIC_NAME = re.compile(
    rf"(?=.{{1,253}}$)({_HOST_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?", re.IGNORECASE
)
_HTTPS_PORT, _FIRST_USER_PORT = 443, 1024
LOCAL_HOSTS = ("127.0.0.1", "localhost")
# Set by the local pipeline alone.
_LOCAL_VARIABLE = "LOCAL_WEBHOOKS"


def allows_local(environment: Mapping[str, str]) -> bool:
    """Whether webhooks may lead to this machine, by http: only where no AWS is."""
    return environment.get(_LOCAL_VARIABLE) == "true"


def webhook_error(text: str, *, local: bool) -> str:
    """Why a URL may not be called; "" when it may. `local`: http on this machine may be, for tests there.

    Whether the addresses of a host name are public is known when it is called.
    """
    if len(text) > WEBHOOK_MAX_CHARACTERS or not re.fullmatch(WEBHOOK_PATTERN, text):
        return f"must be an https:// URL of at most {WEBHOOK_MAX_CHARACTERS} ASCII characters"
    try:
        parts = urlsplit(text)
        if local and parts.hostname in LOCAL_HOSTS:
            return ""
        return next(_url_errors(parts, parts.port), "")
    except ValueError:
        return "is not a valid URL"


def _url_errors(parts: SplitResult, port: int | None) -> Iterator[str]:
    host = parts.hostname or ""
    if parts.scheme != "https":
        yield "must start with https://"
    if parts.username is not None or parts.password is not None:
        yield "must not have a user name: the signature shows who calls"
    if port is not None and port != _HTTPS_PORT and port < _FIRST_USER_PORT:
        yield f"must have the port {_HTTPS_PORT}, or one from {_FIRST_USER_PORT} on"
    if is_literal(host):
        if not is_public(host):
            yield f"must lead to a public address; {host} is not"
    elif not _PUBLIC_NAME.fullmatch(host.removesuffix(".")):
        yield "must have the full name of a public host"
