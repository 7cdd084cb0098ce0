"""Clips as the live system would see them: the pictures on the time grid of a model, in the size of its input.

`decode` reads a file with the sampler, the scaler and the `fit` of the live path. `FrameCache` keeps the result on
disk, named by what it was made of, so that each clip is decoded once for any number of epochs, folds and trials. A
folder that `pack` wrote is a data set of its own that needs neither video nor decoder. Called by the data set and by
tools.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from streamer.errors import InputError, SourceError
from streamer.models.card import Input
from streamer.sources.sampler import TOLERANCE
from streamer.training.samples import Sample, file_hash

ANALYSIS_BOX = 416
"""Pixels; frames are scaled into a square so large before `fit`, as a camera's frames are for the usual detector."""
HELD = 3
"""Missing points of the time grid over which a frame is held, as in serving."""
PACKED = "frames.json"
"""What a packed folder was made for."""
_VERSION = 1  # of what `decode` makes; another number makes all cached frames stale

Pixels = NDArray[np.uint8]
Progress = Callable[[str, float, float], None]
"""Told what is being done, how much of it is done, and how much there is."""


def decode(sample: Sample, shape: Input, fps: float) -> Pixels:
    """The frames of a clip, uint8 (T, height, width, 3) RGB, on the grid of `fps` frames a second.

    Grid points without a frame of their own (a slower film, a hole in it) repeat the frame before, up to HELD times.

    Raises:
        InputError: the file cannot be read, or has no picture within the sample's times.
    """
    if sample.file.suffix == ".npy":
        return np.array(_unpacked(sample, shape, fps))
    from streamer.models.transforms import fit
    from streamer.sources.file import FileSource  # libav: not where all frames are cached

    box = max(ANALYSIS_BOX, shape.width), max(ANALYSIS_BOX, shape.height)
    end_s = math.inf if sample.end_s is None else sample.end_s
    frames: list[Pixels] = []
    last: int | None = None
    try:
        for _, pts_s, pixels in FileSource(sample.file, fps, *box):
            if pts_s >= end_s:
                break
            cell = math.floor(pts_s * fps + TOLERANCE)
            if pts_s >= sample.start_s:
                missing = 0 if last is None else cell - last - 1
                frames += frames[-1:] * min(missing, HELD) + [fit(pixels, shape)]
                last = cell
    except SourceError as error:
        raise InputError(f"clip {sample.file}: {error}") from error
    if not frames:
        raise InputError(f"clip {sample.file}: no picture between {sample.start_s:g} s and {end_s:g} s")
    return np.stack(frames)


class FrameCache:
    """Decoded clips in a folder, each a file named by its content; bounded; safe to share between processes.

    Args:
        folder: made if it is missing.
        limit_bytes: what was not used for longest is deleted beyond it.
    """

    def __init__(self, folder: Path, limit_bytes: float = 20e9):
        self.folder = folder
        self._limit = limit_bytes
        self._used: set[Path] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cache {folder}: cannot be made: {error.strerror}") from error
        self._sizes = {path: path.stat().st_size for path in folder.glob("*.npy")}

    def get(self, sample: Sample, shape: Input, fps: float) -> Path:
        """The file of a clip's frames, decoded now if it is not there; `np.load` reads it.

        Raises:
            InputError: the clip cannot be read, or all that is in use does not fit into the limit.
        """
        if sample.file.suffix == ".npy":
            _unpacked(sample, shape, fps)
            return sample.file
        path = self.folder / f"{key(sample, shape, fps)}.npy"
        if not _whole(path):
            _write(path, decode(sample, shape, fps))
            self._sizes[path] = path.stat().st_size
        os.utime(path)
        self._used.add(path)
        self._shrink()
        return path

    def _shrink(self) -> None:
        total = sum(self._sizes.values())
        if total <= self._limit:
            return
        stale = [path for path in self._sizes if path not in self._used and path.exists()]
        for path in sorted(stale, key=lambda it: it.stat().st_mtime):
            path.unlink(missing_ok=True)
            total -= self._sizes.pop(path)
            if total <= self._limit:
                return
        raise InputError(
            f"cache {self.folder}: the frames of this training alone take over {self._limit / 1e9:.3g} GB; raise "
            "cache.limit_gb, or take a smaller net.width and net.height"
        )


def key(sample: Sample, shape: Input, fps: float) -> str:
    """The name of a clip's frames: what they are made of and how.

    Raises:
        InputError: the file cannot be read.
    """
    made = [_VERSION, file_hash(sample.file), sample.start_s, sample.end_s, geometry(shape), fps, ANALYSIS_BOX, HELD]
    return hashlib.sha256(json.dumps(made).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Clip:
    """A sample whose frames lie ready."""

    sample: Sample
    frames: Path
    """`np.load` gives uint8 (T, height, width, 3) RGB."""
    length: int
    """T."""


@dataclass(slots=True)
class Gathered:
    """What became of a list of samples."""

    clips: list[Clip] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Why, one line a clip that cannot be read."""


def gather(
    samples: Sequence[Sample], cache: FrameCache, shape: Input, fps: float, progress: Progress | None = None
) -> Gathered:
    """Make the frames of all samples ready; what cannot be read is skipped and counted.

    Raises:
        InputError: none can be read.
    """
    found = Gathered()
    for i, sample in enumerate(samples):
        try:
            path = cache.get(sample, shape, fps)
            found.clips.append(Clip(sample, path, len(np.load(path, mmap_mode="r"))))
        except InputError as error:
            if str(error).startswith("cache"):
                raise
            found.skipped.append(str(error))
        if progress is not None:
            progress("frames", i + 1, len(samples))
    if samples and not found.clips:
        raise InputError(f"train: none of {len(samples)} clips can be read; the first: {found.skipped[0]}")
    return found


def _unpacked(sample: Sample, shape: Input, fps: float) -> Pixels:
    made_for = sample.file.parent / PACKED
    try:
        made = json.loads(made_for.read_text())
        frames: Pixels = np.load(sample.file, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"clip {sample.file}: not from a packed folder: {error}") from error
    want = {"input": geometry(shape), "fps": fps}
    if {name: made.get(name) for name in want} != want:
        raise InputError(f"clip {sample.file}: packed for {made}, this net needs {want}; pack the clips again")
    return frames


def geometry(shape: Input) -> dict[str, object]:
    """What of an input decides over its pixels; scale, mean and std come later."""
    return {name: getattr(shape, name) for name in ("width", "height", "fit", "pad")}


def _whole(path: Path) -> bool:
    """Whether the file is there and not cut short."""
    try:
        return bool(len(np.load(path, mmap_mode="r")))
    except (OSError, ValueError, EOFError):
        return False


def _write(path: Path, frames: Pixels) -> None:
    part = path.with_name(f".{path.stem}.{os.getpid()}")
    try:
        out = open_memmap(part, mode="w+", dtype=np.uint8, shape=frames.shape)
        out[:] = frames
        out.flush()
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"cache {path.parent}: cannot be written: {error.strerror}") from error
