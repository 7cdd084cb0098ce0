"""SIGHUP: what changed is changed, what did not is not touched, and a bad file changes nothing."""

from __future__ import annotations

import copy
import signal

import pytest

from streamer.models.importer import Origin, import_file
from tests import sites
from tests.models.tiny import LABELS, tiny_yolox
from tests.running import Daemon, wait_for
from tests.servers import Receiver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

CORNER = [[0, 0], [0.1, 0], [0.1, 0.1], [0, 0.1]]


class Running:
    """A daemon and the site file that it is told to read again."""

    def __init__(self, daemon, path, values):
        self.daemon = daemon
        self.path = path
        self.values = values

    def reload(self, values, outcome="applied"):
        """Write the file, send the signal, wait for the outcome."""
        text = values if isinstance(values, str) else None
        before = self.count(outcome)
        self.path.write_text(text) if text is not None else sites.write(self.path, values)
        self.daemon.signal(signal.SIGHUP)
        wait_for(lambda: self.daemon.alive and self.count(outcome) == before + 1, 20, self.daemon.tail)

    def count(self, outcome):
        return self.daemon.metric("streamer_config_reloads_total", outcome=outcome)

    def analyzed(self, name):
        return self.daemon.metric("streamer_frames_total", camera=name, stage="analyze", outcome="ok")

    def lost(self, name):
        """Frames of a camera that were dropped anywhere; those between two analyzed ones were never wanted."""
        every = self.daemon.metric("streamer_frames_total", camera=name)
        return (
            every
            - self.daemon.metric("streamer_frames_total", camera=name, stage="sample", outcome="not_due")
            - sum(
                self.daemon.metric("streamer_frames_total", camera=name, stage=stage, outcome="ok")
                for stage in ("decode", "sample", "slot", "mailbox", "analyze")
            )
        )


@pytest.fixture
def running(tmp_path, free_port, cameras):
    values = sites.site(free_port, {"east": cameras.url("east"), "west": cameras.url("west")})
    path = sites.write(tmp_path / "site.yaml", values)
    with Daemon(path, free_port, {"XDG_CACHE_HOME": str(tmp_path / "cache")}) as daemon:
        sites.wait_live(daemon, "east", "west")
        yield Running(daemon, path, values)
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log.read_text()


def test_cameras_come_go_and_change_beside_one_that_notices_nothing(running, cameras, tmp_path):
    daemon = running.daemon
    readers, worker = daemon.children("streamer.ingest.reader"), daemon.children("streamer.inference.worker")
    session = daemon.cameras()["east"]["session"]
    # one more
    values = copy.deepcopy(running.values)
    values["cameras"]["south"] = sites.camera(cameras.url("south"))
    running.reload(values)
    sites.wait_live(daemon, "south")
    # one less; and of its open incidents the end is told
    open_before = opened(tmp_path, "west")
    del values["cameras"]["west"]
    running.reload(values)
    assert sorted(daemon.cameras()) == ["east", "south"]
    assert 'camera="west"' not in "\n".join(
        line for line in daemon.get("/metrics").splitlines() if line.startswith("streamer_camera_up")
    )
    wait_for(lambda: not opened(tmp_path, "west"), 10, daemon.tail)
    reasons = {row["id"]: row["detail"].get("reason") for row in sites.of_kind(log(tmp_path), "intrusion", "end")}
    assert {reasons[incident] for incident in open_before} <= {"reload", None}
    # another zone, for one
    values["cameras"]["south"] |= {"zones": {"all": CORNER}}
    south = daemon.cameras()["south"]["session"]
    running.reload(values)
    wait_for(lambda: not opened(tmp_path, "south"), 10, daemon.tail)
    assert "reload: cameras ~south" in daemon.log.read_text()
    sites.wait_live(daemon, "south")
    assert daemon.cameras()["south"]["session"] == south, "new zones need no new connection"
    assert daemon.metric("streamer_camera_up", camera="south") == 1
    # of all that, the first camera has noticed nothing
    assert daemon.children("streamer.ingest.reader") == readers
    assert daemon.children("streamer.inference.worker") == worker
    assert daemon.cameras()["east"]["session"] == session
    assert daemon.metric("streamer_reconnects_total", camera="east") == 0
    assert not [row for row in sites.rows(log(tmp_path)) if row["camera"] == "east" and "reason" in row["detail"]]
    assert running.lost("east") <= 0.1 * running.analyzed("east") + 3
    running.values = values


def log(folder):
    return folder / "alerts.jsonl"


def opened(folder, camera):
    """Incidents of a camera that were told and have not ended."""
    rows = [row for row in sites.rows(log(folder)) if row["camera"] == camera and row["kind"] == "intrusion"]
    return {row["id"] for row in rows if row["state"] == "begin"} - {row["id"] for row in rows if row["state"] == "end"}


