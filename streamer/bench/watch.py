"""The bench's pipeline: to each frame it does what a real one does, and notes when.

Detector, tracker, intrusion rule on a zone; first it reads the number that is burnt into the very pixels that are
analysed, so that a result can be matched with the instant its frame was sent. Loaded by the subject's site file
under its dotted name; one recorder a process.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import numpy as np
from numpy.typing import NDArray

from streamer.camera import Camera
from streamer.events import Event
from streamer.pipeline import Detector, Pipeline
from streamer.readings import Reading
from streamer.rules.intrusion import Intrusion
from streamer.simulator import framecode
from streamer.tracker import Tracker

COLUMNS = ("camera", "index", "result_at", "tracks", "taken_at", "detected_at", "captured_at")
"""Of the result rows, float64. Instants are CLOCK_MONOTONIC seconds; index is -1 where none can be read."""


class Recorder:
    """The results of one process."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        """Cameras of which a frame was analysed."""
        self.on_camera: Callable[[], None] = lambda: None
        """Called with the first frame of each camera."""
        self.unknown = 0
        """Frames to which no answer came; they are not among the rows."""
        self._rows: list[tuple[float, ...]] = []

    def add(self, camera: str, *values: float) -> None:
        """Note one analysed frame; `values` as in COLUMNS, after the camera. Cameras are named cam0, cam1, ..."""
        if camera not in self.seen:
            self.seen.add(camera)
            self.on_camera()
        self._rows.append((float(camera[3:]), *values))

    def rows(self) -> NDArray[np.float64]:
        """float64 (n, len(COLUMNS))."""
        return np.array(self._rows, np.float64).reshape(-1, len(COLUMNS))


RECORDER = Recorder()


class Watch(Pipeline):
    """Finds, follows and judges; and records."""

    detector: Detector = Detector("motion")
    """The model that is measured."""
    intrusion: Intrusion
    """A zone test, as every site has."""

    async def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
        """See Pipeline."""
        tracker, judge = Tracker(), self.intrusion.begin(camera.places)
        async for frame in camera.frames():
            taken_at = time.monotonic()
            index = framecode.read(frame.pixels)
            detections = await self.detector(frame)
            detected_at = time.monotonic()
            tracks = tracker.update(detections, frame.time)
            for event in judge.judge(frame, tracks):
                yield event
            result_at = time.monotonic()
            if not tracks.known:
                RECORDER.unknown += 1
                continue
            RECORDER.add(camera.name, index, result_at, len(tracks), taken_at, detected_at, frame.captured_at)
