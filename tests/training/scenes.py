"""Made clips: scenes that can be told apart, things that move in them, and every way in which a file can be wrong."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (160, 96)


def scene(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A smooth random picture (H, W, 3), uint8, the same for one seed at every size."""
    width, height = size
    coarse = np.random.default_rng(seed).uniform(30, 200, (5, 7, 3))
    rows, columns = np.linspace(0, 3.999, height), np.linspace(0, 5.999, width)
    r, c = rows.astype(int)[:, None], columns.astype(int)[None]
    fr, fc = (rows % 1)[:, None, None], (columns % 1)[None, :, None]
    upper = coarse[r, c] * (1 - fc) + coarse[r, c + 1] * fc
    lower = coarse[r + 1, c] * (1 - fc) + coarse[r + 1, c + 1] * fc
    return (upper * (1 - fr) + lower * fr).astype(np.uint8)


def pictures(
    where: int, what: int, seconds: float = 2.0, fps: float = 10.0, size: tuple[int, int] = SIZE, start_s: float = 0.0
) -> list[np.ndarray]:
    """Pictures of three bright things that wander through a scene: `where` chooses it, `what` chooses their ways."""
    background, rng = scene(where, size), np.random.default_rng(1000 + what)
    phases, speeds, radii = rng.uniform(0, 6.28, (3, 2)), rng.uniform(0.8, 3.0, (3, 2)), rng.uniform(0.05, 0.12, 3)
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    y, x = y / size[1], x / size[1]
    made = []
    for i in range(round(seconds * fps)):
        picture = background.copy()
        at = 0.5 + 0.4 * np.sin(phases + speeds * (start_s + i / fps))
        for (cy, cx), radius in zip(at, radii, strict=True):
            picture[(y - cy) ** 2 + (x - cx * size[0] / size[1]) ** 2 < radius**2] = 240
        made.append(picture)
    return made


def write(
    path: Path,
    shown: list[np.ndarray],
    fps: float = 10.0,
    codec: str = "libx264",
    keyframes: int = 5,
    sound: bool = False,
) -> Path:
    """Write pictures as a film; `keyframes`: pictures between two of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = shown[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.gop_size = keyframes
        if codec == "libx264":
            stream.options = {"crf": "23", "preset": "veryfast", "sc_threshold": "0"}
        hum = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for picture in shown:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))
        if hum is not None:
            _hum(container, hum, len(shown) / fps)
    return path


def clip(path: Path, where: int, what: int, **film: float) -> Path:
    """A usual clip of two seconds."""
    return write(path, pictures(where, what, **film), fps=film.get("fps", 10.0))


def silent_film_turned_round(path: Path, seconds: float = 1.0) -> Path:
    """Sound without pictures, in a container for video."""
    with av.open(str(path), "w") as container:
        _hum(container, container.add_stream("aac", rate=16000, layout="mono"), seconds)
    return path


def _hum(container: object, stream: object, seconds: float) -> None:
    for start in range(0, round(seconds * 16000), 1024):
        wave = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
