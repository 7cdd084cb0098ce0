"""The web endpoints of a running daemon: `/`, `/status.json`, `/metrics`, `/healthz`, `/readyz` and evidence.

Started and stopped by the daemon, on its loop. Everything shown comes as values through the two callables given; this
module never touches cameras, storage or the engine, and never changes anything: all it does is read. What may be
changed is in `doors`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from socket import gaierror
from typing import Any

from aiohttp import web

from streamer import log
from streamer.errors import StreamerError
from streamer.metrics import CONTENT_TYPE, Metrics
from streamer.web.doors import LARGEST_BODY, Doors, add_doors
from streamer.web.guard import guard
from streamer.web.page import page
from streamer.web.settings import WebSettings
from streamer.web.status import Status

logger = log.get(__name__)

_STATIC = {"style.css": "text/css", "refresh.js": "text/javascript", "icon.svg": "image/svg+xml"}
_LARGEST_SNAPSHOT = 16 * 2**20  # bytes


class Web:
    """Serves what the daemon knows of itself."""

    def __init__(
        self,
        settings: WebSettings,
        status: Callable[[], Status],
        metrics: Metrics,
        snapshot: Callable[[str], Path | None] | None = None,
        clip: Callable[[str], Path | None] | None = None,
        doors: Doors | None = None,
    ):
        """Build the routes; nothing listens yet.

        Args:
            settings: where to listen.
            status: what is to be shown, asked for at each request.
            metrics: rendered for `/metrics`.
            snapshot: the file of an alert's picture by the alert's id, from whoever stores it; None: unknown id.
            clip: the same of its video.
            doors: what requests may change; None: nothing.
        """
        self.settings = settings
        self.port: int | None = None
        """The port that is listened on; None: not started."""
        self._status = status
        self._metrics = metrics
        self._snapshot = snapshot
        self._clip = clip
        self.why: Callable[[str], Path | None] = lambda alert_id: None
        """The file of the picture that explains an alert, by the alert's id; None: there is none."""
        self._doors = doors or Doors()
        self._runner: web.AppRunner | None = None
        self._rendering = asyncio.Lock()
        folder = Path(__file__).parent / "static"
        # read once: no path of a request ever reaches the file system
        self._static = {name: (folder / name).read_text(encoding="utf-8") for name in _STATIC}

    @property
    def url(self) -> str:
        """Where the page is, with a slash at the end; empty while nothing listens."""
        if self.port is None:
            return ""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self.port}/"

    async def start(self) -> None:
        """Listen; returns once the page answers.

        Raises:
            StreamerError: the address cannot be listened on.
        """
        if not self.settings.enabled:
            return
        runner = web.AppRunner(
            self.app(), access_log=None, handle_signals=False, keepalive_timeout=30.0, shutdown_timeout=1.0
        )
        await runner.setup()
        # "localhost" may mean two addresses, of which port 0 would make two ports
        host = "127.0.0.1" if self.settings.host == "localhost" else self.settings.host
        try:
            await web.TCPSite(runner, host, self.settings.port).start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            raise StreamerError(_why_not(self.settings, error)) from error
        self._runner = runner
        self.port = int(runner.addresses[0][1])
        if not self.settings.loopback:
            logger.warning("web: %s is reachable from other machines and has no login", self.settings.listen)

    async def stop(self) -> None:
        """Stop listening and end what is under way; safe to call when not started."""
        runner, self._runner, self.port = self._runner, None, None
        if runner is not None:
            await runner.cleanup()

    def app(self) -> web.Application:
        """The routes, for `start` and for tests."""
        app = web.Application(middlewares=[guard(self.settings)], client_max_size=LARGEST_BODY)
        app.router.add_get("/", self._page)
        app.router.add_get("/status.json", self._status_json)
        app.router.add_get("/metrics", self._metrics_text)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/static/{name}", self._static_file)
        app.router.add_get("/alerts/{id}/snapshot.jpg", self._snapshot_file)
        app.router.add_get("/alerts/{id}/clip.mp4", self._clip_file)
        app.router.add_get("/alerts/{id}/why.png", self._why_file)
        add_doors(app, self.settings, self._doors)
        return app

    async def _page(self, request: web.Request) -> web.Response:
        text = page(self._status().scrubbed(), self.settings.refresh_seconds)
        return web.Response(text=text, content_type="text/html")

    async def _status_json(self, request: web.Request) -> web.Response:
        status = self._status().scrubbed()
        return web.json_response(asdict(status) | {"readiness": asdict(status.readiness)})

    async def _metrics_text(self, request: web.Request) -> web.Response:
        # hundreds of cameras are tens of thousands of lines: not on the loop that watches them, and one at a time
        async with self._rendering:
            body = await asyncio.to_thread(self._metrics.render)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _healthz(self, request: web.Request) -> web.Response:
        """Is this process alive and moving? A degraded part is: restarting the daemon would not mend it."""
        parts = self._status().scrubbed().parts
        states = {part.state for part in parts}
        overall = "stuck" if "stuck" in states else "degraded" if "degraded" in states else "ok"
        body = {"status": overall, "parts": [asdict(part) for part in parts]}
        return web.json_response(body, status=503 if overall == "stuck" else 200)

    async def _readyz(self, request: web.Request) -> web.Response:
        """Is every configured camera analysed, or its failure named?"""
        status = self._status().scrubbed()
        missing: list[dict[str, Any]] = [
            {"name": c.name, "state": c.state, "cause": c.cause, "words": c.words}
            for c in status.cameras
            if not c.analysed
        ]
        cameras = {"configured": len(status.cameras), "analysed": len(status.cameras) - len(missing)}
        body = asdict(status.readiness) | {"cameras": cameras, "not_analysed": missing}
        return web.json_response(body, status=200 if status.readiness.ready else 503)

    async def _static_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._static:
            raise web.HTTPNotFound
        return web.Response(text=self._static[name], content_type=_STATIC[name])

    async def _snapshot_file(self, request: web.Request) -> web.Response:
        path = None if self._snapshot is None else self._snapshot(request.match_info["id"])
        picture = None if path is None else await asyncio.to_thread(_read_picture, path)
        if picture is None:
            raise web.HTTPNotFound
        # a snapshot never changes: the page, which renews itself, need not fetch it again
        forever = {"Cache-Control": "private, max-age=86400, immutable"}
        return web.Response(body=picture, content_type="image/jpeg", headers=forever)

    async def _why_file(self, request: web.Request) -> web.Response:
        path = self.why(request.match_info["id"])
        picture = None if path is None else await asyncio.to_thread(_read_picture, path, b"\x89PNG\r\n\x1a\n")
        if picture is None:
            raise web.HTTPNotFound
        return web.Response(body=picture, content_type="image/png", headers={"Cache-Control": "private, no-cache"})

    async def _clip_file(self, request: web.Request) -> web.StreamResponse:
        path = None if self._clip is None else self._clip(request.match_info["id"])
        if path is None or not await asyncio.to_thread(_is_video, path):
            raise web.HTTPNotFound
        # a file response sends in pieces, and the parts that a player asks for
        forever = {"Cache-Control": "private, max-age=86400, immutable", "Content-Type": "video/mp4"}
        return web.FileResponse(path, headers=forever)


