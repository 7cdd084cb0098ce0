"""A behaviour model over recordings, the way it runs live: frame by frame, with the memory that the worker keeps.

Frames come from the file source of replay, answers from `LocalModels`, which holds the very object that the worker
holds: what is measured here is what runs. Each clip is a camera of its own, several share a batch, as cameras do; all
advance in ticks, so that a result repeats to the last bit. Used by evaluation, tuning and the bench.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError, ModelError, SourceError
from streamer.inference.local import LocalModels
from streamer.inference.settings import InferenceSettings, ModelSpec
from streamer.models.card import Card, load_card
from streamer.models.registry import MOTION, resolve
from streamer.sources.file import FileSource
from streamer.training.light import luma
from streamer.training.samples import Sample
from streamer.types import Frame, Scores

ANALYSIS_BOX = 416
"""Pixels; live frames are scaled into a square at least so large, for the usual detector beside the model."""
LANES = 8
"""Clips that advance together."""

Pixels = NDArray[np.uint8]
Timed = tuple[float, Pixels]
"""Capture time in seconds, and uint8 (H, W, 3) RGB."""
Progress = Callable[[int, int], None]
"""Told how many clips are done, of how many."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a model said of a clip, frame by frame: T frames, L labels."""

    times: NDArray[np.float64]
    """(T,) capture times in seconds from the file's start."""
    scores: NDArray[np.float32]
    """(T, L) probabilities."""
    warm: NDArray[np.bool_]
    """(T,) whether the scores may be believed."""
    light: NDArray[np.float32]
    """(T,) mean luma 0..255."""

    @property
    def seconds(self) -> float:
        """Length of what was watched: from the first frame to the last, and one period."""
        if len(self.times) < 2:
            return 0.0
        return float(self.times[-1] - self.times[0]) * len(self.times) / (len(self.times) - 1)


@dataclass(slots=True)
class Streamed:
    """What became of a list of samples."""

    samples: list[Sample] = field(default_factory=list)
    """Those that could be read, in order."""
    scored: list[Scored] = field(default_factory=list)
    """One each."""
    skipped: list[str] = field(default_factory=list)
    """Why, one line a clip that cannot be read."""


def behaviour_file(name: str) -> Path:
    """The file of a behaviour model, by name or path. Raises ModelError if there is none."""
    found = resolve(name, Path())
    if found == MOTION:
        raise ModelError(f"model {name!r} is the built-in detector; a behaviour model is needed here")
    return Path(found)


def behaviour_card(file: Path) -> Card:
    """The card of a behaviour model. Raises ModelError if it is none, or does not say at which rate it was trained."""
    card = load_card(file, "behaviour")
    if card.fps is None:
        raise ModelError(f"model {file}: its card does not say at which fps it was trained")
    return card


def stream_samples(
    file: Path, samples: Sequence[Sample], fps: float | None = None, progress: Progress | None = None
) -> Streamed:
    """Run a model over samples; what cannot be read is skipped and said.

    Args:
        file: the model.
        samples: stretches of video files.
        fps: frames a second that are analyzed; default: those of the model's card.
        progress: told after each group of clips.

    Raises:
        ModelError: the model cannot be used.
        InputError: no clip can be read.
    """
    rate = behaviour_card(file).fps if fps is None else fps
    assert rate is not None
    return asyncio.run(_stream_samples(file, samples, rate, progress))


async def _stream_samples(file: Path, samples: Sequence[Sample], fps: float, progress: Progress | None) -> Streamed:
    found = Streamed()
    spec = ModelSpec("behaviour", file)
    async with LocalModels([spec], InferenceSettings(max_batch_size=LANES)) as models:
        box = models.input_size(spec.name)
        size = max(box[0], ANALYSIS_BOX), max(box[1], ANALYSIS_BOX)
        for begin in range(0, len(samples), LANES):
            group = samples[begin : begin + LANES]
            frames = [frames_of(sample, fps, size) for sample in group]
            answers = await stream(models, spec.name, frames, begin)
            for sample, answer in zip(group, answers, strict=True):
                if isinstance(answer, Scored):
                    found.samples.append(sample)
                    found.scored.append(answer)
                else:
                    found.skipped.append(str(answer))
            if progress is not None:
                progress(min(begin + LANES, len(samples)), len(samples))
    if samples and not found.samples:
        raise InputError(f"none of {len(samples)} clips can be read; the first: {found.skipped[0]}")
    return found


def frames_of(sample: Sample, fps: float, size: tuple[int, int]) -> Iterator[Timed]:
    """The frames of a sample as live would have sampled and scaled them.

    Raises:
        InputError: while iterating: the file cannot be read, or has no picture within the sample's times.
    """
    end_s = math.inf if sample.end_s is None else sample.end_s
    count = 0
    try:
        for _, time, pixels in FileSource(sample.file, fps, *size):
            if time >= end_s:
                break
            if time >= sample.start_s:
                count += 1
                yield time, pixels
    except SourceError as error:
        raise InputError(f"clip {sample.file}: {error}") from error
    if not count:
        raise InputError(f"clip {sample.file}: no picture between {sample.start_s:g} s and {end_s:g} s")


async def stream(
    models: LocalModels, name: str, clips: Sequence[Iterator[Timed]], first: int = 0
) -> list[Scored | InputError]:
    """Run a model over several clips at once, one frame of each a tick.

    Args:
        models: entered.
        name: of the model among them.
        clips: times and pictures of each, which are drawn in threads.
        first: number of the first clip: no two clips of a run may be the same camera to the model.

    Returns:
        One for each clip; an error for one that could not be read.

    Raises:
        ModelError: the model fails.
    """
    lanes = [_Lane(f"clip {first + i}", frames) for i, frames in enumerate(clips)]
    running = list(lanes)
    while running:
        await asyncio.gather(*(asyncio.to_thread(lane.draw) for lane in running))
        running = [lane for lane in running if lane.frame is not None]
        answers = await asyncio.gather(*(models.ask(name, lane.frame) for lane in running if lane.frame is not None))
        for lane, answer in zip(running, answers, strict=True):
            if not isinstance(answer, Scores):
                raise ModelError(f"model {name!r} finds things in pictures; a behaviour model is needed here")
            lane.keep(answer)
    return [lane.result() for lane in lanes]


class _Lane:
    """One clip on its way through the model."""

    def __init__(self, camera: str, frames: Iterator[Timed]):
        self.frame: Frame | None = None
        self._camera = camera
        self._frames = frames
        self._failed: InputError | None = None
        self._kept: list[tuple[float, NDArray[np.float32], bool, float]] = []

    def draw(self) -> None:
        """Decode the next frame; none at the end."""
        try:
            drawn = next(self._frames, None)
        except InputError as error:
            self._failed, drawn = error, None
        if drawn is None:
            self.frame = None
        else:
            time, pixels = drawn
            self.frame = Frame(self._camera, 1, len(self._kept), time, time, pixels, time)

    def keep(self, answer: Scores) -> None:
        """Remember what was said of the frame."""
        assert self.frame is not None
        self._kept.append((self.frame.time, answer.values.copy(), answer.warm, luma(self.frame.pixels)))

    def result(self) -> Scored | InputError:
        """All that was said, or why nothing could be."""
        if self._failed is not None:
            return self._failed
        if not self._kept:
            return InputError(f"{self._camera}: has no frames")
        times, scores, warm, light = zip(*self._kept, strict=True)
        return Scored(np.array(times), np.stack(scores), np.array(warm, bool), np.array(light, np.float32))
