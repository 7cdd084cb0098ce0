"""Alerts as lines of a JSON file: the events file's fields, and `alert` with the sentence, severity and snapshot.

A line is written whole, flushed to the disk and only then called delivered. The file may be rotated at any time, by
renaming or by truncating. Blocking file work happens in a thread.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from streamer.errors import SinkError
from streamer.events import State
from streamer.sinks.sink import Alert, Sink, SinkSettings


class JsonlSettings(SinkSettings):
    """A file of JSON lines."""

    default_states: ClassVar[tuple[State, ...]] = ("begin", "update", "end")
    type: Literal["jsonl"] = "jsonl"
    path: Path = Field(description="The file; relative to the configuration file.")

    def build(self, name: str, base_dir: Path) -> JsonlSink:
        """See SinkSettings."""
        return JsonlSink(name, self, base_dir / self.path)


class JsonlSink(Sink):
    """Appends to one file."""

    def __init__(self, name: str, settings: JsonlSettings, path: Path):
        super().__init__(name, settings)
        self.path = path
        self._file: int | None = None

    async def open(self) -> None:
        """See Sink."""
        await asyncio.to_thread(self._guarded, b"")

    async def send(self, alert: Alert) -> None:
        """See Sink."""
        line = json.dumps(alert.row(), ensure_ascii=False, separators=(", ", ": "), default=str).encode() + b"\n"
        await asyncio.to_thread(self._guarded, line)

    async def close(self) -> None:
        """See Sink."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _guarded(self, line: bytes) -> None:
        try:
            self._append(self._current(), line)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            words = "the disk is full; free some space" if full else error.strerror or str(error)
            raise SinkError(f"sink {self.name!r}: cannot write {self.path}: {words}") from error

    def _current(self) -> int:
        """The file that the path names now; a rotated one is let go."""
        if self._file is not None:
            held = os.fstat(self._file)
            try:
                named = os.stat(self.path)
            except FileNotFoundError:
                named = None
            if named is not None and (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino):
                return self._file
            os.close(self._file)
            self._file = None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._file

    @staticmethod
    def _append(file: int, line: bytes) -> None:
        """All of the line or nothing; what a crash has torn before is ended, so that it spoils no other line."""
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            line = b"\n" + line
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise
