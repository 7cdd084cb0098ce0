"""Faults as a client sees them on the wire, and the server's listening."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable

import pytest

from streamer.errors import InputError, StreamerError
from streamer.simulator.faults import FAULTS, Fault
from streamer.simulator.mount import CameraSettings
from streamer.simulator.reel import Reel
from streamer.simulator.rtsp import RtspServer
from tests.simulator.conftest import Serve
from tests.simulator.watcher import Watcher, until


async def test_refuse_on_a_port_of_its_own(serve: Serve, fault: Callable[..., Fault]) -> None:
    server = await serve(CameraSettings("cam", own_port=0), CameraSettings("other"))
    url = server.url("cam")
    assert url != server.url("other")
    async with Watcher(url) as watcher:
        await watcher.play()
        await watcher.picture()
        await server.fault("cam", fault("refuse"))
        await watcher.closed()
    with pytest.raises(ConnectionRefusedError):
        async with Watcher(url):
            pass
    async with Watcher(server.url("other")) as watcher:
        assert (await watcher.ask("DESCRIBE")).status == 200
    await server.fault("cam", None)
    assert server.url("cam") == url, "it comes back where it was"
    async with Watcher(url) as watcher:
        await watcher.play()
        await watcher.picture()


async def test_refuse_on_the_common_port_resets(serve: Serve, fault: Callable[..., Fault]) -> None:
    server = await serve(CameraSettings("cam"), CameraSettings("other"))
    await server.fault("cam", fault("refuse"))
    async with Watcher(server.url("cam")) as watcher:
        watcher.send("OPTIONS")
        with pytest.raises(ConnectionResetError):
            await watcher.reader.readexactly(1)
    async with Watcher(server.url("other")) as watcher:
        assert (await watcher.ask("DESCRIBE")).status == 200


@pytest.mark.parametrize(("kind", "status"), [("401", 401), ("404", 404)])
async def test_status(serve: Serve, fault: Callable[..., Fault], kind: str, status: int) -> None:
    server = await serve()
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        await server.fault("cam", fault(kind))
        await watcher.closed()
    async with Watcher(server.url("cam")) as watcher:
        assert (await watcher.ask("OPTIONS")).status == 200
        reply = await watcher.ask("DESCRIBE")
        assert reply.status == status
        assert ("www-authenticate" in reply.headers) == (status == 401)
    await server.fault("cam", None)
    async with Watcher(server.url("cam")) as watcher:
        assert (await watcher.ask("DESCRIBE")).status == 200


@pytest.mark.parametrize("own_port", [None, 0])
async def test_half_open(serve: Serve, fault: Callable[..., Fault], own_port: int | None) -> None:
    server = await serve(CameraSettings("cam", own_port=own_port))
    async with Watcher(server.url("cam")) as running:
        await running.play()
        await running.picture()
        await server.fault("cam", fault("half_open"))
        async with Watcher(server.url("cam")) as fresh:
            fresh.send("OPTIONS")
            assert await fresh.quiet(0.3)
            while not await running.quiet(0.2):
                pass
            running.send("GET_PARAMETER")
            assert await running.quiet(0.2), "not even a keepalive is answered"
            await server.fault("cam", None)
            await fresh.closed()
            await running.closed()
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        await watcher.picture()


async def test_stall_answers_but_sends_nothing(serve: Serve, fault: Callable[..., Fault], reel: Reel) -> None:
    server = await serve()
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        await watcher.picture()
        await server.fault("cam", fault("stall"))
        assert (await watcher.ask("GET_PARAMETER")).status == 200
        watcher.waiting.clear()
        assert await watcher.quiet(0.3)
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        assert await watcher.quiet(0.3), "nor to a client that comes now"
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        await server.fault("cam", None)
        await watcher.picture()


async def test_audio_only(serve: Serve, fault: Callable[..., Fault]) -> None:
    server = await serve()
    async with Watcher(server.url("cam")) as before:
        await before.play()
        await server.fault("cam", fault("audio_only"))
        await before.closed()
    async with Watcher(server.url("cam")) as watcher:
        described = (await watcher.ask("DESCRIBE")).body
        assert b"m=audio" in described
        assert b"m=video" not in described
        await watcher.play("trackID=1")
        packets = [await watcher.packet() for _ in range(5)]
        assert {packet.payload_type for packet in packets} == {0}
        await server.fault("cam", None)
        await watcher.closed()


async def test_loss_leaves_gaps_in_the_sequence(serve: Serve, fault: Callable[..., Fault]) -> None:
    server = await serve()
    await server.fault("cam", fault("loss", rate=0.3))
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        numbers = [(await watcher.packet()).sequence for _ in range(60)]
        steps = [(b - a) % 65536 for a, b in itertools.pairwise(numbers)]
        assert max(steps) > 1
        await server.fault("cam", None)
        for _ in range(40):  # what is on its way still has gaps
            await watcher.packet()
        numbers = [(await watcher.packet()).sequence for _ in range(60)]
        assert {(b - a) % 65536 for a, b in itertools.pairwise(numbers)} == {1}


@pytest.mark.parametrize("kind", list(FAULTS))
async def test_every_fault_comes_and_goes_and_leaves_others_alone(
    serve: Serve, fault: Callable[..., Fault], kind: str
) -> None:
    server = await serve(CameraSettings("sick", own_port=0), CameraSettings("well"))
    async with Watcher(server.url("well")) as well, Watcher(server.url("sick")) as sick:
        await well.play()
        await sick.play()
        await server.fault("sick", fault(kind))
        assert server.mounts["sick"].fault is not None
        for _ in range(10):
            await well.picture()
        await server.fault("sick", None)
    async with Watcher(server.url("sick")) as again:
        await again.play()
        timestamps = [(await again.picture())[0].timestamp for _ in range(12)]
    assert len(set(timestamps)) == 12


async def test_unknown_camera(serve: Serve, fault: Callable[..., Fault]) -> None:
    server = await serve()
    with pytest.raises(InputError, match="'nobody' is not one of cam"):
        await server.fault("nobody", fault("stall"))


async def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StreamerError, match=f"cannot listen on 127.0.0.1:{port}"):
            await RtspServer([], ("127.0.0.1", port)).start()


async def test_close_ends_everything(serve: Serve) -> None:
    server = await serve()
    url = server.url("cam")
    async with Watcher(url) as watcher:
        await watcher.play()
        await server.close()
        await watcher.closed()
    with pytest.raises(ConnectionRefusedError):
        async with Watcher(url):
            pass


async def test_clock_at_once(serve: Serve) -> None:
    server = await serve(CameraSettings("cam", on_play=False))
    await until(lambda: server.mounts["cam"].number >= 3)
