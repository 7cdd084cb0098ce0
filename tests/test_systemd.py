"""The service manager's socket: what is said, and that silence there never hurts."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.systemd import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd has: a datagram socket that is read without waiting."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def notifier(manager: socket.socket, **environment: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": manager.getsockname()} | environment)


def test_fields_arrive_as_one_message(manager: socket.socket) -> None:
    notifier(manager).notify("READY=1", "STATUS=watching 3 cameras")
    assert manager.recv(4096) == b"READY=1\nSTATUS=watching 3 cameras"


def test_a_status_cannot_smuggle_in_another_field(manager: socket.socket) -> None:
    notifier(manager).notify("STATUS=camera 'x\nMAINPID=1' is lost")
    assert manager.recv(4096) == b"STATUS=camera 'x MAINPID=1' is lost"


def test_a_reload_says_when_it_began(manager: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    notifier(manager).reloading()
    first, second = manager.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_the_abstract_namespace() -> None:
    name = f"streamer-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.setblocking(False)
        Notifier({"NOTIFY_SOCKET": "@" + name}).notify("WATCHDOG=1")
        assert listener.recv(100) == b"WATCHDOG=1"


def test_without_a_manager_nothing_happens() -> None:
    silent = Notifier({})
    assert not silent.enabled
    silent.notify("READY=1")
    silent.reloading()


def test_a_manager_that_is_gone_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert gone.enabled
    for _ in range(3):
        gone.notify("WATCHDOG=1")
    assert caplog.text.count("does not take messages") == 1


def test_a_manager_that_does_not_read_never_blocks(manager: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    full = notifier(manager)
    for _ in range(5000):
        full.notify("WATCHDOG=1")
    assert caplog.text.count("does not take messages") == 1
    while True:
        try:
            manager.recv(100)
        except BlockingIOError:
            break
    full.notify("READY=1")
    assert manager.recv(100) == b"READY=1"


def test_an_address_of_another_kind_is_refused_in_words(caplog: pytest.LogCaptureFixture) -> None:
    assert not Notifier({"NOTIFY_SOCKET": "vsock:2:1234"}).enabled
    assert "is no Unix socket" in caplog.text


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_how_often_the_watchdog_wants_to_be_fed(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_s == seconds


def test_the_environment_is_the_default(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    Notifier().notify("STOPPING=1")
    assert manager.recv(100) == b"STOPPING=1"
