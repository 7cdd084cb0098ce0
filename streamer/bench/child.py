"""The subject's process, seen from the bench: start it with an order, ask for its counters, end it."""

from __future__ import annotations

import contextlib
import json
import selectors
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streamer.errors import InputError, StreamerError

READY_SECONDS = 180.0
_ANSWER_SECONDS = 20.0
_END_SECONDS = 20.0


class Subject:
    """A running subject; its log goes into `folder`/subject.log."""

    def __init__(self, order: dict[str, Any], module: str = "streamer.bench.subject"):
        """Start it; `order` is what `subject.serve` takes, its `folder` exists."""
        self._log = Path(order["folder"]) / "subject.log"
        self._buffer = b""
        self.started_at = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._send(json.dumps(order))

    def wait_ready(self, timeout_s: float = READY_SECONDS) -> dict[str, Any]:
        """Its process numbers by role and its plans, once every camera is analysed. Raises StreamerError."""
        return self._answer("ready", timeout_s)

    def counts(self) -> dict[str, float]:
        """Its counters now."""
        self._send("counts")
        found: dict[str, float] = self._answer("counts", _ANSWER_SECONDS)["counts"]
        return found

    def finish(self) -> dict[str, float]:
        """End it in order; its last counters. Its rows are then in the file that the order named."""
        self._send("stop")
        found: dict[str, float] = self._answer("done", _END_SECONDS)["counts"]
        return found

    def close(self) -> None:
        """End it, however it is."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children end with it
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise StreamerError(f"bench: the measured daemon has ended: {self._last_words()}") from error

    def _answer(self, key: str, timeout_s: float) -> dict[str, Any]:
        """The next answer that has `key`."""
        until = time.monotonic() + timeout_s
        while True:
            answer: dict[str, Any] = json.loads(self._line(until, timeout_s))
            if "error" in answer:
                raise (InputError if answer.get("input") else StreamerError)(answer["error"])
            if key in answer:
                return answer

    def _line(self, until: float, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, until - time.monotonic())):
                    raise StreamerError(
                        f"bench: the measured daemon was not that far within {timeout_s:g} s: {self._last_words()}"
                    )
                chunk = self._process.stdout.read1(65536)  # type: ignore[attr-defined]
                if not chunk:
                    raise StreamerError(f"bench: the measured daemon ended: {self._last_words()}")
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().split("\n")
        return lines[-1][:300] or "it said nothing"
