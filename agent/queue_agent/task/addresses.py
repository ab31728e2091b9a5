"""Which addresses are public: nothing that a task names may lead into the pod, its node or the cluster."""

import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver


class RefusedAddressError(OSError):
    """A name or address leads to somewhere that is not public."""


def is_public(text: str) -> bool:
    """Whether this address belongs to the whole internet, and so is nothing of ours."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    # Addresses of IPv6 that stand for one of IPv4 are reserved, but for those of 6to4.
    stands_for_another = isinstance(address, ipaddress.IPv6Address) and address.sixtofour is not None
    return address.is_global and not (address.is_multicast or address.is_reserved or stands_for_another)


def is_literal(host: str) -> bool:
    """Whether `host` is an address itself, which no resolver is asked for."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses those of which any address is not public.

    The connection is made to the very addresses that were checked: a second look-up could answer otherwise.
    """

    def __init__(self) -> None:
        self._resolver: AbstractResolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises `RefusedAddressError`."""
        found = await self._resolver.resolve(host, port, family)
        if not found or not all(is_public(each["host"]) for each in found):
            raise RefusedAddressError(f"{host} is not a public address")
        return found

    async def close(self) -> None:
        """Let go of the resolver."""
        await self._resolver.close()
