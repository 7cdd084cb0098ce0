"""A look at a video file: what its container promises and what it really holds, and small pictures of it.

Each file is decoded once; check, dedup, statistics and the motion features of the label report are all made of this.
Bounded: pictures are kept as 32 x 32 thumbnails, 8 a second, and thinned out beyond a number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from streamer.errors import SourceError
from streamer.sources.recording import Recording
from streamer.sources.sampler import Sampler
from streamer.sources.scaler import to_rgb
from streamer.training.samples import Sample

SIDE = 32
"""Pixels of a thumbnail."""
RATE = 8.0
"""Thumbnails a second."""
MOST = 4800
"""Thumbnails of one file: ten minutes at RATE; of a longer file every second, fourth, ... is kept (5 MB at most)."""
_WORKERS = 4  # libav releases the GIL


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What there is in a file."""

    file: Path
    cause: str = ""
    """Why nothing could be decoded: a key of `errors.CAUSES`, or `missing`; empty if pictures came."""
    fault: str = ""
    """What was wrong, in words; also of files that could be read in part."""
    width: int = 0
    """Pixels, as shown."""
    height: int = 0
    codec: str = ""
    pictures: int = 0
    """Decoded."""
    promised: int = 0
    """By the container; 0 if it does not say."""
    duration_s: float = 0.0
    """From the first picture to the end of the last."""
    promised_s: float = 0.0
    """By the container; 0.0 if it does not say."""
    sounds: int = 0
    times: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(n,) seconds of the thumbnails from the first picture."""
    thumbs: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, SIDE, SIDE), np.uint8))
    """uint8 (n, SIDE, SIDE) luma; the whole picture, its aspect not kept."""
    chroma: float = 0.0
    """Mean of the largest difference between the colors of a pixel, 0..255: under 3 for infrared light."""

    @property
    def fps(self) -> float:
        """Pictures a second, as found; 0.0 for a single picture."""
        return self.pictures / self.duration_s if self.duration_s > 0 and self.pictures > 1 else 0.0

    def within(self, sample: Sample) -> NDArray[np.uint8]:
        """The thumbnails in the times of a sample, uint8 (n, SIDE, SIDE)."""
        end_s = np.inf if sample.end_s is None else sample.end_s
        return self.thumbs[(self.times >= sample.start_s) & (self.times < end_s)]

    def length_s(self, sample: Sample) -> float:
        """Seconds of a sample that the file really has."""
        end_s = self.duration_s if sample.end_s is None else min(sample.end_s, self.duration_s)
        return max(0.0, end_s - sample.start_s)


def look_at(file: Path) -> Look:
    """Decode a file and keep what `Look` says; never raises for what is wrong with the file."""
    if not file.is_file():
        return Look(file, "missing", "no such file")
    try:
        recording = Recording(file)
    except SourceError as error:
        return Look(file, error.cause, str(error))
    try:
        return _decode(file, recording)
    except SourceError as error:
        return Look(file, error.cause, str(error), sounds=recording.sounds)
    finally:
        recording.close()


def look_at_all(samples: Iterable[Sample], progress: Callable[[int, int], None] | None = None) -> dict[Path, Look]:
    """A look at every file, in parallel; `progress` is told (done, all)."""
    files = list(dict.fromkeys(sample.file for sample in samples))
    found: dict[Path, Look] = {}
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="look") as pool:
        for look in pool.map(look_at, files):
            found[look.file] = look
            if progress is not None:
                progress(len(found), len(files))
    return found


def _decode(file: Path, recording: Recording) -> Look:
    sampler, reformatter = Sampler(RATE), VideoReformatter()
    times: list[float] = []
    thumbs: list[NDArray[np.uint8]] = []
    colors: list[float] = []
    pictures, taken, stride, end_s, last_s, size = 0, 0, 1, 0.0, 0.0, (recording.width, recording.height)
    for pts_s, frame in recording.pictures():
        pictures += 1
        last_s, end_s = pts_s, max(end_s, pts_s)
        if not sampler.take(pts_s):
            continue
        taken += 1
        if (taken - 1) % stride:
            continue
        turned = frame.rotation % 180 != 0
        size = (frame.height, frame.width) if turned else (frame.width, frame.height)
        rgb = to_rgb(reformatter, frame, SIDE, SIDE)
        times.append(pts_s)
        thumbs.append(_luma(rgb))
        colors.append(float((rgb.max(axis=2) - rgb.min(axis=2)).mean()))
        if len(thumbs) >= MOST:
            times, thumbs, stride = times[::2], thumbs[::2], stride * 2
    step_s = last_s / (pictures - 1) if pictures > 1 else 1 / recording.fps
    return Look(
        file=file,
        fault=recording.fault or "",
        width=size[0],
        height=size[1],
        codec=recording.codec,
        pictures=pictures,
        promised=recording.promised,
        duration_s=end_s + step_s,
        promised_s=recording.duration_s,
        sounds=recording.sounds,
        times=np.array(times),
        thumbs=np.stack(thumbs),
        chroma=float(np.mean(colors)),
    )


def _luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    weighted: NDArray[np.float32] = rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
    return weighted.round().astype(np.uint8)


def mean_luma(thumbs: NDArray[np.uint8]) -> float:
    """Mean brightness 0..255 of thumbnails (n, SIDE, SIDE); NaN of none."""
    return float(thumbs.mean()) if len(thumbs) else float("nan")


def motion(thumbs: NDArray[np.uint8]) -> float:
    """Mean change of a pixel between neighboring thumbnails, in levels; 0.0 of fewer than two."""
    if len(thumbs) < 2:
        return 0.0
    return float(np.abs(np.diff(thumbs.astype(np.int16), axis=0)).mean())


def largest_change(thumbs: NDArray[np.uint8]) -> int:
    """The largest change of any pixel between neighboring thumbnails, in levels; 0 of fewer than two."""
    return int(np.abs(np.diff(thumbs.astype(np.int16), axis=0)).max()) if len(thumbs) > 1 else 0


def readable(samples: Sequence[Sample], looks: dict[Path, Look]) -> tuple[list[Sample], list[Sample]]:
    """Samples of which there are pictures, and those of which there are none."""
    good = [sample for sample in samples if len(looks[sample.file].within(sample))]
    kept = set(map(id, good))
    return good, [sample for sample in samples if id(sample) not in kept]
