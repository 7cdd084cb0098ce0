"""The values that travel from camera to rule: frames, detections, tracks.

Frozen, checked once at construction, passed whole. Boxes are fractions of the frame (x1, y1, x2, y2 in 0..1), so that
zones, events and models of any size agree; pixels appear only inside models and rendering.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SlotRef:
    """Where the pixels of a live frame lie in shared memory."""

    pool: int
    """Number of the slot pool (one a camera and reader generation)."""
    slot: int
    """Index of the slot in its pool."""
    generation: int
    """How often this slot was filled; a worker refuses a slot that has moved on."""


Aspect = Literal["red", "amber", "green", "unknown"]
"""What a traffic signal shows."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time in which a signal certainly showed one thing."""

    aspect: Aspect
    since: float
    """First moment that is vouched for, capture time in seconds."""
    until: float
    """Last moment that is vouched for."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What is known of one traffic signal when a frame was captured."""

    aspect: Aspect = "unknown"
    since: float = 0.0
    """Since when, capture time in seconds."""
    reason: str = ""
    """Why it is unknown, a word: silent, late, future, stuck, ...; empty when it is known."""
    source: str = ""
    """Who says so: feed, lamp or both."""
    phases: tuple[Phase, ...] = ()
    """The last phases that are vouched for, oldest first; the last one may reach on, but nobody can say so yet."""

    def shows(self, aspect: Aspect, start: float, end: float) -> bool:
        """Whether it certainly showed this, without a break, from one capture time to another."""
        return any(p.aspect == aspect and p.since <= start and p.until >= end for p in self.phases)

    @property
    def vouched_until(self) -> float:
        """The last moment of which anything is certain, capture time in seconds; minus infinity if none is."""
        return self.phases[-1].until if self.phases else -math.inf


