"""Requests to the sites that models come from. A token goes to its own site, and to no other host."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError

REDIRECTS = (301, 302, 303, 307, 308)
REDIRECTS_MAX = 10
# What another attempt may answer otherwise. Hugging Face and Civitai limit requests by 429.
RETRIED = (408, 425, 429, 500, 502, 503, 504)
ATTEMPTS = 6
LONGEST_WAIT = 30.0
TIMEOUT = urllib3.Timeout(connect=10, read=60)
CONNECTIONS = 16
JSON_BYTES_MAX = 8 << 20
# Longer ones are none: no file has so many bytes.
_NUMBER = re.compile("[0-9]{1,15}")
_TOKEN = re.compile("[!-~]*")


class PullError(Exception):
    """A file cannot be pulled. `help` says what to do; `unreachable`: a site or AWS did not answer."""

    def __init__(self, message: str, help: str = "", *, unreachable: bool = False) -> None:
        self.message, self.help, self.unreachable = message, help, unreachable
        super().__init__(f"{message}: {help}" if help else message)


@dataclass(frozen=True)
class Sites:
    """The addresses of Hugging Face and Civitai, and the tokens for them."""

    hugging_face: str
    civitai: str
    hugging_face_token: str = ""
    civitai_token: str = ""


def sites(environment: Mapping[str, str]) -> Sites:
    """The sites that the environment names: HF_ENDPOINT, CIVITAI_ENDPOINT, HF_TOKEN, CIVITAI_TOKEN.

    Raises PullError for what no request could have.
    """
    return Sites(
        hugging_face=_endpoint(environment, "HF_ENDPOINT", "https://huggingface.co"),
        civitai=_endpoint(environment, "CIVITAI_ENDPOINT", "https://civitai.com"),
        hugging_face_token=_token(environment, "HF_TOKEN"),
        civitai_token=_token(environment, "CIVITAI_TOKEN"),
    )


def _endpoint(environment: Mapping[str, str], name: str, usual: str) -> str:
    address = (environment.get(name) or usual).rstrip("/")
    if (place := _place(address)) is None or place[0] not in ("https", "http"):
        raise PullError(f"{name} is {address!r}, which is no address", f"write it as in {name}={usual}")
    return address


def _token(environment: Mapping[str, str], name: str) -> str:
    token = environment.get(name, "").strip()
    if not _TOKEN.fullmatch(token):
        message = f"{name} has white space or a character that no token has"
        raise PullError(message, f"copy the token anew, and set {name} to nothing else")
    return token


@dataclass(frozen=True)
class Answer:
    """The answer of a server: the URL that gave it, which is another one after a redirect."""

    url: str
    response: urllib3.BaseHTTPResponse

    @property
    def status(self) -> int:
        """The status code."""
        return self.response.status

    def header(self, name: str) -> str:
        """A header, fit to be printed; empty where there is none."""
        return printable(str(self.response.headers.get(name, "")))

    def close(self) -> None:
        """Give the connection back; a body that is not read yet is dropped."""
        self.response.close()


class Web:
    """HTTPS requests with tokens by site, redirects, retries, and the proxy of the environment."""

    def __init__(self, sites: Sites, *, first_wait: float = 0.5) -> None:
        pairs = ((sites.hugging_face, sites.hugging_face_token), (sites.civitai, sites.civitai_token))
        # Without encryption a token would be for everyone to read.
        self._tokens = {_origin(url): token for url, token in pairs if token and url.startswith("https:")}
        self._first_wait = first_wait
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def get_json(self, url: str) -> Answer:
        """An answer of at most 8 MiB, to be read with `decoded`. Raises PullError."""
        return self.request("GET", url, {"Accept": "application/json"})

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, *, leave_site: bool = True
    ) -> Answer:
        """Follow redirects to the answer. Without `leave_site` the one that leads to another host is it.

        Raises PullError when a server does not answer after several attempts.
        """
        for _ in range(REDIRECTS_MAX):
            answer = self._retried(method, url, headers or {})
            location = answer.header("Location")
            if answer.status not in REDIRECTS or not location:
                return answer
            following = _following(url, location)
            if not leave_site and _origin(following) != _origin(url):
                return answer
            answer.close()
            if urlsplit(following).scheme != "https":
                message = f"{host(url)} redirects to an address without encryption, at {host(following)}"
                raise PullError(message, "use another source")
            url = following
        raise PullError(f"{host(url)} redirects in a circle", "open the address in a browser, or use another")

    def has_token(self, url: str) -> bool:
        """Whether there is a token for the site of a URL."""
        return _origin(url) in self._tokens

    def _retried(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        wait = self._first_wait
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._once(method, url, headers)
                if answer.status not in RETRIED or attempt == ATTEMPTS:
                    return answer
                asked = answer.header("Retry-After")
                reason = f"it answered {answer.status}"
                answer.close()
                wait = wait if number(asked) is None else min(LONGEST_WAIT, float(asked))
            except (HTTPError, OSError) as error:
                reason = cause(error)
                if attempt == ATTEMPTS:
                    break
            time.sleep(min(wait, LONGEST_WAIT))
            wait *= 2
        raise PullError(f"{host(url)} did not answer: {reason}", "try again later", unreachable=True)

    def _once(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        token = self._tokens.get(_origin(url))
        own = {"Authorization": f"Bearer {token}"} if token else {}
        # A server that compresses would send other bytes than those of the file.
        sent = {"User-Agent": "sd-on-eks", "Accept-Encoding": "identity", **headers, **own}
        response = self._pool(url).request(
            method, url, headers=sent, redirect=False, retries=False, preload_content=False, timeout=TIMEOUT
        )
        return Answer(url, response)

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        if proxy not in self._pools:
            self._pools[proxy] = (
                urllib3.ProxyManager(proxy, maxsize=CONNECTIONS)
                if proxy
                else urllib3.PoolManager(maxsize=CONNECTIONS)
            )
        return self._pools[proxy]


def decoded(answer: Answer) -> Any:
    """The JSON of an answer; None where it is not JSON. Raises PullError when the connection ends early."""
    try:
        return json.loads(answer.response.read(JSON_BYTES_MAX))
    except (ValueError, RecursionError):
        return None
    except (HTTPError, OSError) as error:
        message = f"{host(answer.url)} ended early: {cause(error)}"
        raise PullError(message, "run it again", unreachable=True) from error
    finally:
        answer.response.release_conn()


def number(text: str) -> int | None:
    """The number that a header has; None where it has none."""
    return int(text) if _NUMBER.fullmatch(text) else None


def printable(text: str) -> str:
    """A text of a site for a terminal: without characters that would move its cursor or change its title."""
    return "".join(character if character.isprintable() else " " for character in text)


def host(url: str) -> str:
    """The host of a URL: what messages show of it, since signed URLs are secret."""
    return urlsplit(url).hostname or url


def cause(error: Exception) -> str:
    """Why a request failed, without the address, which may be signed."""
    inner: object = getattr(error, "reason", None) or error
    while isinstance(inner, Exception) and inner.args and isinstance(inner.args[-1], Exception):
        inner = inner.args[-1]
    text = str(inner).rpartition("): ")[2]
    return type(error).__name__ if not text or "?" in text or "://" in text else text


def is_ok(status: int) -> bool:
    """Whether a status is one of success."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _following(url: str, location: str) -> str:
    """The address that a redirect leads to. Raises PullError where it is none."""
    try:
        following = urljoin(url, location)
    except ValueError:
        following = ""
    if _place(following) is None:
        raise PullError(f"{host(url)} redirects to what is no address", "use another source")
    return following


def _place(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of a URL; None for a text that is no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname.lower(), port) if parts.hostname else None


def _origin(url: str) -> tuple[str, str, int | None]:
    return _place(url) or ("", "", None)
