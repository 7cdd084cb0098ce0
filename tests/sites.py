"""Small sites for end-to-end tests: simulated cameras, a site file, receivers in a thread, and the daemon on them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from streamer.usage import children
from tests.running import Daemon, wait_for
from tests.servers import Receiver

PASSWORD = "p@ss:w/rd?#%&[x]"
"""Every character of it means something to a URL."""
EVERYWHERE = [[0, 0], [1, 0], [1, 1], [0, 1]]
TALL = {"size": "320x180", "fps": 10, "gop": 10}


def simulated(name: str, **more: Any) -> dict[str, Any]:
    """A small camera with people on it at all times."""
    login = {"user": "watch", "password": PASSWORD, "auth": "digest"}
    scene = {"scene": "square", "seed": 3, "loop_seconds": 20, "on_play": False, **TALL}
    return {"name": name, **scene, **login, **more}


def camera(url: str, **more: Any) -> dict[str, Any]:
    """Its entry in a site file."""
    return {"source": url, "analyze_fps": 5, "zones": {"all": EVERYWHERE}, "pipelines": ["watch"], **more}


def site(port: int, urls: dict[str, str], **more: Any) -> dict[str, Any]:
    """A site file's content: every camera is watched for intrusions anywhere, and all is quick to react."""
    values: dict[str, Any] = {
        "cameras": {name: camera(url) for name, url in urls.items()},
        "pipelines": {"watch": {"use": "surveillance", "detector": "motion", "intrusion": intrusion()}},
        "sinks": {"log": {"type": "jsonl", "path": "alerts.jsonl"}},
        "alerts": {"cooldown_seconds": 0},
        "ingest": {"open_seconds": 2, "stall_seconds": 2, "backoff_seconds": [0.2, 0.5], "processes": 1},
        "health": {"offline_seconds": 5.0, "recovery_seconds": 0.5},
        "storage": {"dir": "data"},
        "web": {"listen": f"127.0.0.1:{port}"},
    }
    return values | more


def intrusion(**more: Any) -> dict[str, Any]:
    """A rule that fires soon and lets go soon."""
    return {"zones": ["all"], "min_seconds": 0.4, "leave_seconds": 0.6, **more}


def write(path: Path, values: dict[str, Any]) -> Path:
    """Write a site file."""
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    """The alerts of a jsonl sink so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def of_kind(path: Path, kind: str, state: str = "begin") -> list[dict[str, Any]]:
    """Those of one kind and state."""
    return [row for row in rows(path) if (row["kind"], row["state"]) == (kind, state)]


def live(daemon: Daemon, *names: str) -> bool:
    """Whether these cameras are analyzed now."""
    cameras = daemon.cameras() if daemon.alive else {}
    ages = [cameras.get(name, {}).get("last_frame_age_s") for name in names]
    return all(age is not None and age < 1.5 for age in ages)


def wait_live(daemon: Daemon, *names: str, timeout_s: float = 20.0) -> None:
    """Wait until these cameras are analyzed."""
    wait_for(lambda: live(daemon, *names), timeout_s, lambda: f"{daemon.cameras()}\n{daemon.tail()}")


def gone(pids: list[int]) -> bool:
    """Whether none of these processes lives any more."""
    return not any(Path(f"/proc/{pid}/status").exists() and "\nState:\tZ" not in status(pid) for pid in pids)


def status(pid: int) -> str:
    """What the kernel says of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""


def family(daemon: Daemon) -> list[int]:
    """The daemon's process id, and its children's."""
    return [daemon.pid, *children(daemon.pid)]


@contextlib.contextmanager
def receiving(receiver: Receiver) -> Iterator[Receiver]:
    """A receiver in a thread with a loop of its own, for tests that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(10)

    call(receiver.start())
    try:
        yield receiver
    finally:
        call(receiver.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class Silent:
    """Takes connections and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)

    @property
    def url(self) -> str:
        """For a webhook."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/hook"

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()


@contextlib.contextmanager
def hanging_on(port: int, count: int) -> Iterator[None]:
    """Connections to a page that are open and half way through a request."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(b"GET /status.json HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        yield
