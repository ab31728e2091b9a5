"""Which addresses are public: no URL of a task may lead into a pod, a node, a function or the cluster. Pure.

The agent fetches inputs by it; the generator copies it into the function that sends webhooks. So it needs
nothing but the standard library.
"""

import ipaddress
import re

# Names that public DNS does not have, by their last label (RFC 6761, RFC 6762, ICANN's .internal), and
# numbers, which resolvers read as IPv4 addresses: 127.1, 0x7f000001
# (https://url.spec.whatwg.org/#ends-in-a-number-checker).
_PRIVATE_NAME = re.compile(r"(.*\.)?(localhost|localdomain|local|internal|0x[0-9a-f]*|[0-9]+)\.?", re.I)


def is_public(text: str) -> bool:
    """Whether the text is an address of the public internet."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    # IPv6 addresses that embed an IPv4 address are reserved, except those of 6to4.
    embeds_ipv4 = isinstance(address, ipaddress.IPv6Address) and address.sixtofour is not None
    return address.is_global and not (address.is_multicast or address.is_reserved or embeds_ipv4)


def is_private_name(host: str) -> bool:
    """Whether a host name can only lead to private addresses, which is known without a resolver."""
    return not is_literal(host) and _PRIVATE_NAME.fullmatch(host) is not None


def is_literal(host: str) -> bool:
    """Whether `host` is an address itself, which needs no resolver."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
