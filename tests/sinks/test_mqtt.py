from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import shutil
import socket
import subprocess
from dataclasses import replace

import aiomqtt
import pytest

from streamer.clock import SystemClock
from streamer.errors import ConfigError, SinkError
from streamer.ledger import list_letters
from streamer.metrics import Metrics
from streamer.outbox import Outbox, OutboxSettings
from streamer.sinks import mqtt
from streamer.sinks.mqtt import MqttSettings
from streamer.sinks.sink import test_sink as try_sink
from streamer.store import Store
from tests.alerting import alert
from tests.servers import MOSQUITTO, Mosquitto

pytestmark = pytest.mark.e2e


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


class Listener:
    """Subscribes to everything and remembers; `latest` by topic."""

    def __init__(self, port: int, **options):
        self.messages: list[tuple[str, bytes, bool, int]] = []
        self.changed = asyncio.Event()
        self._client = aiomqtt.Client("127.0.0.1", port, **options)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Listener:
        await self._client.__aenter__()
        await self._client.subscribe("#", qos=1)
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})
        with contextlib.suppress(aiomqtt.MqttError):
            await self._client.__aexit__(None, None, None)

    async def _listen(self) -> None:
        with contextlib.suppress(aiomqtt.MqttError):
            async for message in self._client.messages:
                body = bytes(message.payload)
                self.messages.append((str(message.topic), body, bool(message.retain), message.qos))
                self.changed.set()

    async def until(self, topic: str, payload: str | None = None, count: int = 1) -> list[str]:
        """Payloads of a topic, once there are `count` of them (equal to `payload`)."""
        async with asyncio.timeout(15):
            while True:
                self.changed.clear()
                found = [body.decode(errors="replace") for name, body, _, _ in self.messages if name == topic]
                if len([body for body in found if payload in (None, body)]) >= count:
                    return found
                await self.changed.wait()


@contextlib.asynccontextmanager
async def running(port: int, **options):
    """A sink with its connection loop."""
    sink = MqttSettings(host="127.0.0.1", port=port, **options).build("home", options.pop("base_dir", None))
    task = asyncio.create_task(sink.run())
    try:
        yield sink
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(mqtt, "_RECONNECT_S", (0.05,))


async def test_alert_with_picture_states_and_events(broker, tmp_path):
    picture = tmp_path / "shot.jpg"
    picture.write_bytes(b"\xff\xd8jpeg")
    async with Listener(broker.port) as listener, running(broker.port) as sink:
        await sink.send(replace(alert("a"), snapshot=picture))
        await sink.send(alert("b"))
        await sink.send(alert("a", "end"))
        await sink.send(alert("b", "end"))
        events = [json.loads(body) for body in await listener.until("streamer/events", count=4)]
        assert [row["alert"]["id"] for row in events] == ["a:begin", "b:begin", "a:end", "b:end"]
        assert len(await listener.until("streamer/gate/intrusion", count=4)) == 4
        states = await listener.until("streamer/gate/intrusion/state", count=4)
        assert states == ["ON", "ON", "ON", "OFF"], "one of two incidents ended: still on"
        assert await listener.until("streamer/gate/intrusion/snapshot")
        assert all(qos == 1 for topic, _, _, qos in listener.messages if topic.startswith("streamer"))
    async with Listener(broker.port) as later:
        await later.until("streamer/gate/intrusion/state", "OFF")
        retained = {topic for topic, _, retain, _ in later.messages if retain}
        assert "streamer/events" not in retained


async def test_birth_and_graceful_end(broker):
    async with Listener(broker.port) as listener:
        async with running(broker.port):
            await listener.until("streamer/available", "online")
        await listener.until("streamer/available", "offline")


async def test_last_will_when_the_connection_dies(broker):
    async with Listener(broker.port) as listener, running(broker.port, client_id="dies") as sink:
        await listener.until("streamer/available", "online")
        sink._client._client._sock.shutdown(socket.SHUT_RDWR)  # no DISCONNECT, like a crash
        await listener.until("streamer/available", "offline")
        await listener.until("streamer/available", "online", count=2)


async def test_camera_states_are_retained(broker):
    async with running(broker.port) as sink, Listener(broker.port) as listener:
        sink.state("gate", True)
        await listener.until("streamer/gate/status/detect", "online")
        sink.state("gate", False)
        await listener.until("streamer/gate/status/detect", "offline")
        async with Listener(broker.port) as later:
            await later.until("streamer/gate/status/detect", "offline")
            assert ("streamer/gate/status/detect", b"offline", True, 1) in later.messages


async def test_discovery_is_announced_renewed_and_withdrawn(broker):
    topic = "homeassistant/binary_sensor/streamer_gate/intrusion/config"
    async with Listener(broker.port) as listener, running(broker.port) as sink:
        sink.announce({"gate": ["intrusion"], "yard": []})
        (payload,) = await listener.until(topic)
        assert json.loads(payload)["state_topic"] == "streamer/gate/intrusion/state"
        await listener._client.publish("homeassistant/status", "online", qos=1)
        await listener.until(topic, payload, count=2)
        sink.announce({"yard": []})
        await listener.until(topic, "")
    async with Listener(broker.port) as later:
        await later.until("homeassistant/binary_sensor/streamer_yard/connectivity/config")
        assert topic not in {name for name, _, _, _ in later.messages}


async def test_discovery_can_be_turned_off(broker):
    async with Listener(broker.port) as listener, running(broker.port, home_assistant=None) as sink:
        sink.announce({"gate": ["intrusion"]})
        sink.state("gate", True)
        await listener.until("streamer/gate/status/detect")
        assert not [name for name, _, _, _ in listener.messages if name.startswith("homeassistant")]


