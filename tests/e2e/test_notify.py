"""What a service manager hears: ready, reloading, stopping, and a heartbeat that is fed by progress alone."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import threading
import time

import pytest

from tests import sites
from tests.running import Daemon, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

BLOCKING = '''
"""Blocks the whole loop while a file is there: what no pipeline may do."""
import time
from pathlib import Path
from streamer import Pipeline


class Blocking(Pipeline):
    flag: str

    async def watch(self, camera):
        async for frame in camera.frames():
            while Path(self.flag).exists():
                time.sleep(0.05)
        return
        yield
'''


class Manager:
    """The socket that a service manager would listen on."""

    def __init__(self, path):
        self.path = str(path)
        self.heard: list[tuple[float, list[str]]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def said(self, field):
        """When each message with this field came."""
        found = list(self.heard)
        return [at for at, fields in found if any(f == field or f.startswith(f"{field}=") for f in fields)]

    def order(self):
        """The first field of all messages but heartbeats, in order."""
        return [fields[0] for _, fields in self.heard if fields[0] != "WATCHDOG=1"]

    def longest_pause(self):
        """Between two heartbeats, in seconds."""
        return max(later - at for at, later in itertools.pairwise(self.said("WATCHDOG=1")))

    def close(self):
        """Listen no more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.path)
        self._listener.join(10)
        self._socket.close()

    def _listen(self):
        while message := self._socket.recv(4096):
            self.heard.append((time.monotonic(), message.decode().split("\n")))


@pytest.fixture
def manager(tmp_path):
    with contextlib.closing(Manager(tmp_path / "notify")) as manager:
        yield manager


def start(path, port, manager):
    return Daemon(path, port, {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "3000000"})


def test_ready_alive_reloading_stopping(tmp_path, free_port, cameras, manager):
    path = sites.write(tmp_path / "site.yaml", sites.site(free_port, {"east": cameras.url("east")}))
    with start(path, free_port, manager) as daemon:
        wait_for(lambda: manager.said("READY=1"), 20, daemon.tail)
        assert ["READY=1", "STATUS=watching 1 camera"] in [fields for _, fields in manager.heard]
        wait_for(lambda: len(manager.said("WATCHDOG=1")) >= 4, 10, daemon.tail)
        assert manager.longest_pause() < 2.5
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: len(manager.said("READY=1")) == 2, 10, daemon.tail)
        (reloading,) = (fields for _, fields in manager.heard if fields[0] == "RELOADING=1")
        (since,) = (int(field.partition("=")[2]) for field in reloading if field.startswith("MONOTONIC_USEC="))
        assert since >= before
        path.write_text("cameras: [")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: len(manager.said("READY=1")) == 3, 10, daemon.tail)  # refused: but reloading is over
        assert daemon.stop() == 0
    assert manager.order() == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_a_blocked_loop_is_not_alive(tmp_path, free_port, cameras, manager):
    (tmp_path / "blocking.py").write_text(BLOCKING)
    flag = tmp_path / "flag"
    values = sites.site(free_port, {"east": cameras.url("east")})
    values["pipelines"] = {"watch": {"use": "blocking.py", "flag": str(flag)}}
    with start(sites.write(tmp_path / "site.yaml", values), free_port, manager) as daemon:
        sites.wait_live(daemon, "east")
        flag.touch()
        time.sleep(1.5)  # what was sent before it blocked
        count = len(manager.said("WATCHDOG=1"))
        time.sleep(3.0)  # a span of real time is what is measured
        assert len(manager.said("WATCHDOG=1")) == count
        flag.unlink()
        wait_for(lambda: len(manager.said("WATCHDOG=1")) > count, 10, daemon.tail)
        assert daemon.stop() == 0


def test_a_stopped_worker_is_replaced_while_the_heart_beats(tmp_path, free_port, cameras, manager):
    """It is the client that notices and mends it: no reason to restart the whole daemon."""
    values = sites.site(free_port, {"east": cameras.url("east")}, inference={"deadline_seconds": 1.0})
    with start(sites.write(tmp_path / "site.yaml", values), free_port, manager) as daemon:
        sites.wait_live(daemon, "east")
        (worker,) = daemon.children("streamer.inference.worker")
        os.kill(worker, signal.SIGSTOP)
        replaced = wait_for(lambda: set(daemon.children("streamer.inference.worker")) - {worker}, 15, daemon.tail)
        assert worker not in daemon.children("streamer.inference.worker")
        assert len(replaced) == 1
        wait_for(lambda: daemon.metric("streamer_worker_restarts_total", reason="deadline") == 1, 5, daemon.tail)
        assert manager.longest_pause() < 2.5
        assert daemon.stop() == 0
