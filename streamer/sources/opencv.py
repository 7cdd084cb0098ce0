"""Cameras on this machine (USB, V4L2) through OpenCV, which a reader imports only if it has one.

OpenCV gives BGR pictures without times: the instant of `grab` is the time. They become av.VideoFrames, so that all
that follows is the same for every source. Runs in a camera's thread.
"""

from __future__ import annotations

import time
from typing import Any

import av
import numpy as np

from streamer.errors import SourceError
from streamer.sources.address import Address
from streamer.sources.source import Picture, Source, StreamInfo


class OpencvSource(Source):
    """One local camera, by number or by whatever `cv2.VideoCapture` opens."""

    def __init__(self, address: Address):
        super().__init__()
        self._address = address
        self._capture: Any = None
        self._aborted = False

    def open(self, timeout_s: float) -> None:
        """See Source."""
        import cv2  # 60 MB that a reader of network cameras must not carry

        device = self._address.scheme == "device"
        target: int | str = int(self._address.target) if device else self._address.target
        self._capture = cv2.VideoCapture(target, cv2.CAP_V4L2 if device else cv2.CAP_ANY)
        if not self._capture.isOpened():
            raise SourceError("not_found", f"{self._address.bare} cannot be opened")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.info = StreamInfo("raw", "opencv", fps if 0.1 <= fps <= 1000 else None)

    def read(self) -> list[Picture]:
        """See Source."""
        if self._aborted:
            raise SourceError("ended", "given up")
        grabbed = self._capture.grab()
        now = time.monotonic()
        ok, pixels = self._capture.retrieve() if grabbed else (False, None)
        if not ok or pixels is None:
            raise SourceError("ended", f"{self._address.bare} gives no more pictures")
        self.waited = True
        self.counts.units += 1
        self.counts.decoded += 1
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="bgr24")
        return [Picture(now, now, frame, key=True)]

    def abort(self) -> None:
        """See Source."""
        self._aborted = True

    def close(self) -> None:
        """See Source."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None
