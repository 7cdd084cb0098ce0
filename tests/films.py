"""Small films for tests of what works on recordings."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def film(path: Path, seconds: float = 4.0, fps: int = 10, size: tuple[int, int] = (160, 96)) -> Path:
    """A gray film, each picture one step brighter than the last (from 40)."""
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(round(seconds * fps)):
            pixels = np.full((height, width, 3), 40 + 4 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path
