"""The URLs of inputs: which fields of a task hold one, and whether it may be fetched. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from yarl import URL

from queue_agent.contract import FieldPath, TaskError
from queue_agent.task.assets import value_at
from queue_agent.task.public_addresses import is_literal

SCHEMES = ("https", "s3")
MAX_URL_CHARACTERS = 4096
# Labels of at most 63 characters, 253 together (RFC 1035); `_` is not allowed there, but in use.
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST_NAME = re.compile(rf"(?=.{{1,254}}$)({_LABEL}\.)*{_LABEL}\.?")


def urls_in(
    content: Mapping[str, Any], fields: Sequence[FieldPath], media_fields: Sequence[FieldPath]
) -> dict[FieldPath, tuple[str, bool]]:
    """The URL in each field that holds one, and whether it is of a video or audio file."""
    kinds = dict.fromkeys(fields, False) | dict.fromkeys(media_fields, True)
    return {
        field: (url, media) for field, media in kinds.items() if (url := url_at(content, field)) is not None
    }


def url_at(content: Mapping[str, Any], field: FieldPath) -> str | None:
    """The URL in this field; None when it holds something else, such as base64."""
    value = value_at(content, field)
    return value.strip() if isinstance(value, str) and "://" in value[:16] else None


def checked_url(text: str, public: Callable[[str], bool]) -> URL:
    """The parsed URL, if it may be fetched. Raises `TaskError`."""
    try:
        url = URL(text) if len(text) <= MAX_URL_CHARACTERS else URL()
        host, port = url.host, url.port
    except ValueError as error:
        raise TaskError("input_refused", "an input is not a valid URL") from error
    if url.scheme not in SCHEMES or not host:
        raise TaskError("input_refused", "an input by URL must start with https:// or s3://")
    if url.user is not None or (url.scheme == "https" and not port):
        raise TaskError("input_refused", f"the URL of an input at {host} has a user name or an invalid port")
    if url.scheme == "https" and not is_literal(host) and not HOST_NAME.fullmatch(url.raw_host or ""):
        raise TaskError("input_refused", f"{host[:80]} is not a valid host name")
    if url.scheme == "https" and is_literal(host) and not public(host):
        raise TaskError("input_refused", f"{host} is not a public address")
    return url


def without_query(url: URL) -> str:
    """The URL for messages, without its query, which may hold a signature."""
    return str(url.with_query(None).with_fragment(None))[:200]