def test_a_bad_file_changes_nothing_and_says_why(running, tmp_path):
    daemon, values = running.daemon, running.values
    bad = copy.deepcopy(values)
    bad["cameras"]["east"]["zonse"] = {}
    del bad["cameras"]["west"]
    (tmp_path / "text.onnx").write_text("no model")
    unloadable = {**values, "models": {"people": {"file": "text.onnx"}}}
    unloadable["pipelines"] = {"watch": {**values["pipelines"]["watch"], "detector": "people"}}
    no_certificate = {"home": {"type": "mqtt", "host": "localhost", "tls": {"ca": "none.pem"}}}
    for wrong, words in (
        ("cameras: [", "site.yaml:"),
        (bad, "cameras.east.zonse: unknown key; did you mean 'zones'?"),
        (unloadable, "text.onnx"),
        ({**values, "sinks": no_certificate, "cameras": {"east": values["cameras"]["east"]}}, "none.pem"),
    ):
        running.reload(wrong, "refused")
        last = [line for line in daemon.log.read_text().splitlines() if "reload refused" in line][-1]
        assert words in last
        assert "the running configuration stays" in last
    assert running.count("applied") == 0
    assert sorted(daemon.cameras()) == ["east", "west"]
    assert sites.live(daemon, "east", "west")
    # and the right one is taken after all
    running.reload(values)
    assert "reload: nothing changed" in daemon.log.read_text()


def test_sinks_and_alerts_change(running, tmp_path):
    daemon = running.daemon
    with sites.receiving(Receiver()) as first, sites.receiving(Receiver()) as second:
        values = copy.deepcopy(running.values)
        values["sinks"]["hook"] = {"type": "webhook", "url": first.url, "allow_private": True}
        running.reload(values)
        wait_for(lambda: daemon.alive and first.keys(), 20, daemon.tail)
        values["sinks"]["hook"]["url"] = second.url
        running.reload(values)
        told = len(first.requests)
        wait_for(lambda: daemon.alive and len(second.keys()) >= 2, 20, daemon.tail)
        assert len(first.requests) <= told + 1, "one may have been under way"
        assert not set(first.keys()) & set(second.keys())
    # no second alert within the cool-down, from now on
    values["alerts"] = {"cooldown_seconds": 3600}
    del values["sinks"]["hook"]
    running.reload(values)
    suppressed = daemon.metric("streamer_alerts_suppressed_total", reason="cooldown")
    wait_for(
        lambda: daemon.alive and daemon.metric("streamer_alerts_suppressed_total", reason="cooldown") > suppressed,
        20,
        daemon.tail,
    )
    assert [sink["name"] for sink in daemon.get("/status.json")["sinks"]] == ["log"]
    running.values = values


def test_what_needs_a_restart_is_named(running, tmp_path):
    values = copy.deepcopy(running.values)
    values["web"] = {"listen": "127.0.0.1:1"}
    values["ingest"]["stall_seconds"] = 7
    running.reload(values)
    (line,) = (line for line in running.daemon.log.read_text().splitlines() if "next start" in line)
    assert "reload: ingest, web changed; that takes effect at the next start" in line
    running.reload(values)  # still not in force: it is said again
    assert running.daemon.log.read_text().count("next start") == 2


def test_another_model(running, cameras, tmp_path):
    """The new model is loaded beside the old one; nobody asks what is not there."""
    daemon = running.daemon
    import_file(tiny_yolox(tmp_path / "raw.onnx"), tmp_path / "tiny.onnx", Origin("yolox", LABELS))
    session = daemon.cameras()["east"]["session"]
    worker = daemon.children("streamer.inference.worker")
    values = copy.deepcopy(running.values)
    values["models"] = {"people": {"file": "tiny.onnx"}}
    values["pipelines"]["watch"] |= {"detector": "people", "intrusion": sites.intrusion(labels=["bright"])}
    running.reload(values)
    asked = daemon.metric("streamer_inference_requests_total", model="people", outcome="ok")
    wait_for(
        lambda: daemon.metric("streamer_inference_requests_total", model="people", outcome="ok") > asked + 5,
        20,
        daemon.tail,
    )
    assert daemon.children("streamer.inference.worker") == worker
    assert daemon.metric("streamer_loop_restarts_total") == 0
    assert session  # the picture's size may differ for another model: then the camera connects anew, once
    assert daemon.cameras()["east"]["session"] <= session + 1
    running.values = values


def test_many_signals_at_once(running):
    """They are answered one after the other, and those that came meanwhile by one."""
    for _ in range(20):
        running.daemon.signal(signal.SIGHUP)
    wait_for(lambda: running.count("applied") >= 1, 10, running.daemon.tail)
    running.reload(running.values)
    assert 2 <= running.count("applied") <= 21
    assert sites.live(running.daemon, "east", "west")
