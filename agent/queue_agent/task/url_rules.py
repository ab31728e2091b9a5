"""Which URLs a task may name as inputs. Pure.

The agent checks them before it fetches; the API's function holds a copy, and refuses them before a GPU is
started. So it needs nothing but the standard library.
"""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from urllib.parse import urlsplit

from queue_agent.task.public_addresses import is_literal, is_private_name, is_public

SCHEMES = ("https", "s3")
MAX_URL_CHARACTERS = 4096
# Labels of at most 63 characters, 253 together (RFC 1035); `_` is not allowed there, but in use.
_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST_NAME = re.compile(rf"(?=.{{1,254}}$)({_LABEL}\.)*{_LABEL}\.?")
URL_START = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]{0,15}://")
INVALID_URL = "an input is not a valid URL"


@dataclass(frozen=True)
class Address:
    """The parts of a URL: its host as text and as it is in DNS, its port (None: an invalid one)."""

    scheme: str
    host: str
    ascii_host: str
    port: int | None
    has_user: bool


def is_url(text: str) -> bool:
    """Whether the text as a whole is a URL, of whatever scheme; a prompt that mentions one is not."""
    return URL_START.match(text) is not None and not any(character.isspace() for character in text.strip())


def address_problem(address: Address, public: Callable[[str], bool]) -> str:
    """Why inputs may not come from there; "" if they may. `public` decides about literal addresses."""
    host, https = address.host, address.scheme == "https"
    if address.scheme not in SCHEMES or not host:
        return "an input by URL must start with https:// or s3://"
    if address.has_user or (https and not address.port):
        return f"the URL of an input at {host} has a user name or an invalid port"
    if https and not is_literal(host) and not HOST_NAME.fullmatch(address.ascii_host):
        return f"{host[:80]} is not a valid host name"
    if https and is_literal(host) and not public(host):
        return f"{host} is not a public address"
    return ""


def bucket_problem(bucket: str, allowed: Container[str]) -> str:
    """Why inputs may not come from a bucket; "" if they may."""
    return "" if bucket in allowed else f"inputs from the bucket {bucket} are not allowed"


def url_problem(text: str, buckets: Container[str]) -> str:
    """Why a URL cannot be an input, as far as that is known without DNS; "" if nothing is."""
    if len(text) > MAX_URL_CHARACTERS:
        return f"the URL of an input has {len(text)} characters; the maximum is {MAX_URL_CHARACTERS}"
    try:
        url = urlsplit(text.strip())
        host, port = url.hostname or "", url.port
    except ValueError:
        return INVALID_URL
    try:
        ascii_host = host if is_literal(host) else host.encode("idna").decode()
    except UnicodeError:
        ascii_host = host
    https = 443 if port is None else port
    problem = address_problem(
        Address(url.scheme, host, ascii_host, https, url.username is not None), is_public
    )
    if url.scheme == "s3":
        return problem or bucket_problem(host, buckets)
    return problem or (f"{host} is not a public address" if is_private_name(host) else "")
