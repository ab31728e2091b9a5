"""Which addresses are public: no URL of a task may lead into the pod, its node or the cluster."""

import ipaddress
import re
import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

URL_START = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]{0,15}://")


class RefusedAddressError(OSError):
    """The address of a host is not public."""


def is_url(text: str) -> bool:
    """Whether the text as a whole is a URL, of whatever scheme; a prompt that mentions one is not."""
    return URL_START.match(text) is not None and not any(character.isspace() for character in text.strip())


def is_public(text: str) -> bool:
    """Whether the text is an address of the public internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    # IPv6 addresses that embed an IPv4 address are reserved, except those of 6to4.
    embeds_ipv4 = isinstance(address, ipaddress.IPv6Address) and address.sixtofour is not None
    return address.is_global and not (address.is_multicast or address.is_reserved or embeds_ipv4)


def is_literal(host: str) -> bool:
    """Whether `host` is an address itself, which needs no resolver."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


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