async def test_broker_restart_brings_states_back_and_loses_no_alert(broker, tmp_path, monkeypatch):
    monkeypatch.setattr("streamer.courier.PAUSES_S", (0.05,))
    monkeypatch.setattr(mqtt, "_TIMEOUT_S", 0.5)
    sink = MqttSettings(host="127.0.0.1", port=broker.port).build("home", tmp_path)
    with Store(tmp_path / "store") as store:
        outbox = Outbox(store, {"home": sink}, OutboxSettings(), Metrics(), SystemClock())
        task = asyncio.create_task(outbox.run())
        await outbox.camera_state("gate", True)
        async with Listener(broker.port) as listener:
            await outbox.put(alert("a", sinks=("home",)))
            await listener.until("streamer/events")
        broker.stop(kill=True)
        for name in ("b", "c"):
            await outbox.put(alert(name, sinks=("home",)))
        await asyncio.sleep(0.3)
        assert await store.read(pending) == 2
        await asyncio.to_thread(broker.start)
        async with Listener(broker.port) as listener:
            async with asyncio.timeout(20):
                while await store.read(pending):  # noqa: ASYNC110 - what another task writes to the disk
                    await asyncio.sleep(0.05)
            await listener.until("streamer/gate/status/detect", "online")
            await listener.until("streamer/available", "online")
        await outbox.stop(2)
        task.cancel()
    assert delivered(tmp_path) == ["a:begin", "b:begin", "c:begin"]


def pending(c) -> int:
    return c.execute("SELECT count(*) FROM deliveries WHERE status = 'pending'").fetchone()[0]


def delivered(folder) -> list[str]:
    return [letter.alert.id for letter in list_letters(folder / "store", ("delivered",))]


async def test_unacknowledged_publish_is_an_error_and_sent_again(tmp_path, monkeypatch):
    """A broker that takes the first publish of the event and hangs up before its PUBACK."""
    monkeypatch.setattr(mqtt, "_TIMEOUT_S", 2.0)
    seen: list[bytes] = []

    async def broker(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind = (await reader.readexactly(1))[0]
                size, shift = 0, 0
                while True:
                    byte = (await reader.readexactly(1))[0]
                    size |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                body = await reader.readexactly(size)
                if kind >> 4 == 1:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind >> 4 == 8:
                    writer.write(b"\x90\x03" + body[:2] + b"\x01")
                elif kind >> 4 == 3:
                    length = int.from_bytes(body[:2], "big")
                    topic, mid = body[2 : 2 + length], body[2 + length : 4 + length]
                    seen.append(topic)
                    if topic == b"streamer/events" and seen.count(topic) == 1:
                        break
                    writer.write(b"\x40\x02" + mid)
        writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with running(port) as sink:
        with pytest.raises(SinkError, match=r"before the broker acknowledged|sink 'home'"):
            await sink.send(alert("a"))
        await sink.send(alert("a"))
    assert seen.count(b"streamer/events") == 2
    server.close()


async def test_broker_that_is_down_is_named(free_port, monkeypatch):
    monkeypatch.setattr(mqtt, "_TIMEOUT_S", 0.3)
    async with running(free_port) as sink:
        with pytest.raises(
            SinkError, match=rf"sink 'home': no connection to the broker 127.0.0.1:{free_port}: .*efused"
        ):
            await sink.send(alert("a"))


async def test_user_password_and_trial(tmp_path, free_port, scrubbed, caplog, monkeypatch):
    if MOSQUITTO is None or shutil.which("mosquitto_passwd") is None:
        pytest.skip("needs mosquitto and mosquitto_passwd")
    passwords = tmp_path / "passwords"
    run("mosquitto_passwd", "-b", "-c", str(passwords), "me", "br0kerPassword")
    passwords.chmod(0o644)
    monkeypatch.setattr(mqtt, "_TIMEOUT_S", 1.0)
    with Mosquitto(tmp_path / "broker", free_port, f"password_file {passwords}", anonymous=False):
        good = MqttSettings(host="127.0.0.1", port=free_port, user="me", password="br0kerPassword")
        assert "delivered" in await try_sink(good.build("home", tmp_path))
        bad = MqttSettings(host="127.0.0.1", port=free_port, user="me", password="wrongPassword")
        with pytest.raises(SinkError, match=r"[Nn]ot authorized") as caught:
            await try_sink(bad.build("home", tmp_path))
    for secret in ("br0kerPassword", "wrongPassword"):
        scrubbed(secret, f"{caught.value} {good!r} {caplog.text}")


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves the refused socket to the GC
async def test_tls_checks_the_broker(tmp_path, free_port, monkeypatch):
    if MOSQUITTO is None or shutil.which("openssl") is None:
        pytest.skip("needs mosquitto and openssl")
    monkeypatch.setattr(mqtt, "_TIMEOUT_S", 2.0)
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    named = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    run("openssl", "req", *made, *named, "-keyout", str(key), "-out", str(certificate))
    key.chmod(0o644)
    with Mosquitto(tmp_path / "broker", free_port, f"certfile {certificate}\nkeyfile {key}"):
        trusted = MqttSettings(host="127.0.0.1", port=free_port, tls={"ca": "cert.pem"})
        assert "delivered" in await try_sink(trusted.build("home", tmp_path))
        with pytest.raises(SinkError, match="certificate"):
            await try_sink(MqttSettings(host="127.0.0.1", port=free_port, tls=True).build("home", tmp_path))
    gc.collect()


def test_missing_certificate_is_an_error_of_the_configuration(tmp_path):
    with pytest.raises(ConfigError, match="sink 'home': tls: No such file"):
        MqttSettings(host="x", tls={"ca": "gone.pem"}).build("home", tmp_path)
