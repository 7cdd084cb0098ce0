"""The engine's door to its cameras: reader processes that are started, told, heard and kept running.

`run` supervises; `set_cameras` may be called at any time and touches only what changed. All on the engine's loop. The
engine never opens a camera itself, and no pixel passes through a pipe: frames are views of shared memory until
`release` gives their slot back.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from streamer.clock import Clock
from streamer.ingest.health import Health
from streamer.ingest.inbox import Ears
from streamer.ingest.load import Load
from streamer.ingest.process import ReaderProcess
from streamer.ingest.seating import seat
from streamer.ingest.settings import IngestSettings
from streamer.ingest.spec import CameraSpec
from streamer.ingest.wish import Wish
from streamer.metrics import Metrics
from streamer.slots import SlotPool
from streamer.supervisor import Restarts
from streamer.types import Frame

_LOOK_SECONDS = 0.5
_SNAPSHOT_SECONDS = 2.0
_CLIP_SECONDS = 20.0
"""From the last second of a clip to its file, at most: many may be due at once, on a slow disk."""


class Readers:
    """All reader processes.

    Args:
        settings: the section `ingest` of the site.
        metrics: counts what readers report.
        clock: time.
        on_frame: called with every analysed frame; its slot is the engine's until `release`.
        on_health: called at every change of a camera's health.
        restarts: the restart budget of each reader process.
    """

    def __init__(
        self,
        settings: IngestSettings,
        metrics: Metrics,
        clock: Clock,
        on_frame: Callable[[Frame], None],
        on_health: Callable[[Health], None],
        restarts: Restarts | None = None,
    ):
        self.pools: Mapping[int, SlotPool]
        """Slot pools that are in use, by number; for the inference worker."""
        self.pools = self._pools = dict[int, SlotPool]()
        self._settings = settings
        self._clock = clock
        self._restarts = restarts or Restarts()
        self._load = Load()
        self._ears = Ears(metrics, clock, on_frame, on_health, self._load.note)
        metrics.decode_share.set(1.0)
        self._numbers = itertools.count(1)
        self._log = {"style": "human", "level": "info"}
        self._specs: dict[str, CameraSpec] = {}
        self._seats: dict[str, str] = {}
        self._last_sessions: dict[str, int] = {}
        self._processes: dict[str, ReaderProcess] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving: list[asyncio.Task[None]] = []
        self._running = False

    async def run(self) -> None:
        """Keep the reader processes running, until cancelled; then stop them."""
        self._running = True
        try:
            self._start_tasks()
            while True:
                await self._clock.sleep(_LOOK_SECONDS)
                if self._load.judge():
                    self._ration()
                self._leaving = [task for task in self._leaving if not task.done()]
                for process in self._processes.values():
                    process.look_after()
        finally:
            self._running = False
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), *self._leaving, return_exceptions=True)
            self._tasks.clear()

    def _ration(self) -> None:
        """Tell all readers how much to decode."""
        self._ears.metrics.decode_share.set(self._load.share)
        for process in self._processes.values():
            process.ration(self._load.share)

    def set_cameras(self, specs: Sequence[CameraSpec]) -> None:
        """Read exactly these cameras; those whose spec did not change go on undisturbed."""
        wanted = {spec.name: spec for spec in specs}
        seats = seat(specs, self._seats, self._settings.processes)
        for name, spec in list(self._specs.items()):
            if wanted.get(name) != spec or seats[name] != self._seats[name]:
                self._last_sessions[name] = self._processes[self._seats[name]].remove(name)
                del self._specs[name]
        for name, spec in wanted.items():
            if name not in self._specs:
                self._process(seats[name]).add(spec, self._last_sessions.pop(name, 0))
        self._specs, self._seats = wanted, seats
        for name in [name for name, process in self._processes.items() if not process.cameras]:
            del self._processes[name]
            if name in self._tasks:
                self._tasks[name].cancel()
                self._leaving.append(self._tasks.pop(name))
        if self._running:
            self._start_tasks()

    def release(self, frame: Frame) -> None:
        """Give a frame's slot back to its reader; its pixels change from then on."""
        process = self._processes.get(self._seats.get(frame.camera, ""))
        if frame.slot is not None and process is not None:
            process.free(frame.slot.pool, frame.slot.slot)

    async def snapshot(self, camera: str, wish: Wish, path: Path) -> bool:
        """Write a frame as JPEG at full size; from the record stream if the camera has one.

        Args:
            camera: the camera's name.
            wish: what it shows.
            path: the file, which appears whole or not at all.

        Returns:
            Whether the file is there; False also when it takes longer than an alert waits for it.
        """
        return await self._evidence(camera, {"op": "snapshot", **asdict(wish)}, path, _SNAPSHOT_SECONDS)

    async def clip(self, camera: str, captured_at: float, before_s: float, after_s: float, path: Path) -> bool:
        """Write the seconds round an instant as MP4, as the camera sent them; returns when its last second has come.

        Args:
            camera: the camera's name; its spec must keep what it sent (`ring_bytes`).
            captured_at: the instant, CLOCK_MONOTONIC.
            before_s: at least so many seconds before it: a clip begins with a keyframe.
            after_s: so many after it.
            path: the file, which appears whole or not at all.

        Returns:
            Whether the file is there.
        """
        order = {"op": "clip", "captured_at": captured_at, "before_s": before_s, "after_s": after_s}
        left_s = captured_at + after_s - self._clock.monotonic()
        return await self._evidence(camera, order, path, max(0.0, left_s) + _CLIP_SECONDS)

    async def _evidence(self, camera: str, order: dict[str, Any], path: Path, timeout_s: float) -> bool:
        process = self._processes.get(self._seats.get(camera, ""))
        if process is None:
            return False
        return await process.evidence(camera, {**order, "path": os.path.abspath(path)}, timeout_s)  # noqa: ASYNC240

    def pids(self) -> list[int]:
        """Process ids of the readers that run."""
        return [process.pid for process in self._processes.values() if process.pid is not None]

    def log_as(self, style: str, level: str) -> None:
        """How readers log from their next start on; see `streamer.log.setup`."""
        self._log = {"style": style, "level": level}
        for process in self._processes.values():
            process.log_setup = self._log

    def _process(self, name: str) -> ReaderProcess:
        if name not in self._processes:
            process = ReaderProcess(name, self._settings, self._ears, self._pools, self._numbers, self._restarts)
            process.log_setup = self._log
            process.ration(self._load.share)
            self._processes[name] = process
        return self._processes[name]

    def _start_tasks(self) -> None:
        for name, process in self._processes.items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(process.run(), name=f"reader {name}")
