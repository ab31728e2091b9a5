"""Resolves the hosts of a task's URLs, and refuses those whose addresses are not public."""

import re
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from queue_agent.task.public_addresses import is_public

URL_START = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]{0,15}://")


class RefusedAddressError(OSError):
    """The address of a host is not public."""


def is_url(text: str) -> bool:
    """Whether the text as a whole is a URL, of whatever scheme; a prompt that mentions one is not."""
    return URL_START.match(text) is not None and not any(character.isspace() for character in text.strip())


class PublicResolver(AbstractResolver):
    """Resolves host names, and refuses those with an address that is not public.

    The connection uses the addresses that were checked: a second look-up could return others.
    """

    def __init__(self) -> None:
        self._resolver: AbstractResolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises `RefusedAddressError`."""
        addresses = await self._resolver.resolve(host, port, family)
        if not addresses or not all(is_public(address["host"]) for address in addresses):
            raise RefusedAddressError(f"{host} is not a public address")
        return addresses

    async def close(self) -> None:
        """Close the resolver."""
        await self._resolver.close()
