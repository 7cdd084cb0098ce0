"""Following things from frame to frame: ByteTrack of the `trackers` library, wrapped so that all is in seconds.

Called by pipelines, one tracker per `watch`. The library does association and motion; this wrapper gives it real time
stamps (so that any and changing frame rates behave alike), keeps ages and last positions, freezes on `unknown`
answers instead of ageing tracks, and carries a thing through short misses of the detector. No I/O; engine process.

Source: Zhang et al., ByteTrack, ECCV 2022 (two-stage association by confidence); parameters below are ours, tuned for
2-10 analysed frames a second of fixed cameras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from streamer.types import Detections, Tracks


class TrackerSettings(BaseModel):
    """How things are followed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lost_seconds: float = Field(2.0, ge=0, description="How long a thing may go unseen and keep its number, seconds.")
    coast_seconds: float = Field(0.5, ge=0, description="How long an unseen thing is still reported, seconds.")
    start_confidence: float = Field(0.35, ge=0, le=1, description="Confidence that starts a track.")
    high_confidence: float = Field(0.3, ge=0, le=1, description="Confidence matched first; lower boxes only continue.")
    min_iou: float = Field(0.1, ge=0, le=1, description="Overlap of prediction and box that makes them one thing.")


@dataclass(slots=True)
class _Seen:
    first_at: float
    last_at: float
    box: Any
    confidence: float
    label_id: int


class Tracker:
    """Gives each thing a number that stays with it."""

    def __init__(self, settings: TrackerSettings | None = None):
        self._settings = settings or TrackerSettings()
        self._library = _byte_track(self._settings)
        self._seen: dict[int, _Seen] = {}
        self._last = Tracks.empty()
        self._last_at: float | None = None
        self._frozen_s = 0.0

    def update(self, detections: Detections, time: float) -> Tracks:
        """The tracks after this frame.

        Args:
            detections: of this frame; `unknown` ones freeze all tracks.
            time: capture time in seconds; must not go back.

        Returns:
            The things seen now, or unseen for at most `coast_seconds`; frozen copies of the last ones when unknown.
        """
        if not detections.known:
            if self._last_at is not None:
                # what nobody watched must not age a track: the library's clock stops meanwhile
                self._frozen_s += time - self._last_at
                self._last_at = time
            return _frozen(self._last)
        self._last_at = time
        now = time - self._frozen_s
        self._associate(detections, now, time)
        self._forget(time)
        self._last = self._tracks(time, detections.labels)
        return self._last

    def _associate(self, detections: Detections, now: float, time: float) -> None:
        import supervision

        scale = np.float32(1000.0)  # the library's Kalman noise is in pixels: a 1000-pixel square stands for the frame
        found = self._library.update(
            supervision.Detections(
                xyxy=detections.boxes * scale,
                confidence=detections.confidence,
                class_id=detections.label_ids,
            ),
            timestamp=now,
        )
        if found.tracker_id is None:
            return
        for box, confidence, label_id, track_id in zip(
            found.xyxy, found.confidence, found.class_id, found.tracker_id, strict=True
        ):
            if track_id < 0:
                continue
            known = self._seen.get(int(track_id))
            first_at = time if known is None else known.first_at
            self._seen[int(track_id)] = _Seen(first_at, time, box / scale, float(confidence), int(label_id))

    def _forget(self, time: float) -> None:
        gone = [track_id for track_id, seen in self._seen.items() if time - seen.last_at > self._settings.lost_seconds]
        for track_id in gone:
            del self._seen[track_id]

    def _tracks(self, time: float, labels: tuple[str, ...]) -> Tracks:
        coast_s = self._settings.coast_seconds
        rows = sorted((i, seen) for i, seen in self._seen.items() if time - seen.last_at <= coast_s)
        if not rows:
            return Tracks.empty(labels)
        return Tracks(
            np.array([seen.box for _, seen in rows], np.float32).reshape(-1, 4),
            np.array([seen.confidence for _, seen in rows], np.float32),
            np.array([seen.label_id for _, seen in rows], np.int64),
            np.array([i + 1 for i, _ in rows], np.int64),
            np.array([time - seen.first_at for _, seen in rows], np.float32),
            labels,
        )


def _byte_track(settings: TrackerSettings) -> Any:
    from trackers import ByteTrackTracker

    return ByteTrackTracker(
        lost_track_buffer=round(settings.lost_seconds * 30),  # the library counts in frames of 30 a second
        frame_rate=5.0,  # only its first step: later ones use the time stamps
        track_activation_threshold=settings.start_confidence,
        minimum_consecutive_frames=1,
        minimum_iou_threshold=settings.min_iou,
        high_conf_det_threshold=settings.high_confidence,
    )


def _frozen(tracks: Tracks) -> Tracks:
    return Tracks(
        tracks.boxes, tracks.confidence, tracks.label_ids, tracks.track_ids, tracks.ages_s, tracks.labels, known=False
    )