def _is_video(path: Path) -> bool:
    """Whether a path is a plain MP4 file (no link, pipe or database)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return False
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and os.read(descriptor, 8)[4:] == b"ftyp"
    finally:
        os.close(descriptor)


def _read_picture(path: Path, begins: bytes = b"\xff\xd8\xff") -> bytes | None:
    """The bytes of a file that begins as a JPEG; None for what is no plain file of that kind (link, pipe, database)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        kind = os.fstat(descriptor)
        if not stat.S_ISREG(kind.st_mode) or kind.st_size > _LARGEST_SNAPSHOT:
            return None
        with open(descriptor, "rb", closefd=False) as file:
            picture = file.read(_LARGEST_SNAPSHOT)
    finally:
        os.close(descriptor)
    return picture if picture.startswith(begins) else None


def _why_not(settings: WebSettings, error: OSError | OverflowError) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        why = "another program listens there; stop it, or set web.listen to a free port (port 0 takes any)"
    elif number == errno.EACCES:
        why = f"ports below 1024 need privileges; set web.listen to one above, such as {settings.host}:8080"
    elif number == errno.EADDRNOTAVAIL or isinstance(error, gaierror):
        why = "this machine has no such address; set web.listen to one of its own, such as 127.0.0.1:8080"
    else:
        why = f"{error}; set web.listen to another address"
    return f"web: cannot listen on {settings.listen}: {why}"
