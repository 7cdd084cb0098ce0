"""`streamer bench --compare-clip`: one behaviour model streamed, and the same model over sliding clips.

All in one run on one thread, so that the ratios hold on any machine. Time is processor time: what else the machine does
is not charged. An ONNX model streams through the very object that the worker runs; a safetensors model, which is for
training, through `step` of its net, and its clips through `forward`. Scaling to the net is included, once a frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError
from streamer.inference.loaded import load
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import ModelSpec
from streamer.models.card import Card
from streamer.models.transforms import fit
from streamer.training.figures import Figures, clip_figures, clip_score
from streamer.training.frames import decode
from streamer.training.samples import Sample, read_samples
from streamer.training.sliding import Answer, sliding, streaming, windows
from streamer.training.stream import behaviour_card, stream_samples

HOPS = (1, 8, 16)
"""Frames from one clip to the next: every frame, half the usual window, the whole of it."""
WINDOW = 16
"""Frames of a clip where the model needs no more: what clip models usually see."""
BATCH = 8
_FRAME = (234, 416)  # height and width of a 16:9 picture at analysis size
_LEAST_S = 1.0  # of processor time that is spent on each figure
_GOAL_FPS = 5.0

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run the model."""

    way: str
    hop: int
    """Frames between two answers."""
    ms: float
    """CPU milliseconds an answer of one camera, without bringing frames to the net's size."""
    camera_ms: float
    """CPU milliseconds a camera-second at the model's own rate, with that."""
    cameras: float
    """Cameras a core at that rate."""
    cameras_5: float
    """The same, were it fed 5 frames a second."""
    times: float
    """Cost a camera, in streaming ones of a single camera."""
    accuracy: float | None = None
    auroc: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All ways."""

    model: str
    fps: float
    window: int
    """Frames of a clip."""
    clips: int
    """That accuracy was measured on; 0: none."""
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = [
            {name: round(v, 4) if isinstance(v, float) else v for name, v in asdict(it).items()} for it in self.rows
        ]
        about = {"model": self.model, "fps": self.fps, "window_frames": self.window, "clips": self.clips}
        return {**about, "threads": 1, "ways": rows}

    def to_text(self) -> str:
        """A table."""
        about = (
            f"{self.model}: {self.fps:g} frames a second, clips of {self.window} frames ({self.window / self.fps:g} s)"
        )
        told = f"; accuracy on {self.clips} clips" if self.clips else "; no --data, no accuracy"
        head = (
            f"{'one thread, CPU time':<34}{'accuracy':>9}{'auroc':>7}{'answer every':>14}{'ms an answer':>14}"
            f"{'ms/camera-s':>13}{'cameras/core':>14}{'at 5 fps':>10}{'cost':>8}"
        )
        lines = [about + told, head]
        for row in self.rows:
            figures = [("-" if it is None else f"{it:.3f}") for it in (row.accuracy, row.auroc)]
            lines.append(
                f"{row.way:<34}{figures[0]:>9}{figures[1]:>7}{row.hop / self.fps:>12.2f} s{row.ms:>14.2f}"
                f"{row.camera_ms:>13.1f}{row.cameras:>14.1f}{row.cameras_5:>10.1f}{row.times:>7.2f}x"
            )
        return "\n".join(lines)


def compare(file: Path, data: Path | None = None, label: str | None = None, limit: int | None = None) -> Comparison:
    """Measure all ways to run a model.

    Args:
        file: a behaviour model, safetensors or ONNX.
        data: labeled clips; None: only costs are measured.
        label: of the clips that are positive; default: the model's last.
        limit: no more than so many clips of each label.

    Raises:
        InputError: no clips, or none of the label.
        ModelError: the model cannot be run.
    """
    card = behaviour_card(file)
    assert card.fps is not None
    length = max(WINDOW, card.warm_frames)
    samples = [] if data is None else _some(read_samples(data), limit)
    positive = label or card.labels[-1]
    if samples and positive not in {it.label for it in samples}:
        raise InputError(f"bench: no clip of {data} has the label {positive!r}; --label says which one is looked for")
    answer = sliding(file, card)
    frames = np.random.default_rng(0).integers(0, 256, (length, *_FRAME, 3), np.uint8)
    fitted = np.stack([fit(frame, card.input) for frame in frames])
    fit_ms = _cpu_ms(lambda: fit(frames[0], card.input))
    whole = {batch: _stream_ms(file, card, frames, batch) for batch in (1, BATCH)}
    clip_ms = _cpu_ms(lambda: answer(fitted))
    streamed, slid = _accuracies(file, card, samples, positive, (answer, length))
    rows = []
    for batch, ms in whole.items():
        way = "streaming" if batch == 1 else f"streaming, {batch} cameras a batch"
        rows.append(_row(way, 1, (max(ms - fit_ms, 0.0), ms), (card.fps, whole[1]), streamed))
    for hop in HOPS:
        cost = clip_ms / hop + fit_ms
        rows.append(_row(f"sliding clips, hop {hop}", hop, (clip_ms, cost), (card.fps, whole[1]), slid.get(hop)))
    return Comparison(file.name, card.fps, length, len(samples), tuple(rows))


def _row(way: str, hop: int, ms: tuple[float, float], base: tuple[float, float], figures: Figures | None) -> Row:
    """`ms` an answer and a frame, `base` the rate and streaming's cost a frame."""
    answer_ms, frame_ms = ms
    fps, least = base
    accuracy, auroc = (None, None) if figures is None else (figures.accuracy, figures.auroc)
    cores = 1000 / frame_ms
    return Row(way, hop, answer_ms, frame_ms * fps, cores / fps, cores / _GOAL_FPS, frame_ms / least, accuracy, auroc)


