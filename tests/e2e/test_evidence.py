"""Video and pictures of an alert, from a camera that is analyzed on its sub-stream and recorded on its main stream."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from urllib.parse import quote

import av
import pytest

from streamer.simulator.process import Simulator
from tests import sites
from tests.running import Daemon, wait_for
from tests.servers import Receiver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MAIN = (640, 360)


@pytest.fixture(scope="module")
def cameras() -> Iterator[Simulator]:
    """Both streams of a camera, each encoded as it happens; they show the same people at the same time."""
    specs = [
        sites.simulated("sub", live=True),
        sites.simulated("main", live=True, size=list(MAIN), gop=15, port=0),
    ]
    with Simulator(specs) as simulator:
        yield simulator


def size(path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
        return picture.width, picture.height


def values(port, cameras, receiver):
    sinks = {
        "log": {"type": "jsonl", "path": "alerts.jsonl"},
        "hook": {"type": "webhook", "url": receiver.url, "allow_private": True},
    }
    alerts = {"cooldown_seconds": 0, "clip": {"before_seconds": 2, "after_seconds": 1.5}}
    site = sites.site(port, {"gate": cameras.url("sub")}, sinks=sinks, alerts=alerts)
    site["cameras"]["gate"]["source"] = {"analyze": cameras.url("sub"), "record": cameras.url("main")}
    return site


def listed(daemon):
    """The alerts of the page that have a clip."""
    status = daemon.get("/status.json") if daemon.alive else {}
    return [row for row in status["alerts"] if row["clip"]]


def test_an_alert_and_its_clip(tmp_path, free_port, cameras):
    with sites.receiving(Receiver()) as receiver:
        site = sites.write(tmp_path / "site.yaml", values(free_port, cameras, receiver))
        with Daemon(site, free_port) as daemon:
            begun = wait_for(
                lambda: daemon.alive and [r.json() for r in receiver.accepted if r.json()["state"] == "begin"],
                40,
                daemon.tail,
            )[0]
            # the alert went out long before its clip is there, and says where it will be
            assert begun["alert"]["clip"]["ready"] is False
            path = tmp_path / "data" / "clips" / begun["alert"]["clip"]["file"]
            wait_for(path.exists, 20, daemon.tail)
            assert size(path) == MAIN
            with av.open(str(path)) as container:
                times = [frame.time for frame in container.decode(video=0)]
            assert 3.0 <= times[-1] <= 6.0
            assert size(tmp_path / "data" / "snapshots" / begun["alert"]["snapshot"]) == MAIN
            row = wait_for(lambda: listed(daemon), 20, daemon.tail)[0]
            with urllib.request.urlopen(
                f"{daemon.url}/alerts/{quote(row['clip'], safe='')}/clip.mp4", timeout=10
            ) as answer:
                assert answer.headers["Content-Type"] == "video/mp4"
                assert answer.read(12)[4:8] == b"ftyp"
            assert '/clip.mp4">clip</a>' in daemon.get("/")
            assert daemon.metric("streamer_evidence_total", kind="clip", outcome="ok") >= 1
            assert daemon.stop() == 0
        assert not list((tmp_path / "data" / "clips").glob(".*")), "nothing half written"


def _picture(folder):
    return next((folder / "data" / "snapshots").glob("*.jpg"))


def test_a_record_stream_that_is_down_is_named_and_alerts_go_on(tmp_path, free_port, cameras):
    with sites.receiving(Receiver()) as receiver:
        cameras.fault("main", "refuse")
        site = sites.write(tmp_path / "site.yaml", values(free_port, cameras, receiver))
        with Daemon(site, free_port) as daemon:
            wait_for(lambda: daemon.alive and receiver.accepted, 40, daemon.tail)
            camera = daemon.cameras()["gate"]
            assert camera["cause"] is None
            assert "refuses the connection" in camera["record"]
            assert daemon.get("/readyz")["ready"] is True
            assert daemon.metric("streamer_camera_up", camera="gate") == 1
            assert daemon.metric("streamer_record_up", camera="gate") == 0
            wait_for(lambda: daemon.metric("streamer_evidence_total", outcome="record_down") >= 1, 20, daemon.tail)
            assert size(_picture(tmp_path)) == (320, 180)
            assert sites.PASSWORD not in daemon.log.read_text()
            cameras.fault("main", None)
            wait_for(lambda: daemon.metric("streamer_record_up", camera="gate") == 1, 20, daemon.tail)


def test_kill_in_the_middle_leaves_no_half_clip(tmp_path, free_port, cameras):
    """The daemon and its readers die with clips under way; the next one lists whole ones only, and loses no alert."""
    with sites.receiving(Receiver()) as receiver:
        site = sites.write(tmp_path / "site.yaml", values(free_port, cameras, receiver))
        daemon = Daemon(site, free_port)
        with daemon:
            wait_for(lambda: daemon.alive and receiver.accepted, 40, daemon.tail)
            for pid in daemon.children("streamer.ingest.reader"):
                os.kill(pid, signal.SIGKILL)
            daemon.kill()
            daemon.start()
            rows = wait_for(lambda: listed(daemon), 40, daemon.tail)
            assert rows
            assert daemon.stop() == 0
        for path in (tmp_path / "data" / "clips").glob("*.mp4"):
            assert size(path) == MAIN
