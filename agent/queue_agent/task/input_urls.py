"""The URLs of inputs: which fields of a task hold one, and whether it may be fetched. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from yarl import URL

from queue_agent.contract import FieldPath, TaskError
from queue_agent.task.assets import value_at
from queue_agent.task.url_rules import INVALID_URL, MAX_URL_CHARACTERS, Address, address_problem


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
        raise TaskError("input_refused", INVALID_URL) from error
    address = Address(url.scheme, host or "", url.raw_host or "", port, url.user is not None)
    if problem := address_problem(address, public):
        raise TaskError("input_refused", problem)
    return url


def without_query(url: URL) -> str:
    """The URL for messages, without its query, which may hold a signature."""
    return str(url.with_query(None).with_fragment(None))[:200]
