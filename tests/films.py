"""Small films for tests of what works on recordings."""

from __future__ import annotations

from collections.abc import Sequence
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


def blinds(path: Path, parts: Sequence[tuple[float, float]], fps: int = 10, size: tuple[int, int] = (160, 96)) -> Path:
    """A dark film whose left share is bright: parts of (seconds, share), with some noise as every camera has."""
    width, height = size
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        options = {"crf": "20", "g": str(fps), "bf": "0", "preset": "ultrafast"}  # as cameras send it
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for seconds, share in parts:
            for _ in range(round(seconds * fps)):
                pixels = rng.integers(0, 6, (height, width, 3)).astype(np.uint8)
                pixels[:, : round(share * width)] += 249
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path
