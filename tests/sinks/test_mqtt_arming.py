"""Arming over a real broker: commands, retained states, Home Assistant's panel and switches."""

from __future__ import annotations

import asyncio
import json
import logging

import aiomqtt
import pytest

from streamer.sinks import discovery, mqtt
from tests.sinks.test_mqtt import Listener, running

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setattr(mqtt, "_RECONNECT_S", (0.05,))


async def test_commands_arrive_and_states_are_retained(broker):
    heard: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
    async with Listener(broker.port) as listener, running(broker.port, arming=True) as sink:
        switches = {"*": True, "gate": True, "cam-1": True}

        def command(name: str, armed: bool) -> None:
            switches[name] = armed
            sink.arming(switches)
            heard.put_nowait((name, armed))

        sink.command = command
        sink.announce({"gate": ["intrusion"], "cam-1": []})
        sink.arming(switches)
        await listener.until("streamer/armed", "armed_away")
        await listener.until("streamer/gate/status/armed", "ON")
        async with aiomqtt.Client("127.0.0.1", broker.port) as home:
            for topic, payload, wanted in (
                ("streamer/armed/set", "DISARM", ("*", False)),
                ("streamer/gate/status/armed/set", "OFF", ("gate", False)),
                ("streamer/armed/set", "arm_away", ("*", True)),
                ("streamer/cam-1/status/armed/set", "OFF", ("cam-1", False)),
            ):
                await home.publish(topic, payload, qos=1)
                assert await asyncio.wait_for(heard.get(), 10) == wanted
        await listener.until("streamer/gate/status/armed", "OFF")
        await listener.until("streamer/cam-1/status/armed", "OFF")
    async with Listener(broker.port) as later:
        await later.until("streamer/gate/status/armed", "OFF")
        await later.until("streamer/armed", "armed_away")
        panel = json.loads((await later.until("homeassistant/alarm_control_panel/streamer/armed/config"))[-1])
        assert panel["command_topic"] == "streamer/armed/set"
        assert panel["payload_disarm"] == "DISARM"
        switch = json.loads((await later.until("homeassistant/switch/streamer_gate/armed/config"))[-1])
        assert switch["state_topic"] == "streamer/gate/status/armed"
        assert switch["device"]["identifiers"] == ["streamer_gate"]


async def test_nonsense_and_retained_commands_are_not_obeyed(broker, caplog):
    caplog.set_level(logging.WARNING)
    commands: list[tuple[str, bool]] = []
    async with aiomqtt.Client("127.0.0.1", broker.port) as home:
        await home.publish("streamer/armed/set", "DISARM", qos=1, retain=True)
        async with Listener(broker.port) as listener, running(broker.port, arming=True) as sink:
            sink.command = lambda name, armed: commands.append((name, armed))
            sink.arming({"*": True, "gate": True})
            await listener.until("streamer/armed", "armed_away")
            for topic, payload in (
                ("streamer/armed/set", "TRIGGER"),
                ("streamer/attic/status/armed/set", "OFF"),
                ("streamer/gate/status/armed/set", ""),
                ("streamer/gate/status/armed/set", "ON"),
            ):
                await home.publish(topic, payload, qos=1)
            async with asyncio.timeout(10):
                while not commands:  # noqa: ASYNC110 - the broker is a process of its own
                    await asyncio.sleep(0.02)
    assert commands == [("gate", True)]
    assert "a retained command at streamer/armed/set is not obeyed" in caplog.text
    assert caplog.text.count("no command at") == 3


async def test_without_the_option_nothing_is_taken_and_states_are_shown(broker):
    async with Listener(broker.port) as listener, running(broker.port) as sink:
        sink.arming({"*": False})
        await listener.until("streamer/armed", "disarmed")
        assert "armed/set" not in broker.log
        assert not [topic for topic, *_ in listener.messages if "alarm_control_panel" in topic]


def test_commands_are_read():
    def read(topic, payload):
        return discovery.command("p/x", topic, payload, ["*", "gate"])

    assert read("p/x/armed/set", b"ARM_AWAY") == ("*", True)
    assert read("p/x/gate/status/armed/set", b" on ") == ("gate", True)
    assert read("p/x/gate/status/armed/set", b"") is None
    assert read("p/x/yard/status/armed/set", b"ON") is None
    assert read("p/x/armed/set", None) is None
    assert [discovery.armed_word("*", on) for on in (True, False)] == ["armed_away", "disarmed"]
