"""Resolves the hosts of a task's URLs, and refuses those whose addresses are not public."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from queue_agent.task.public_addresses import is_public


class RefusedAddressError(OSError):
    """The address of a host is not public."""


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
