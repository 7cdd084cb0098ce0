"""Real servers on 127.0.0.1 for tests: an HTTP receiver that can misbehave, and a Mosquitto broker."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@dataclass
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An HTTP server that keeps every request, and answers as it is told.

    `answer` may be a status, or a function of the request's number (from 0) that returns a status or
    (status, headers); 0 means: read the request, then hang up without an answer.
    """

    answer: int | Callable[[int], Any] = 200
    text: str = ""
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> Receiver:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Receiver:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def accepted(self) -> list[Request]:
        return [request for request in self.requests if 200 <= request.status < 300]

    def keys(self) -> list[str]:
        """Idempotency keys of what was accepted, in order."""
        return [request.headers["Idempotency-Key"] for request in self.accepted]

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        answer = self.answer(len(self.requests)) if callable(self.answer) else self.answer
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        self.requests.append(Request(request.path_qs, dict(request.headers), body, status))
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=status, headers=headers, text=self.text)


def flaky(seed: int, share: float = 0.4) -> Callable[[int], int]:
    """Answers that fail at random: errors of the server, and connections that are cut."""
    dice = random.Random(seed)
    return lambda number: dice.choice((500, 502, 0)) if dice.random() < share else 200


class Mosquitto:
    """A broker with a configuration of its own; `start` again after `stop` keeps port and retained messages."""

    def __init__(self, folder: Path, port: int, extra: str = "", anonymous: bool = True):
        if MOSQUITTO is None:
            raise FileNotFoundError("mosquitto is not installed")
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._conf = folder / "mosquitto.conf"
        self._conf.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous {str(anonymous).lower()}\n{extra}\n"
            f"persistence true\npersistence_location {folder}/\nuser root\nlog_dest file {folder}/log\nlog_type all\n"
        )

    def start(self) -> Mosquitto:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            if self._process.poll() is not None:
                raise RuntimeError(f"mosquitto ended: {(self._folder / 'log').read_text()[-500:]}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
                return self
            if time.monotonic() > deadline:
                raise TimeoutError("mosquitto does not listen")
            time.sleep(0.02)

    def stop(self, kill: bool = False) -> None:
        if self._process is not None:
            (self._process.kill if kill else self._process.terminate)()
            self._process.wait(10)
            self._process = None

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def __enter__(self) -> Mosquitto:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
