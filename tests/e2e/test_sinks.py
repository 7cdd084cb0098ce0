"""From pictures to receivers: what each sink is sent for one incident, once, in calm weather."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import re
import time
from collections import Counter
from pathlib import Path

import aiomqtt
import av
import numpy as np
import pytest

from tests import sites
from tests.running import Daemon, wait_for
from tests.servers import MOSQUITTO, Mosquitto, Receiver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

SECRET = "shared secret of the test"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")


def test_an_intrusion_reaches_file_and_webhook_once(tmp_path, free_port, cameras):
    with sites.receiving(Receiver()) as receiver:
        hook = {"type": "webhook", "url": receiver.url, "allow_private": True, "secret": SECRET}
        sinks = {"log": {"type": "jsonl", "path": "alerts.jsonl"}, "hook": hook}
        values = sites.site(free_port, {"east": cameras.url("east")}, sinks=sinks)
        with Daemon(sites.write(tmp_path / "site.yaml", values), free_port) as daemon:
            wait_for(lambda: daemon.alive and len(closed(tmp_path)) >= 2, 40, daemon.tail)
            assert daemon.stop() == 0
    written = sites.rows(tmp_path / "alerts.jsonl")
    for row in written:
        judge_row(row)
    assert max(Counter((row["id"], row["state"]) for row in written).values()) == 1
    assert all(request.status == 200 for request in receiver.requests)
    assert max(Counter(receiver.keys()).values()) == 1
    # a sink is told in order and exactly the same facts
    of_hook = [request.json() for request in receiver.accepted]
    assert [(row["id"], row["state"]) for row in of_hook] == [(row["id"], row["state"]) for row in written]
    for request in receiver.accepted:
        judge_request(request)
    begins = [row for row in of_hook if row["state"] == "begin"]
    assert begins
    for row in begins:
        judge_snapshot(base64.b64decode(row["snapshot"]["base64"]), row["box"])
    keep_example(receiver.accepted[0], tmp_path)


def closed(folder: Path) -> set[str]:
    """Incidents that have begun and ended."""
    found = sites.rows(folder / "alerts.jsonl")
    return {row["id"] for row in found if row["state"] == "end"} & {r["id"] for r in found if r["state"] == "begin"}


def judge_row(row):
    """Every field of the contract, with its type."""
    assert row["camera"] == "east"
    assert row["pipeline"] == "watch"
    assert row["kind"] == "intrusion"
    assert row["state"] in ("begin", "end")
    assert row["id"].startswith("east-watch-intrusion-")
    assert row["zone"] == "all"
    assert RFC3339.match(row["time"])
    assert RFC3339.match(row["started"])
    assert row["started"] <= row["time"]
    assert isinstance(row["track_id"], int)
    assert isinstance(row["label"], str)
    assert 0 < row["confidence"] <= 1
    if "reason" not in row["detail"]:  # else nobody saw the end
        assert len(row["box"]) == 4
        assert all(0 <= value <= 1 for value in row["box"])
    assert isinstance(row["detail"], dict)
    assert row["detail"]
    if row["state"] == "end":
        assert row["started"] < row["ended"] <= row["time"]
    alert = row["alert"]
    assert alert["id"] == f"{row['id']}:{row['state']}"
    assert alert["severity"] == "warning"
    assert "east" in alert["text"]
    assert RFC3339.match(alert["created"])


def judge_request(request):
    """The signature that the documentation tells receivers to check."""
    at, digest = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", request.headers["X-Streamer-Signature"]).groups()
    assert abs(time.time() - int(at)) < 120
    wanted = hmac.new(SECRET.encode(), f"{at}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(wanted, digest)
    assert request.headers["Content-Type"] == "application/json"
    row = request.json()
    assert request.headers["Idempotency-Key"] == f"{row['id']}:{row['state']}"


def judge_snapshot(jpeg, box):
    """A JPEG of the camera's own size with a frame drawn where the box is."""
    with av.open(io.BytesIO(jpeg), format="mjpeg") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    height, width = picture.shape[:2]
    assert (width, height) == (320, 180)
    # the drawn edge is a color that nothing in the scene has: along it pixels differ from those around
    x1, y1, x2, y2 = (round(v * size) for v, size in zip(box, (width, height) * 2, strict=True))
    assert x2 - x1 > 4
    assert y2 - y1 > 4
    colorful = picture.max(axis=2) - picture.min(axis=2) > 90
    rows = np.flatnonzero(colorful[:, max(0, x1 - 2) : x2 + 3].sum(axis=1) > 0.6 * (x2 - x1))
    assert rows.size, f"no horizontal edge of a box near {box}"
    assert abs(rows.min() - y1) <= 4
    assert abs(rows.max() - y2) <= 5


def keep_example(request, folder):
    """Leave what a receiver got for whoever looks at it (docs/sinks.md)."""
    (folder / "webhook.json").write_bytes(request.body)


