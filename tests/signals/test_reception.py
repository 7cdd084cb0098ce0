"""Feeds over the wire: a real HTTP server that is polled, a real broker, and what is posted to us."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from streamer.clock import SystemClock
from streamer.errors import ConfigError
from streamer.metrics import Metrics
from streamer.signals import mqtt
from streamer.signals.board import Board
from streamer.signals.reception import Reception
from streamer.signals.settings import SignalSettings
from tests.servers import MOSQUITTO, Mosquitto, Receiver

pytestmark = pytest.mark.e2e


@pytest.fixture
def broker(tmp_path: Path, free_port: int) -> Iterator[Mosquitto]:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto (apt install mosquitto)")
    with Mosquitto(tmp_path / "broker", free_port) as server:
        yield server


class Wire:
    """A running reception."""

    def __init__(self, base_dir: Path, **signals: dict[str, Any]):
        self.clock, self.metrics = SystemClock(), Metrics()
        settings = {name: SignalSettings.model_validate(given) for name, given in signals.items()}
        self.board = Board(settings, self.metrics)
        self.reception = Reception(self.board, base_dir, self.metrics, self.clock)

    def seen(self, name: str = "north") -> tuple[str, str]:
        signal, _ = self.board.feeds(self.clock.time())[name]
        return signal.aspect, signal.reason

    async def until(self, condition: Callable[[], Any], timeout_s: float = 15) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - others are waited for
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def wired(base_dir: Path, **signals: dict[str, Any]) -> AsyncIterator[Wire]:
    wire = Wire(base_dir, **signals)
    task = asyncio.create_task(wire.reception.run())
    try:
        yield wire
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_polled_signal_is_known_and_lost_with_its_server(tmp_path: Path) -> None:
    async with Receiver(text='{"state": "red"}') as controller:
        url = f"http://127.0.0.1:{controller.port}/state"
        poll = {"url": url, "every_seconds": 0.1, "token": "shown at the controller"}
        async with wired(tmp_path, north={"poll": poll, "max_age_seconds": 0.5}) as wire:
            await wire.until(lambda: wire.seen() == ("red", ""))
            assert controller.requests[0].headers["Authorization"] == "Bearer shown at the controller"
            controller.answer = 503
            await wire.until(lambda: wire.seen() == ("unknown", "silent"))
            controller.answer, controller.text = 200, "green"
            await wire.until(lambda: wire.seen() == ("green", ""))
            controller.answer = lambda number: (302, {"Location": url})
            await wire.until(lambda: wire.seen() == ("unknown", "silent"))
    assert wire.metrics.value("streamer_signal_messages_total", signal="north", outcome="ok") > 2


async def test_signals_of_one_broker_share_a_connection_that_comes_back(
    tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "RECONNECT_S", (0.05,))
    feed = {"host": "127.0.0.1", "port": broker.port}
    signals = {
        "north": {"mqtt": feed | {"topic": "junction/north"}},
        "south": {"mqtt": feed | {"topic": "junction/south"}, "max_age_seconds": 1.0},
    }
    async with wired(tmp_path, **signals) as wire:
        await wire.until(lambda: broker.log.count("Received SUBSCRIBE") == 2)
        assert broker.log.count("New client connected") == 1
        async with aiomqtt.Client("127.0.0.1", broker.port) as controller:
            for _ in range(20):
                stamp = wire.clock.time()
                await controller.publish("junction/north", json.dumps({"state": "red", "time": stamp}), qos=1)
                await controller.publish("junction/south", "green", qos=1)
                await controller.publish("junction/other", "red", qos=1)
                await asyncio.sleep(0.05)
            await wire.until(lambda: wire.seen() == ("red", "") and wire.seen("south") == ("green", ""))
        broker.stop()
        await wire.until(lambda: wire.seen("south") == ("unknown", "silent"))
        broker.start()
        await wire.until(lambda: broker.log.count("Received SUBSCRIBE") == 4)
        async with aiomqtt.Client("127.0.0.1", broker.port) as controller:
            await controller.publish("junction/south", "amber", qos=1)
            await wire.until(lambda: wire.seen("south")[1] == "changing" or wire.seen("south")[0] == "amber")


async def test_what_a_broker_kept_counts_only_if_it_says_from_when_it_is(tmp_path: Path, broker: Mosquitto) -> None:
    feed = {"host": "127.0.0.1", "port": broker.port}
    async with aiomqtt.Client("127.0.0.1", broker.port) as controller:
        await controller.publish("junction/north", "red", qos=1, retain=True)
        await controller.publish("junction/south", json.dumps({"state": "red", "time": 1}), qos=1, retain=True)
    signals = {name: {"mqtt": feed | {"topic": f"junction/{name}"}} for name in ("north", "south")}
    async with wired(tmp_path, **signals) as wire:
        late = {"signal": "south", "outcome": "late"}
        await wire.until(lambda: wire.metrics.value("streamer_signal_messages_total", **late) == 1)
        assert wire.seen("south")[0] == "unknown"
        assert wire.seen("north") == ("unknown", "silent")


def test_who_may_post(tmp_path: Path) -> None:
    wire = Wire(tmp_path, north={"http": {"token": "0123456789abcdef"}}, south={"poll": {"url": "http://10.0.0.7/"}})
    admits = wire.reception.admits
    assert admits("north", "0123456789abcdef")
    assert not admits("north", "0123456789abcdeg")
    assert not admits("north", "")
    assert not admits("south", "")
    assert not admits("west", "0123456789abcdef")
    assert wire.reception.receive("north", b"red") == "ok"


def test_certificates_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="signal 'north': tls: No such file"):
        Wire(tmp_path, north={"mqtt": {"host": "h", "topic": "t", "tls": {"ca": "none.pem"}}})
