"""The protocol, request by request, as RFC 2326 has it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from streamer.simulator.auth import Digest, Guard, digest_response
from streamer.simulator.faults import Fault
from streamer.simulator.mount import CameraSettings, Mount
from streamer.simulator.reel import Reel
from tests.simulator.conftest import FRAMES, Serve
from tests.simulator.depacketizer import nals_of
from tests.simulator.watcher import Rtp, Watcher, until


async def test_a_session_from_options_to_teardown(serve: Serve, reel: Reel) -> None:
    server = await serve()
    async with Watcher(server.url("cam")) as watcher:
        options = await watcher.ask("OPTIONS")
        assert options.status == 200
        assert {"DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER"} <= set(options.header("public").split(", "))
        described = await watcher.ask("DESCRIBE", Accept="application/sdp")
        assert described.header("content-type") == "application/sdp"
        assert described.header("content-base") == watcher.url + "/"
        assert b"a=control:trackID=0" in described.body
        reply = await watcher.ask("SETUP", "/trackID=0", Transport="RTP/AVP/TCP;unicast;interleaved=4-5")
        assert "interleaved=4-5" in reply.header("transport")
        assert reply.header("session").endswith(";timeout=60")
        played = await watcher.ask("PLAY", Range="npt=0.000-")
        info = dict(part.split("=", 1) for part in played.header("rtp-info").split(";"))
        assert info["url"] == watcher.url + "/trackID=0"
        first = await watcher.picture()
        assert (first[0].channel, first[0].sequence, first[0].timestamp) == (4, int(info["seq"]), int(info["rtptime"]))
        assert f"ssrc={first[0].ssrc:08X}" in reply.header("transport")
        assert nals_of([p.data for p in first], "h264") == list(reel.units[0].nals)
        assert (await watcher.ask("GET_PARAMETER")).status == 200
        assert (await watcher.ask("SET_PARAMETER")).status == 200
        assert (await watcher.ask("TEARDOWN")).status == 200
        assert (await watcher.ask("PLAY")).status == 454
        assert (await watcher.ask("OPTIONS")).status == 200, "the connection itself goes on"


@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_what_arrives_is_the_reel(serve: Serve, reels: dict[str, Reel], codec: str) -> None:
    server = await serve(Mount(CameraSettings("cam"), reels[codec]))
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        for number in range(FRAMES + 3):
            packets = await watcher.picture()
            assert nals_of([p.data for p in packets], codec) == list(reels[codec].units[number % FRAMES].nals)


async def test_pause_and_play_again(serve: Serve, reel: Reel) -> None:
    server = await serve()
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        await watcher.picture()
        assert (await watcher.ask("PAUSE")).status == 200
        watcher.waiting.clear()
        assert await watcher.quiet(0.2)
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        await watcher.picture()
        await watcher.ask("PAUSE")
        watcher.waiting.clear()
        assert (await watcher.ask("PLAY")).status == 200
        first = await watcher.picture()
        assert nals_of([p.data for p in first], "h264")[0][0] & 31 == 7, "it goes on with a keyframe"


async def test_wrong_requests(serve: Serve) -> None:
    server = await serve()
    url = server.url("cam")
    async with Watcher(url) as watcher:
        assert (await watcher.ask("RECORD")).status == 501
        assert (await watcher.ask("PLAY")).status == 455
        assert (await watcher.ask("SETUP", "/trackID=0")).status == 461
        for transport in (
            "RTP/AVP;multicast;client_port=5000-5001",
            "RAW/RAW/UDP;unicast;client_port=5000-5001",
            "RTP/AVP;unicast",
            "RTP/AVP;unicast;client_port=0-70000",
            "RTP/AVP/TCP;unicast;interleaved=300-301",
        ):
            assert (await watcher.ask("SETUP", "/trackID=0", Transport=transport)).status == 461, transport
        watcher.session = "invented"
        assert (await watcher.ask("PLAY")).status == 454
        assert (await watcher.ask("SETUP", "/trackID=0", Transport="RTP/AVP/TCP")).status == 454
        watcher.session = ""
        watcher.url = url.replace("/cam", "/other")
        assert (await watcher.ask("DESCRIBE")).status == 404
    async with Watcher(url) as watcher:
        await watcher.play()
        assert (await watcher.ask("SETUP", "/trackID=0", Transport="RTP/AVP/TCP")).status == 455, "while it plays"
    async with Watcher(url) as watcher:
        watcher.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await watcher.reply()).status == 400
        await watcher.closed()


async def test_first_usable_offer_is_taken(serve: Serve) -> None:
    server = await serve(CameraSettings("tcp", transport="tcp"), CameraSettings("udp", transport="udp"))
    offer = "RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;unicast;interleaved=0-1"
    async with Watcher(server.url("tcp")) as watcher:
        assert (await watcher.ask("SETUP", Transport=offer)).header("transport").startswith("RTP/AVP/TCP")
    async with Watcher(server.url("udp")) as watcher:
        reply = await watcher.ask("SETUP", Transport=offer)
        assert "client_port=5000-5001" in reply.header("transport")
        assert "server_port=" in reply.header("transport")
        assert (await watcher.ask("SETUP", Transport="RTP/AVP/TCP;interleaved=0-1")).status == 461


@pytest.fixture
def ports() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's two UDP sockets."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control,
    ):
        for sock in (media, control):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        yield media, control


async def test_udp(serve: Serve, reel: Reel, ports: tuple[socket.socket, socket.socket]) -> None:
    server = await serve()
    loop = asyncio.get_running_loop()
    mine = "-".join(str(sock.getsockname()[1]) for sock in ports)
    async with Watcher(server.url("cam")) as watcher:
        reply = await watcher.ask("SETUP", "/trackID=0", Transport=f"RTP/AVP;unicast;client_port={mine}")
        theirs = reply.header("transport").split("server_port=")[1].split(";")[0]
        assert int(theirs.split("-")[0]) % 2 == 0
        assert (await watcher.ask("PLAY")).status == 200
        packets: list[bytes] = []
        async with asyncio.timeout(10):
            while not packets or not packets[-1][1] & 0x80:
                data, address = await loop.sock_recvfrom(ports[0], 2000)
                assert address[1] == int(theirs.split("-")[0])
                packets.append(data)
            report, address = await loop.sock_recvfrom(ports[1], 2000)
        assert nals_of(packets, "h264") == list(reel.units[0].nals)
        assert report[1] == 200
        assert address[1] == int(theirs.split("-")[1])
        assert (await watcher.ask("TEARDOWN")).status == 200


async def test_session_ends_without_a_sign_of_life(serve: Serve, ports: tuple[socket.socket, socket.socket]) -> None:
    server = await serve(session_timeout_s=1.0)
    mine = "-".join(str(sock.getsockname()[1]) for sock in ports)
    async with Watcher(server.url("cam")) as watcher:
        await watcher.ask("SETUP", "/trackID=0", Transport=f"RTP/AVP;unicast;client_port={mine}")
        await watcher.ask("PLAY")
        await watcher.closed()
    assert not server.connections
    assert server.mounts["cam"].watchers == ()


async def test_receiver_reports_are_signs_of_life(serve: Serve, ports: tuple[socket.socket, socket.socket]) -> None:
    server = await serve()
    mine = "-".join(str(sock.getsockname()[1]) for sock in ports)
    async with Watcher(server.url("cam")) as watcher:
        reply = await watcher.ask("SETUP", "/trackID=0", Transport=f"RTP/AVP;unicast;client_port={mine}")
        port = int(reply.header("transport").split("server_port=")[1].split(";")[0].split("-")[1])
        (connection,) = server.connections
        before = connection.heard_at
        async with asyncio.timeout(10):
            while connection.heard_at == before:
                ports[1].sendto(b"\x80\xc9\x00\x01\x00\x00\x00\x00", ("127.0.0.1", port))
                await asyncio.sleep(0.01)


async def _authorized(watcher: Watcher, method: str, challenge: str, password: str) -> int:
    if challenge.startswith("Basic"):
        given = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
    else:
        nonce = challenge.split('nonce="')[1].split('"')[0]
        response = digest_response("admin", "camera", password, Digest(method, watcher.url, nonce))
        given = f'Digest username="admin", realm="camera", nonce="{nonce}", uri="{watcher.url}", response="{response}"'
    return (await watcher.ask(method, Authorization=given)).status


@pytest.mark.parametrize("scheme", ["basic", "digest", "both"])
async def test_authentication(serve: Serve, scheme: str) -> None:
    server = await serve(CameraSettings("cam", Guard("admin", "p@ss: word", scheme)))
    async with Watcher(server.url("cam")) as watcher:
        assert (await watcher.ask("OPTIONS")).status == 200
        reply = await watcher.ask("DESCRIBE")
        assert reply.status == 401
        assert (await watcher.ask("SETUP", "/trackID=0", Transport="RTP/AVP/TCP")).status == 401
        challenges = reply.headers["www-authenticate"]
        assert len(challenges) == (2 if scheme == "both" else 1)
        for challenge in challenges:
            assert await _authorized(watcher, "DESCRIBE", challenge, "wrong") == 401
            assert await _authorized(watcher, "DESCRIBE", challenge, "p@ss: word") == 200


async def test_several_clients(serve: Serve, reel: Reel) -> None:
    server = await serve()
    async with Watcher(server.url("cam")) as one, Watcher(server.url("cam")) as two:
        await one.play()
        await one.picture()
        reply = await two.ask("SETUP", "/trackID=0", Transport="RTP/AVP/TCP;unicast;interleaved=8-9")
        assert reply.status == 200
        await two.ask("PLAY")
        for watcher, channel in ((one, 0), (two, 8)):
            for _ in range(12):
                packets = await watcher.picture()
                assert {packet.channel for packet in packets} == {channel}
                nals_of([packet.data for packet in packets], "h264")
        assert len(server.mounts["cam"].watchers) == 2
    await until(lambda: not server.mounts["cam"].watchers)


async def test_audio_beside_video(serve: Serve) -> None:
    server = await serve(CameraSettings("cam", audio=True))
    async with Watcher(server.url("cam")) as watcher:
        assert (await watcher.ask("DESCRIBE")).body.count(b"m=") == 2
        for track, channels in (("trackID=0", "0-1"), ("trackID=1", "2-3")):
            await watcher.ask("SETUP", f"/{track}", Transport=f"RTP/AVP/TCP;unicast;interleaved={channels}")
        await watcher.ask("PLAY")
        sound = [packet for packet in [await watcher.packet() for _ in range(200)] if packet.channel == 2]
        assert {packet.payload_type for packet in sound} == {0}
        assert {(b.timestamp - a.timestamp, b.sequence - a.sequence) for a, b in itertools.pairwise(sound)} == {
            (320, 1)
        }


async def test_half_a_request_is_waited_for(serve: Serve) -> None:
    server = await serve()
    async with Watcher(server.url("cam")) as watcher:
        watcher.writer.write(b"OPTIONS * RT")
        await watcher.writer.drain()
        assert await watcher.quiet(0.1)
        watcher.writer.write(b"SP/1.0\r\nCSeq: 9\r\n\r\n$\x01\x00\x02ab")
        assert (await watcher.reply()).header("cseq") == "9"


async def test_slow_start(serve: Serve, fault: Callable[..., Fault]) -> None:
    server = await serve()
    await server.fault("cam", fault("slow_start", seconds=0.6))
    loop = asyncio.get_running_loop()
    async with Watcher(server.url("cam")) as watcher:
        begun = loop.time()
        assert (await watcher.ask("DESCRIBE")).status == 200
        assert loop.time() - begun >= 0.29
        await watcher.play()
        played = loop.time()
        await watcher.picture()
        assert loop.time() - played >= 0.29


async def test_a_client_that_gives_up_during_a_slow_start(serve: Serve, fault: Callable[..., Fault]) -> None:
    server = await serve()
    await server.fault("cam", fault("slow_start", seconds=0.2))
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        watcher.writer.transport.abort()
    async with Watcher(server.url("cam")) as watcher:
        await watcher.play()
        await watcher.picture()
    assert len(server.mounts["cam"].watchers) <= 1


def test_watcher_reads_rtp_headers_by_itself() -> None:
    """The tests' own client must not lean on the code that it checks."""
    packet = Rtp(0, struct.pack(">BBHII", 0x80, 0xE0, 7, 8, 9))
    assert (packet.payload_type, packet.marker, packet.sequence, packet.timestamp, packet.ssrc) == (96, True, 7, 8, 9)