@pytest.mark.skipif(MOSQUITTO is None, reason="needs Debian's mosquitto")
async def test_mqtt_knows_daemon_cameras_and_events(tmp_path, free_ports, cameras):
    web, broker_port = free_ports(2)
    urls = {"east": cameras.url("east"), "night": cameras.url("night")}
    sinks = {"home": {"type": "mqtt", "host": "127.0.0.1", "port": broker_port, "client_id": "streamer-test"}}
    path = sites.write(tmp_path / "site.yaml", sites.site(web, urls, sinks=sinks))
    with Mosquitto(tmp_path / "broker", broker_port):
        async with aiomqtt.Client("127.0.0.1", broker_port) as client:
            await client.subscribe("#", qos=1)
            heard = Heard(client)
            with Daemon(path, web) as daemon:
                await heard.until(lambda: heard.last.get("streamer/night/status/detect") == "online")
                await heard.until(lambda: states(heard.all["streamer/events"]) >= {"begin", "end"})
                cameras.fault("night", "401")
                await heard.until(lambda: heard.last["streamer/night/status/detect"] == "offline")
                cameras.fault("night", None)
                await heard.until(lambda: heard.last["streamer/night/status/detect"] == "online")
                assert heard.last["streamer/available"] == "online"
                assert daemon.stop() == 0
            await heard.until(lambda: heard.last["streamer/available"] == "offline")
    judge_heard(heard)


def judge_heard(heard):
    events = [json.loads(text) for text in heard.all["streamer/events"]]
    keys = Counter(event["alert"]["id"] for event in events)
    assert max(keys.values()) == 1, "in calm weather everything comes once"
    mine = [event for event in events if event["kind"] == "intrusion"]
    assert [json.loads(text) for text in heard.all["streamer/east/intrusion"]] == mine
    assert heard.last["streamer/east/intrusion/state"] in ("ON", "OFF")
    assert heard.pictures["streamer/east/intrusion/snapshot"].startswith(b"\xff\xd8\xff")
    for topic in (
        "streamer/available",
        "streamer/east/status/detect",
        "streamer/east/intrusion/state",
        "streamer/east/intrusion/snapshot",
    ):
        assert topic in heard.published
    found = {topic: json.loads(text) for topic, text in heard.last.items() if topic.startswith("homeassistant/")}
    connectivity = found["homeassistant/binary_sensor/streamer_night/connectivity/config"]
    assert connectivity["state_topic"] == "streamer/night/status/detect"
    assert connectivity["device"]["identifiers"] == ["streamer_night"]
    intrusion = found["homeassistant/binary_sensor/streamer_east/intrusion/config"]
    assert intrusion["state_topic"] == "streamer/east/intrusion/state"
    assert (intrusion["payload_on"], intrusion["device_class"]) == ("ON", "motion")
    assert "homeassistant/binary_sensor/streamer_east/camera_offline/config" in found
    assert len({payload["unique_id"] for payload in found.values()}) == len(found)


def states(texts):
    return {json.loads(text)["state"] for text in texts}


class Heard:
    """All that a client of the broker hears."""

    def __init__(self, client):
        self._messages = client.messages
        self.all: dict[str, list[str]] = {"streamer/events": []}
        self.last: dict[str, str] = {}
        self.pictures: dict[str, bytes] = {}
        self.published: set[str] = set()

    async def until(self, condition, timeout_s=30.0):
        """Listen until a condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not heard in {timeout_s:g} s; last: {self.last}"
            self._note(await anext(aiter(self._messages)))

    def _note(self, message):
        topic = str(message.topic)
        self.published.add(topic)
        if topic.endswith("/snapshot"):
            self.pictures[topic] = message.payload
            return
        text = message.payload.decode()
        self.all.setdefault(topic, []).append(text)
        self.last[topic] = text


def test_a_sink_that_is_down_at_start_delays_only_itself(tmp_path, free_ports, cameras):
    web, nobody, broker = free_ports(3)
    sinks = {
        "hook": {"type": "webhook", "url": f"http://127.0.0.1:{nobody}/", "allow_private": True},
        "home": {"type": "mqtt", "host": "127.0.0.1", "port": broker},
        "log": {"type": "jsonl", "path": "alerts.jsonl"},
    }
    values = sites.site(web, {"east": cameras.url("east")}, sinks=sinks, stop_seconds=3)
    path = sites.write(tmp_path / "site.yaml", values)
    with Daemon(path, web) as daemon:
        wait_for(lambda: daemon.alive and sites.of_kind(tmp_path / "alerts.jsonl", "intrusion"), 30, daemon.tail)
        wait_for(lambda: {s["name"]: s["last_error"] for s in daemon.get("/status.json")["sinks"]}["hook"], 10)
        status = {sink["name"]: sink for sink in daemon.get("/status.json")["sinks"]}
        assert status["hook"]["depth"] >= 1
        assert status["log"]["last_error"] is None
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begun < 5.0
    # all of it comes once the receiver is there
    owed = {row["alert"]["id"] for row in sites.rows(tmp_path / "alerts.jsonl")}
    with sites.receiving(Receiver(port=nobody)) as receiver, Daemon(path, web) as daemon:
        wait_for(lambda: owed <= set(receiver.keys()), 30, lambda: f"{owed - set(receiver.keys())}\n{daemon.tail()}")
        assert daemon.alive
    (row, *_) = sites.of_kind(tmp_path / "alerts.jsonl", "intrusion")
    assert (tmp_path / "data" / "snapshots" / row["alert"]["snapshot"]).is_file()
