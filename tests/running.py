"""A daemon in a process of its own, as a user starts it; for the end-to-end and fault tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamer.usage import children


class Daemon:
    """`streamer run SITE`; the page's port must be in the site file."""

    def __init__(self, site: Path, port: int, environment: dict[str, str] | None = None):
        self.site = site
        self.url = f"http://127.0.0.1:{port}"
        self.log = site.with_suffix(".log")
        self._environment = {**os.environ, **(environment or {})}
        self.command = ["run", str(site)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ready_s: float = 60.0) -> Daemon:
        """Start it and wait until its page answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streamer", *self.command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,  # a terminal of its own, so that a test may press Ctrl-C there
            )
        wait_for(lambda: self.alive and self.get("/healthz") is not None, ready_s, self.tail)
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """False once it has ended; then waiting for anything is in vain."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the daemon ended with status {self._process.returncode}:\n{self.tail()}")
        return True

    def get(self, path: str) -> Any:
        """The JSON (or text) of a page; None while there is none."""
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            try:
                with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                    body = answer.read()
            except urllib.error.HTTPError as error:
                body = error.read()
                error.close()
            try:
                return json.loads(body)
            except ValueError:
                return body.decode()
        return None

    def cameras(self) -> dict[str, dict[str, Any]]:
        """The cameras of the status page by name."""
        status = self.get("/status.json")
        return {camera["name"]: camera for camera in status["cameras"]} if isinstance(status, dict) else {}

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in str(self.get("/metrics") or "").splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name and all(f'{key}="{text}"' in head for key, text in labels.items()):
                total += float(value)
        return total

    def children(self, module: str) -> list[int]:
        """Process ids of its children that run a module."""
        found = []
        for pid in children(self.pid):
            with contextlib.suppress(OSError):
                if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    found.append(pid)
        return found

    def tail(self, lines: int = 40) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def press_ctrl_c(self) -> None:
        """SIGINT to it and all its children, as a terminal does."""
        os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL, as the kernel's out-of-memory killer does it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, timeout_s: float = 30.0) -> int:
        """SIGTERM; its exit status."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout_s)

    def __enter__(self) -> Daemon:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        if self._process is not None and self._process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
                raise


def wait_for(condition: Callable[[], Any], timeout_s: float, why: Callable[[], str] = lambda: "") -> Any:
    """Wait for a condition on a real process; its first true value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s in vain\n{why()}")
        time.sleep(0.1)
