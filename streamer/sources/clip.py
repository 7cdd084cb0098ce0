"""A recording that plays as if it were a camera: at the pace of its own times. For demos, benches and trying out.

At its end it raises ``ended``; the session then opens it again, so that it loops. Runs in a camera's thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streamer.errors import SourceError
from streamer.sources.recording import Recording
from streamer.sources.source import Picture, Source, StreamInfo


class ClipSource(Source):
    """One run of a file.

    Args:
        path: the file.
        realtime: wait for each picture's time; False: as fast as it is consumed.
    """

    def __init__(self, path: Path, realtime: bool = True):
        super().__init__()
        self._path = path
        self._realtime = realtime
        self._stop = threading.Event()
        self._recording: Recording | None = None
        self._pictures: Iterator[tuple[float, Any]] = iter(())
        self._began_at = 0.0

    def open(self, timeout_s: float) -> None:
        """See Source."""
        self._recording = Recording(self._path)
        self._pictures = self._recording.pictures()
        self.info = StreamInfo(self._recording.codec, "file", self._recording.fps)
        self._began_at = time.monotonic()

    def read(self) -> list[Picture]:
        """See Source."""
        picture = next(self._pictures, None)
        if picture is None:
            fault = self._recording.fault if self._recording else None
            raise SourceError("ended", f"the recording is over{': ' + fault if fault else ''}")
        pts_s, frame = picture
        wait_s = self._began_at + pts_s - time.monotonic() if self._realtime else 0.0
        self.waited = wait_s > 0
        if wait_s > 0 and self._stop.wait(wait_s):
            raise SourceError("ended", "given up")
        self.counts.units += 1
        self.counts.decoded += 1
        return [Picture(pts_s, time.monotonic(), frame, frame.key_frame, not frame.is_corrupt)]

    def abort(self) -> None:
        """See Source."""
        self._stop.set()

    def close(self) -> None:
        """See Source."""
        self._pictures = iter(())
        if self._recording is not None:
            self._recording.close()
            self._recording = None
