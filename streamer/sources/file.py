"""Recordings for replay, evaluation and training: the sampled pictures of a file, the same ones every time.

Picks on the same grid and scales in the same way as the live path does, so that a recording shows a pipeline what it
would have seen live. Lossless and unhurried: as fast as it is consumed. Runs in the caller's thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer import log
from streamer.sources.patch import Polygon
from streamer.sources.privacy import Privacy
from streamer.sources.recording import Recording
from streamer.sources.sampler import Sampler
from streamer.sources.scaler import Scaler

logger = log.get(__name__)


class FileSource:
    """Iterates over (index, pts_s, pixels): ordinal from 0, seconds from the first picture, uint8 (H, W, 3) RGB.

    May be iterated several times; each run opens the file anew and yields the same.

    Args:
        path: the video file (anything that FFmpeg reads, animated GIF included).
        analyze_fps: pictures a second to pick.
        width: width of the box that pictures are scaled into; the aspect is kept and nothing is enlarged.
        height: height of that box.
        privacy: polygons that are blackened, as fractions of the upright picture.

    Raises:
        SourceError: ``file``, ``no_video`` or ``unsupported``; from the constructor or at the first picture.
    """

    def __init__(self, path: str | Path, analyze_fps: float, width: int, height: int, privacy: Sequence[Polygon] = ()):
        self.path = Path(path)
        self.analyze_fps = analyze_fps
        self.fault: str | None = None
        """What was wrong with the file, after an iteration: it then ended early or has holes."""
        self._box = (width, height)
        self._privacy = Privacy(privacy) if privacy else None
        recording = Recording(self.path)
        self.duration_s = recording.duration_s
        """Estimated length in seconds; 0.0 if the container does not say."""
        self.fps = recording.fps
        """Estimated frames a second of the file."""
        self.source_size = (recording.width, recording.height)
        """Width and height of the coded picture."""
        self.codec = recording.codec
        recording.close()

    @property
    def frame_count(self) -> int:
        """Estimated number of pictures that an iteration yields; for progress bars."""
        return math.ceil(self.duration_s * min(self.fps, self.analyze_fps))

    def __iter__(self) -> Iterator[tuple[int, float, NDArray[np.uint8]]]:
        recording = Recording(self.path)
        sampler, scaler, index = Sampler(self.analyze_fps), Scaler(*self._box), 0
        try:
            for pts_s, frame in recording.pictures():
                if sampler.take(pts_s):
                    shown = frame if self._privacy is None else self._privacy.hide(frame)
                    yield index, pts_s, np.ascontiguousarray(scaler.rgb(shown))
                    index += 1
        finally:
            recording.close()
            self.fault = recording.fault
        if self.fault:
            logger.warning("%s: %s; analysed the %d pictures that it has", self.path, self.fault, index)