NO_SIGNALS: Mapping[str, Signal] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One analysed picture of one camera."""

    camera: str
    session: int
    """Number of the connection, from 1; times and models of different sessions do not connect."""
    index: int
    """Ordinal of this analysed frame in its session, from 0."""
    time: float
    """Capture time in seconds: since 1970 UTC when live, since the video's start in replay."""
    captured_at: float
    """Capture time on this machine's CLOCK_MONOTONIC (live), or `time` (replay)."""
    pixels: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB at analysis size. Live it is a view of shared memory that is reused once the pipeline asks
    for the next frame: copy what must live longer."""
    pts: float = 0.0
    """Presentation time of the source in seconds, as the source counts."""
    gap_s: float = 0.0
    """Seconds without an analysed frame before this one, where that was longer than the sampling period explains."""
    slot: SlotRef | None = None
    """Set for live frames only."""
    signals: Mapping[str, Signal] = field(default_factory=lambda: NO_SIGNALS)
    """Traffic signals that the camera's rules ask for, by name, as they were at `time`."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of `pixels`."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a detector saw in one frame, as a struct of arrays of equal length n."""

    boxes: Floats
    """float32 (n, 4), x1, y1, x2, y2 as fractions of the frame."""
    confidence: Floats
    """float32 (n,), 0..1."""
    label_ids: Ints
    """int64 (n,), indices into `labels`."""
    labels: tuple[str, ...]
    """Names of the model's classes."""
    known: bool = True
    """False: the answer never came (timeout, dead worker). Then nothing may be concluded: tracks freeze."""

    def __post_init__(self) -> None:
        n = len(self.boxes)
        if self.boxes.shape != (n, 4) or self.confidence.shape != (n,) or self.label_ids.shape != (n,):
            raise ValueError(
                f"Detections: shapes must be (n, 4), (n,), (n,), got {self.boxes.shape}, {self.confidence.shape}, "
                f"{self.label_ids.shape}"
            )

    def __len__(self) -> int:
        return len(self.boxes)

    def pick(self, mask: NDArray[Any]) -> Detections:
        """The detections that a boolean mask or an index array selects."""
        return Detections(self.boxes[mask], self.confidence[mask], self.label_ids[mask], self.labels, self.known)

    def label(self, i: int) -> str:
        """The class name of detection i."""
        return self.labels[int(self.label_ids[i])]

    @staticmethod
    def empty(labels: tuple[str, ...] = ()) -> Detections:
        """Nothing was seen."""
        return Detections(_no_boxes(), np.zeros(0, np.float32), np.zeros(0, np.int64), labels)

    @staticmethod
    def unknown(labels: tuple[str, ...] = ()) -> Detections:
        """Nobody knows what was to be seen."""
        return Detections(_no_boxes(), np.zeros(0, np.float32), np.zeros(0, np.int64), labels, known=False)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The things that are followed in one frame; same arrays as Detections, plus who they are."""

    boxes: Floats
    """float32 (n, 4), fractions of the frame."""
    confidence: Floats
    """float32 (n,)."""
    label_ids: Ints
    """int64 (n,)."""
    track_ids: Ints
    """int64 (n,), unique within one `watch` of one camera, from 1."""
    ages_s: Floats
    """float32 (n,), seconds since the track was first seen."""
    labels: tuple[str, ...] = ()
    known: bool = True
    """False: the detector's answer is missing; boxes are those of the last answer, and time must not be counted."""
    unseen_s: Floats | None = None
    """float32 (n,), known seconds since the detector last saw each; 0 is now. None: all are seen now."""

    def __len__(self) -> int:
        return len(self.boxes)

    def label(self, i: int) -> str:
        """The class name of track i."""
        return self.labels[int(self.label_ids[i])]

    def pick(self, mask: NDArray[Any]) -> Tracks:
        """The tracks that a boolean mask or an index array selects."""
        return Tracks(
            self.boxes[mask],
            self.confidence[mask],
            self.label_ids[mask],
            self.track_ids[mask],
            self.ages_s[mask],
            self.labels,
            self.known,
            None if self.unseen_s is None else self.unseen_s[mask],
        )

    def seen(self) -> Tracks:
        """Those that the detector saw in this very frame."""
        if self.unseen_s is None or not self.unseen_s.any():
            return self
        return self.pick(self.unseen_s == 0.0)

    @staticmethod
    def empty(labels: tuple[str, ...] = (), known: bool = True) -> Tracks:
        """Nobody is followed."""
        none = np.zeros(0, np.int64)
        return Tracks(_no_boxes(), np.zeros(0, np.float32), none, none, np.zeros(0, np.float32), labels, known)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a behaviour model says about one frame."""

    values: Floats
    """float32 (n,), one a label, 0..1."""
    labels: tuple[str, ...]
    known: bool = True
    """False: the answer never came."""
    warm: bool = True
    """False: the model's receptive field is not filled yet; nothing may be concluded from the values."""
    detail: dict[str, Any] = field(default_factory=dict)
    """``reset``: why the model's memory of this camera began anew with this very frame, a word."""
    thresholds: Mapping[str, float] = field(default_factory=lambda: _NO_THRESHOLDS)
    """By label, the operating point that was measured for the model (from its card)."""

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.labels),):
            raise ValueError(f"Scores: {len(self.labels)} labels need as many values, got shape {self.values.shape}")

    def __getitem__(self, label: str) -> float:
        return float(self.values[self.labels.index(label)])

    @property
    def telling(self) -> bool:
        """Whether anything may be concluded from the values."""
        return self.known and self.warm

    @staticmethod
    def unknown(labels: tuple[str, ...] = (), thresholds: Mapping[str, float] | None = None) -> Scores:
        """Nobody knows what was to be seen."""
        none = np.zeros(len(labels), np.float32)
        return Scores(none, labels, known=False, warm=False, thresholds=thresholds or _NO_THRESHOLDS)


Answer = Detections | Scores
"""What a model says about a frame."""
NO_SCORES: Mapping[str, Scores] = MappingProxyType({})
"""The scores of a pipeline that asks no behaviour model."""
_NO_THRESHOLDS: Mapping[str, float] = MappingProxyType({})


def _no_boxes() -> Floats:
    return np.zeros((0, 4), np.float32)
