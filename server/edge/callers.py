"""From where a call comes: the caller's address behind the proxies that are trusted, and the block that it lies in."""

import ipaddress
from collections.abc import Sequence

from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def caller_address(remote: str | None, forwarded_for: str, proxies: Sequence[Network]) -> str:
    """The address of who calls; "" where it cannot be told.

    `forwarded_for` is the X-Forwarded-For header. It is believed only as far as trusted proxies wrote it: from the right,
    the first address that is no proxy of ours is the caller, and whatever stands left of it was written by the caller.
    """
    hops = [*forwarded_for.split(","), remote or ""]
    address = ""
    for hop in reversed(hops):
        try:
            parsed = ipaddress.ip_address(hop.strip())
        except ValueError:
            break
        mapped = getattr(parsed, "ipv4_mapped", None)
        parsed = mapped or parsed
        address = str(parsed)
        if not any(parsed.version == proxy.version and parsed in proxy for proxy in proxies):
            break
    return address


def address_of(request: web.Request, proxies: Sequence[Network]) -> str:
    """The address that a request comes from, behind the proxies that are trusted."""
    return caller_address(request.remote, ",".join(request.headers.getall("X-Forwarded-For", [])), proxies)


def address_block(address: str) -> str:
    """The block that an address lies in (/24 or /48): as much of it as a household shares, and no more is ever kept."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{parsed}/{24 if parsed.version == 4 else 48}", strict=False))
