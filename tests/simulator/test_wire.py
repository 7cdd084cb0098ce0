"""The TCP connection: order kept, memory visible, ends reported once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from streamer.simulator.wire import Wire
from tests.simulator.watcher import WAIT, until


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection; the first is for the wire."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    far.setblocking(False)
    yield near, far
    near.close()
    far.close()


async def test_reads_and_writes(pair: tuple[socket.socket, socket.socket]) -> None:
    got, ended = bytearray(), []
    wire = Wire(pair[0], got.extend, lambda: ended.append(1))
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(pair[1], b"question")
    await until(lambda: bytes(got) == b"question")
    wire.write(b"answer")
    assert await loop.sock_recv(pair[1], 100) == b"answer"
    assert (wire.peer, wire.host) == ("127.0.0.1", "127.0.0.1")
    pair[1].close()
    await until(lambda: ended == [1])
    assert wire.closed
    wire.write(b"into the void")
    wire.abort()
    assert ended == [1], "the end is told once"


async def test_a_slow_reader_gets_everything_in_order_though_the_buffer_changes(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    wire = Wire(pair[0], lambda data: None, lambda: None)
    block = bytearray(50_000)
    for number in range(200):
        block[:] = bytes([number]) * len(block)
        wire.write(block)
    assert wire.pending > 0, "ten megabytes are more than the kernel takes"
    got = bytearray()
    async with asyncio.timeout(WAIT):
        while len(got) < 200 * len(block):
            got += await asyncio.get_running_loop().sock_recv(pair[1], 1 << 20)
    assert all(got[n * 50_000] == got[(n + 1) * 50_000 - 1] == n for n in range(200))
    assert wire.pending == 0
    wire.close()


async def test_close_waits_for_what_was_written(pair: tuple[socket.socket, socket.socket]) -> None:
    ended: list[int] = []
    wire = Wire(pair[0], lambda data: None, lambda: ended.append(1))
    wire.write(bytes(20_000_000))
    wire.close()
    assert not ended
    wire.write(b"too late")
    got = 0
    async with asyncio.timeout(WAIT):
        while data := await asyncio.get_running_loop().sock_recv(pair[1], 1 << 20):
            got += len(data)
    assert got == 20_000_000
    assert ended == [1]


async def test_abort_resets(pair: tuple[socket.socket, socket.socket]) -> None:
    wire = Wire(pair[0], lambda data: None, lambda: None)
    wire.abort()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(asyncio.get_running_loop().sock_recv(pair[1], 10), WAIT)


async def test_write_to_a_gone_peer_ends_the_wire(pair: tuple[socket.socket, socket.socket]) -> None:
    ended: list[int] = []
    wire = Wire(pair[0], lambda data: None, lambda: ended.append(1))
    pair[1].close()
    async with asyncio.timeout(WAIT):
        while not wire.closed:
            wire.write(bytes(100_000))
            with suppress(TimeoutError):
                await asyncio.sleep(0.002)
    assert ended == [1]
