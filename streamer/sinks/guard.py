"""Which addresses a sink may call: not the machine itself, not its private network, not the cloud's metadata service.

A configuration file often comes from a template or another team; a webhook address in it must not become a way into the
network of the cameras. Every address that a name resolves to is checked, and the connection goes to a checked address,
so a name that changes its answer between check and connection (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = {
    ipaddress.ip_address("168.63.129.16"),  # Azure's wire server, a public address
    ipaddress.ip_address("fd00:ec2::254"),
}
_RESERVED = tuple(
    # what `is_global` of older Pythons still calls global; 192.0.0.192 is Oracle's metadata service
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "5f00::/16", "2001:db8::/32", "3fff::/20"))
)
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


class Forbidden(OSError):
    """The target lies where sinks must not go; an OSError, so that it passes through the HTTP client whole."""


def refusal(address: str) -> str | None:
    """Why an address must not be called, or None if it is public."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "not an IP address"
    for inner in [*_embedded(ip), ip]:
        if inner in _METADATA:
            return "a cloud metadata address"
        if inner.is_loopback:
            return "a loopback address"
        if inner.is_link_local:
            return "a link-local or metadata address"
        if inner.is_unspecified:
            return "the unspecified address"
        if inner.is_multicast:
            return "a multicast address"
        if not inner.is_global or any(inner in network for network in _RESERVED):
            return "a private or reserved address"
    return None


def _embedded(ip: Address) -> list[Address]:
    """IPv4 addresses inside of an IPv6 one: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    found: list[Address] = [inner for inner in (ip.ipv4_mapped, ip.sixtofour) if inner is not None]
    found += ip.teredo or ()
    low = int(ip) & 0xFFFFFFFF
    if any(ip in network for network in _NAT64) or (0xFFFF < int(ip) <= 0xFFFFFFFF):
        found.append(ipaddress.IPv4Address(low))
    return found


class GuardedResolver(AbstractResolver):
    """Resolves names for aiohttp, and refuses those that lead, even with one of their addresses, into private nets."""

    def __init__(self, allow_private: bool):
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Checked addresses of a name; the system resolver also reads ``0x7f.1`` and ``2130706433``."""
        loop = asyncio.get_running_loop()
        try:
            infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        except OSError as error:
            raise OSError(f"the host name {host!r} cannot be resolved ({error.strerror or error})") from error
        results: list[ResolveResult] = []
        for found, _, proto, _, address in infos:
            ip = str(address[0])
            why = None if self._allow_private else refusal(ip)
            if why is not None:
                raise Forbidden(f"{host!r} is {ip}, {why}; set `allow_private: true` if that is meant")
            results.append(
                ResolveResult(hostname=host, host=ip, port=port, family=found, proto=proto, flags=socket.AI_NUMERICHOST)
            )
        return results

    async def close(self) -> None:
        """Holds nothing."""


def check_literal(host: str, allow_private: bool) -> None:
    """Refuse an address that is written into the URL: the HTTP client asks no resolver for those.

    Raises:
        Forbidden: with the reason.
    """
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return
    why = None if allow_private else refusal(host.strip("[]"))
    if why is not None:
        raise Forbidden(f"{host} is {why}; set `allow_private: true` if that is meant")
