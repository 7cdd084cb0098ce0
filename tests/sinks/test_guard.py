from __future__ import annotations

import socket

import pytest

from streamer.sinks.guard import Forbidden, GuardedResolver, check_literal, refusal

FORBIDDEN = {
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "0.0.0.0": "unspecified",
    "0.1.2.3": "private",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "100.100.100.200": "private",
    "169.254.169.254": "link-local or metadata",
    "168.63.129.16": "metadata",
    "192.0.0.192": "private",
    "198.18.0.1": "private",
    "224.0.0.1": "multicast",
    "240.0.0.1": "private",
    "255.255.255.255": "private",
    "::": "unspecified",
    "::1": "loopback",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fc00::1": "private",
    "fd00:ec2::254": "metadata",
    "ff02::1": "multicast",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.0.0.1": "private",
    "::ffff:a9fe:a9fe": "link-local",
    "::127.0.0.1": "loopback",
    "2002:7f00:1::": "loopback",
    "2002:c0a8:0101::1": "private",
    "64:ff9b::7f00:1": "loopback",
    "64:ff9b::a9fe:a9fe": "link-local",
    "64:ff9b:1::1": "private",
    "2001:0:4136:e378:8000:63bf:80ff:fffe": "loopback",
    "2001:db8::1": "private",
    "192.88.99.1": "private",
    "not-an-address": "not an IP",
}


@pytest.mark.parametrize(("address", "why"), FORBIDDEN.items())
def test_forbidden(address, why):
    assert why in (refusal(address) or "allowed")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public(address):
    assert refusal(address) is None


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "localhost", "0"])
async def test_odd_spellings_and_names_of_loopback_are_resolved_and_refused(host):
    with pytest.raises(Forbidden, match="allow_private"):
        await GuardedResolver(False).resolve(host, 80)
    assert await GuardedResolver(True).resolve(host, 80)


async def test_one_private_address_among_public_ones_is_enough(monkeypatch):
    def answers(*args, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("93.184.216.34", "192.168.0.5")]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises(Forbidden, match=r"'evil.example' is 192.168.0.5, a private or reserved address"):
        await GuardedResolver(False).resolve("evil.example", 443)


async def test_connection_goes_to_the_checked_address(monkeypatch):
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *a, **k: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]
    )
    (found,) = await GuardedResolver(False).resolve("good.example", 443)
    assert (found["host"], found["hostname"], found["port"]) == ("93.184.216.34", "good.example", 443)


async def test_unknown_name_is_no_refusal():
    with pytest.raises(OSError, match="cannot be resolved") as caught:
        await GuardedResolver(False).resolve("no-such-host.invalid", 443)
    assert not isinstance(caught.value, Forbidden)


def test_literals():
    check_literal("example.org", False)
    check_literal("10.0.0.1", True)
    check_literal("8.8.8.8", False)
    for host in ("10.0.0.1", "[::1]", "::ffff:10.0.0.1"):
        with pytest.raises(Forbidden, match="allow_private"):
            check_literal(host, False)
