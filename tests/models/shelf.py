"""A real HTTP server that gives files, with or without ranges, and breaks off, redirects or fails on command."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shelf:
    """What the server has, how it misbehaves, and what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        """(path, Range header) of each request."""
        self.breaks: list[int] = []
        """Bytes after which the next answers break off, one each."""
        self.statuses: list[int] = []
        """Statuses of the next answers, one each; 0: as usual."""
        self.ranges = True
        self.shift = 0
        """Added to the start of every range: a server that gives another part."""
        self.redirects: dict[str, str] = {}
        self.lengths = True
        self.url = ""


class _Handler(BaseHTTPRequestHandler):
    shelf: Shelf

    def do_GET(self) -> None:
        shelf, asked = self.shelf, self.headers.get("Range", "")
        shelf.asked.append((self.path, asked))
        status = shelf.statuses.pop(0) if shelf.statuses else 0
        body = shelf.files.get(self.path.partition("?")[0])
        if self.path in shelf.redirects:
            self._head(302, {"Location": shelf.redirects[self.path], "Content-Length": "0"})
        elif status or body is None:
            self._head(status or 404, {"Content-Length": "0"})
        else:
            self._give(body, asked)

    def _give(self, body: bytes, asked: str) -> None:
        shelf, start, headers = self.shelf, 0, {}
        if asked and shelf.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-")) + shelf.shift
            if start >= len(body):
                self._head(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        if shelf.lengths:
            headers["Content-Length"] = str(len(body) - start)
        self._head(206 if "Content-Range" in headers else 200, headers)
        self.close_connection = True
        with suppress(ConnectionError):  # whoever asked for it may have heard enough
            self.wfile.write(body[start : start + shelf.breaks.pop(0)] if shelf.breaks else body[start:])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def open_shelf() -> Iterator[Shelf]:
    """Serve on 127.0.0.1 until the block ends."""
    shelf = Shelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"shelf": shelf}))
    server.daemon_threads = True
    shelf.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