def _stream_ms(file: Path, card: Card, frames: Pixels, batch: int) -> float:
    """CPU milliseconds a frame and camera, as the worker runs it."""
    if file.suffix == ".safetensors":
        step = streaming(file, card, batch)
        size = card.input
        return _cpu_ms(lambda: step(np.stack([fit(frames[i % len(frames)], size) for i in range(batch)]))) / batch
    loaded = load(ModelSpec("bench", file), card, Plan("onnxruntime", threads=1, batch=batch, reason="bench"))
    try:
        loaded.warm_up()
        at = 0
        assert card.fps is not None
        period_s = 1 / card.fps

        def turn() -> None:
            nonlocal at
            loaded.run([Picture(f"camera {i}", 1, at * period_s, frames[at % len(frames)]) for i in range(batch)])
            at += 1

        return _cpu_ms(turn) / batch
    finally:
        loaded.close()


def _cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds a call: the median of calls that together take a while."""
    spent: list[float] = []
    for _ in range(3):
        work()
    while sum(spent) < _LEAST_S or len(spent) < 5:
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return float(np.median(spent)) * 1000


def _accuracies(
    file: Path, card: Card, samples: Sequence[Sample], positive: str, how: tuple[Answer, int]
) -> tuple[Figures | None, dict[int, Figures]]:
    """Figures of streaming, and of sliding clips by hop."""
    if not samples:
        return None, {}
    answer, length = how
    at, threshold = card.labels.index(positive), float(card.thresholds.get(positive, 0.5))
    assert card.fps is not None
    trained = file.suffix == ".safetensors"
    found = None if trained else stream_samples(file, samples)
    kept = list(samples) if found is None else found.samples
    truth = np.array([it.label == positive for it in kept], np.int64)
    sources = [it.source for it in kept]
    scores = [] if found is None else [clip_score(it.scores[:, at], it.warm) for it in found.scored]
    slid: dict[int, list[float]] = {hop: [] for hop in HOPS}
    for sample in kept:
        frames = decode(sample, card.input, card.fps)
        if trained:
            step = streaming(file, card)
            steps = [float(step(frame[None])[0, at]) for frame in frames]
            scores.append(clip_score(steps, np.arange(len(steps)) >= card.warm_frames - 1))
        # windows of hop 1 contain those of all other hops
        every = {span: float(answer(frames[slice(*span)])[at]) for span in windows(len(frames), length, 1)}
        for hop in HOPS:
            said = [every[span] for span in windows(len(frames), length, hop)]
            slid[hop].append(clip_score(said, np.ones(len(said), bool)))
    streamed = clip_figures(truth, scores, sources, threshold)
    return streamed, {hop: clip_figures(truth, them, sources, threshold) for hop, them in slid.items()}


def _some(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """The first of each label, spread over the list."""
    if limit is None:
        return list(samples)
    found: list[Sample] = []
    for label in dict.fromkeys(it.label for it in samples):
        ours = [it for it in samples if it.label == label]
        picked = np.unique(np.linspace(0, len(ours) - 1, min(limit, len(ours))).round().astype(int))
        found += [ours[i] for i in picked]
    return found
