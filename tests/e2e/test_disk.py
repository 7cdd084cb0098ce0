"""A disk that fills up while the daemon runs: cameras are watched on, and what was accepted is not lost."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import sites
from tests.running import Daemon, wait_for
from tests.servers import Receiver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    """Take all the space that is left."""
    with (folder / "ballast").open("ab", buffering=0) as file:
        for size in (65536, 4096, 512):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def test_a_full_disk_blinds_nobody(tmp_path, small_disk, free_port, cameras):
    with sites.receiving(Receiver(503)) as receiver:
        sinks = {"hook": {"type": "webhook", "url": receiver.url, "allow_private": True}}
        values = sites.site(free_port, {"east": cameras.url("east")}, sinks=sinks, storage={"dir": "disk/data"})
        with Daemon(sites.write(tmp_path / "site.yaml", values), free_port) as daemon:
            # something is accepted, and waits for its receiver
            wait_for(lambda: daemon.alive and receiver.requests, 20, daemon.tail)
            accepted = receiver.requests[0].headers["Idempotency-Key"]
            fill(small_disk)
            wait_for(
                lambda: daemon.metric("streamer_alerts_total", sink="outbox", outcome="not_stored") > 0, 30, daemon.tail
            )
            assert "the disk is full" in daemon.log.read_text()
            assert daemon.get("/healthz")["status"] in ("ok", "degraded")
            assert sites.live(daemon, "east")
            events = daemon.metric("streamer_events_total", camera="east")
            wait_for(lambda: daemon.metric("streamer_events_total", camera="east") > events, 20, daemon.tail)
            # space returns, and with it everything
            receiver.answer = 200
            (small_disk / "ballast").unlink()
            wait_for(lambda: daemon.alive and {accepted} <= set(receiver.keys()), 30, daemon.tail)
            last = len(receiver.keys())
            wait_for(lambda: len(receiver.keys()) >= last + 2, 30, daemon.tail)
            assert daemon.stop() == 0
        assert len(receiver.keys()) == len(set(receiver.keys()))


def test_it_does_not_start_on_a_full_disk(tmp_path, small_disk, free_port):
    (small_disk / "data").mkdir()
    fill(small_disk)
    values = sites.site(free_port, {"gate": "rtsp://127.0.0.1:9/gate"}, storage={"dir": "disk/data"})
    done = subprocess.run(
        [sys.executable, "-m", "streamer", "run", str(sites.write(tmp_path / "site.yaml", values))],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "the disk is full" in line
    assert "free some space" in line
