"""The storage folder of one daemon: one SQLite file, the snapshots, and the lock that keeps a second daemon out.

Opened by the daemon; read and nudged by `streamer outbox` while the daemon runs (`connect`). One connection on one
writer thread serves everything, so no two statements of this process ever race; WAL with synchronous=FULL means that
what `write` returned from survives a power cut. This module knows tables and files, not what an alert means: the
statements over `alerts`, `deliveries` and `incidents` are in `ledger.py`.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from streamer.database import clear_errors, connect, migrate, transact
from streamer.errors import StoreError
from streamer.events import Event, Moment

T = TypeVar("T")
CLIPS = "clips"
"""The folder of video evidence, beside that of the snapshots."""
WHY = "-why.png"
"""What the name of a picture that explains an alert ends with; before it stands the name of the clip."""


class Store:
    """The folder, locked and migrated while open; `with Store(dir) as store`."""

    def __init__(self, dir: Path):
        self.dir = dir
        self.snapshots = dir / "snapshots"
        self.clips = dir / CLIPS
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None

    def open(self) -> Store:
        """Make the folder, lock it and bring the schema up to date.

        Raises:
            StoreError: another daemon has it, the disk is full, the file is damaged or of a newer version.
        """
        with clear_errors(self.dir):
            for folder in (self.snapshots, self.clips):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(self.dir)
            try:
                self._connection = connect(self.dir, create=True)
                migrate(self._connection, self.dir)
            except BaseException:
                self.close()
                raise
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        return self

    def close(self) -> None:
        """Finish what is queued, close the file, give the lock back; safe to call again."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
            self._thread = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Store:
        return self.open()

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction on the store's thread; returns after the commit reached the disk.

        Raises:
            StoreError: nothing of it was written.
        """
        return await self._on_thread(lambda connection: transact(connection, self.dir, work))

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query on the store's thread."""
        return await self._on_thread(work)

    async def save_incident(self, event: Event) -> None:
        """Remember an incident that has begun, so that it can be ended after a crash."""
        text = dump_event(event)
        await self.write(
            lambda c: c.execute(
                "INSERT INTO open_incidents VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET event = excluded.event",
                (event.id, text),
            )
        )

    async def drop_incident(self, id: str) -> None:
        """Forget an incident that has ended."""
        await self.write(lambda c: c.execute("DELETE FROM open_incidents WHERE id = ?", (id,)))

    async def open_incidents(self) -> list[Event]:
        """The begin events of all that was open, in order of their names."""
        rows = await self.read(lambda c: c.execute("SELECT event FROM open_incidents ORDER BY id").fetchall())
        return [load_event(text) for (text,) in rows]

    def snapshot_path(self, alert_id: str) -> Path:
        """Where the snapshot of an alert belongs; a plain file name whatever the id holds."""
        return self.snapshots / f"{_file_name(alert_id)}.jpg"

    def clip_path(self, alert_id: str) -> Path:
        """Where the clip of an alert belongs."""
        return self.clips / f"{_file_name(alert_id)}.mp4"

    async def _on_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._thread is None or self._connection is None:
            raise StoreError(f"storage folder {self.dir}: closed")
        connection = self._connection

        def guarded() -> T:
            with clear_errors(self.dir):
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._thread, guarded)


def why_path(clip: Path) -> Path:
    """Where the picture of an explained alert belongs: beside its clip, and deleted with it."""
    return clip.with_name(f"{clip.stem}{WHY}")


def _file_name(alert_id: str) -> str:
    tail = blake2b(alert_id.encode(), digest_size=6).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', alert_id).lstrip('.')[:120]}-{tail}"


def dump_event(event: Event) -> str:
    """An event as JSON, whole; a pipeline's own `key` and `detail` may hold anything that has a plain form."""
    return json.dumps({f.name: getattr(event, f.name) for f in fields(Event)}, default=_plain, ensure_ascii=False)


def load_event(text: str) -> Event:
    """The event of `dump_event`; fields that this version does not know are left out."""
    known = {f.name for f in fields(Event)}
    values = {name: value for name, value in json.loads(text).items() if name in known}
    for name in ("key", "box", "sinks"):
        values[name] = _tuples(values.get(name))
    moments = tuple(Moment(it["time"], tuple(it["box"])) for it in values.get("moments", ()))
    return Event(**{**values, "key": values["key"] or (), "moments": moments})


def _plain(value: Any) -> Any:
    if isinstance(value, Moment):
        return {"time": value.time, "box": value.box}
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return value.item() if hasattr(value, "item") else str(value)  # a numpy scalar, or at least something readable


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _take_lock(dir: Path) -> int:
    descriptor = os.open(dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreError(
            f"storage folder {dir}: in use by another streamer (pid {pid}); stop it, or name another `storage.dir`"
        ) from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
