"""A daemon is disarmed over HTTP, stays so over a restart, and is armed over MQTT; a feed reaches a rule."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from tests import sites
from tests.running import Daemon, wait_for
from tests.servers import MOSQUITTO, Mosquitto

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(110)]

TOKEN, SIGNAL = "token of this very house", "token of this very signal"
PIPELINE = '''
"""People, and who runs a red light."""
from streamer import Detector, Intrusion, Pipeline, RedLight, Tracker


class Junction(Pipeline):
    detector: Detector = Detector("motion")
    """Finds what moves."""
    intrusion: Intrusion | None = None
    """Somebody enters."""
    red_light: RedLight | None = None
    """Somebody runs a red light."""

    async def watch(self, camera):
        tracker = Tracker()
        rules = [rule.begin(camera.places) for rule in self.enabled_rules()]
        async for frame in camera.frames():
            tracks = tracker.update(await self.detector(frame), frame.time)
            for rule in rules:
                for found in rule.judge(frame, tracks):
                    yield found
'''


def post(daemon: Daemon, path: str, body: Any, token: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(daemon.url + path, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def site(tmp_path: Path, port: int, url: str, broker: Mosquitto) -> Path:
    (tmp_path / "junction.py").write_text(PIPELINE)
    values = sites.site(port, {"east": url})
    values["cameras"]["east"]["lines"] = {"stop": {"from": [0.5, 1], "to": [0.5, 0]}}
    rules = {"intrusion": sites.intrusion(), "red_light": {"stop_lines": {"stop": "north"}, "labels": ["motion"]}}
    values["pipelines"]["watch"] = {"use": "junction.py", "detector": "motion", **rules}
    values["signals"] = {"north": {"http": {"token": "${NORTH_TOKEN}"}, "max_age_seconds": 2}}
    values["web"]["token"] = "${HOUSE_TOKEN}"
    values["sinks"]["home"] = {"type": "mqtt", "host": "127.0.0.1", "port": broker.port, "arming": True}
    return sites.write(tmp_path / "site.yaml", values)


def told(tmp_path: Path) -> int:
    return len(sites.of_kind(tmp_path / "alerts.jsonl", "intrusion"))


def suppressed(daemon: Daemon) -> float:
    return daemon.metric("streamer_alerts_suppressed_total", reason="disarmed")


@pytest.mark.skipif(MOSQUITTO is None, reason="needs mosquitto (apt install mosquitto)")
def test_armed_disarmed_restarted_and_a_signal(tmp_path, free_ports, cameras):
    port, broker_port = free_ports(2)
    tokens = {"HOUSE_TOKEN": TOKEN, "NORTH_TOKEN": SIGNAL}
    with Mosquitto(tmp_path / "broker", broker_port) as broker:
        path = site(tmp_path, port, cameras.url("east"), broker)
        with Daemon(path, port, tokens) as daemon:
            wait_for(lambda: daemon.alive and told(tmp_path) >= 1, 40, daemon.tail)
            the_feed_reaches_the_rule(daemon)
            assert post(daemon, "/disarm", {}, "wrong")[0] == 401
            assert post(daemon, "/disarm", {}, TOKEN) == (200, {"site": False, "cameras": {"east": True}})
            before = told(tmp_path)
            wait_for(lambda: daemon.alive and suppressed(daemon) >= 1, 40, daemon.tail)
            assert told(tmp_path) == before
            assert daemon.metric("streamer_armed", camera="east") == 0
            assert "the site since" in daemon.get("/status.json")["disarmed"][0]
            assert daemon.stop() == 0
        with Daemon(path, port, tokens) as daemon:
            assert daemon.get("/arming") == {"site": False, "cameras": {"east": True}}
            wait_for(lambda: daemon.alive and suppressed(daemon) >= 1, 40, daemon.tail)
            assert told(tmp_path) == before, "what began while disarmed is not told of by a restart"
            asyncio.run(arm(broker_port))
            wait_for(lambda: daemon.get("/arming") == {"site": True, "cameras": {"east": True}}, 20, daemon.tail)
            wait_for(lambda: daemon.alive and told(tmp_path) > before, 40, daemon.tail)
            for secret in tokens.values():
                assert secret not in daemon.log.read_text()
            assert daemon.stop() == 0


def the_feed_reaches_the_rule(daemon: Daemon) -> None:
    """What is posted is seen by the rule, frame by frame, and missed when it ends."""
    assert post(daemon, "/signals/north", {"state": "red"}, TOKEN)[0] == 401

    def red() -> bool:
        assert post(daemon, "/signals/north", {"state": "red"}, SIGNAL)[0] == 200
        return daemon.metric("streamer_level", kind="signal", place="north", label="red") == 1

    wait_for(red, 20, daemon.tail)
    assert daemon.metric("streamer_signal_state", signal="north", camera="east", state="red") == 1
    (shown,) = daemon.get("/status.json")["signals"]
    assert (shown["name"], shown["aspect"]) == ("north", "red")
    wait_for(
        lambda: daemon.metric("streamer_level", kind="signal", place="north", label="unknown") == 1, 20, daemon.tail
    )
    (shown,) = daemon.get("/status.json")["signals"]
    assert (shown["aspect"], shown["reason"]) == ("unknown", "silent")
    assert "signal north" in daemon.get("/")


async def arm(port: int) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as home:
        await home.publish("streamer/armed/set", "ARM_AWAY", qos=1)


def test_check_names_what_is_wrong_with_signals(tmp_path, capsys):
    from streamer.cli import main

    (tmp_path / "junction.py").write_text(PIPELINE)
    values = sites.site(0, {"east": "rtsp://127.0.0.1:9/"})
    values["cameras"]["east"]["lines"] = {"stop": {"from": [0, 0], "to": [1, 0]}}
    values["cameras"]["east"]["lamps"] = {"south": {"head": [[0, 0], [0.1, 0], [0.1, 0.1]]}}
    rules = {
        "red_light": {"stop_lines": {"stop": "nord", "line": "south"}, "exempt_zones": ["turn"], "labels": ["car"]}
    }
    values["pipelines"]["watch"] = {"use": "junction.py", "detector": "motion", **rules}
    values["signals"] = {"north": {"http": {"token": "${NOT_SET}"}}, "west": {}}
    path = sites.write(tmp_path / "site.yaml", values)
    assert main(["check", str(path)]) == 2
    errors = capsys.readouterr().err
    assert "signal 'nord' is not told of by camera 'east' or under `signals`; did you mean 'north'?" in errors
    assert "line 'line' is not drawn on camera 'east'" in errors
    assert "zone 'turn' is not drawn" in errors
    assert "signals.west: needs http, poll or mqtt" in errors
    assert "NOT_SET" not in errors
    values["signals"] = {"north": {"http": {"token": "${NOT_SET}"}}}
    values["pipelines"]["watch"]["red_light"] = {"stop_lines": {"stop": "north"}, "labels": ["motion"]}
    sites.write(path, values)
    assert main(["check", str(path)]) == 0
    assert "signal    north: http" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
