"""Intrusion: somebody is in a zone where nobody should be, and stays there.

The zone test is the foot point; the minimum stay keeps out those who only brush the edge, and the mean confidence of
the sightings keeps out what the detector takes for a person only now and then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from streamer.events import Event
from streamer.places import Places, Zone
from streamer.rules.dwell import Moment, Stay, Stays
from streamer.rules.rule import Judge, KnownTime, Rule
from streamer.types import NO_SCORES, Frame, Scores, Tracks

_WATCHED_STEP_S = 1.0
"""So much of the time between two frames counts as watched: people may leave in a gap, but nobody saw it; a machine
that never keeps up must still see them leave."""


class Intrusion(Rule):
    """Somebody enters a zone and stays."""

    kind: ClassVar[str] = "intrusion"

    zones: list[str] = Field(min_length=1, description="Zones to watch; each camera that runs this rule draws them.")
    min_seconds: float = Field(1.0, ge=0, description="Stay in the zone before it counts, seconds.")
    leave_seconds: float = Field(2.0, gt=0, description="Outside or unseen for this long ends it, seconds.")
    labels: list[str] = Field(["person", "motion"], description="What counts; names of the detector's classes.")
    min_confidence: float = Field(0.35, ge=0, le=1, description="Mean confidence in the zone that is asked for.")

    headless: bool = Field(
        False,
        description="Also count people who were only ever seen cut off by the top edge (steep cameras); if not, "
        "an arm that reaches into the picture raises nothing.",
    )

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return Dwelling(self, self.drawn(self.zones, places.zones, "zone"))

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"zones": self.zones}


class Dwelling(Judge):
    """Announces stays that last, and their end."""

    def __init__(self, rule: Intrusion, zones: list[Zone]):
        self._rule = rule
        self._stays = Stays(zones, rule.leave_seconds)
        self._known = KnownTime()
        self._last: tuple[float, float] | None = None
        """Capture and known time of the last known frame."""

    def judge(self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES) -> Iterator[Event]:
        """See Judge."""
        known = self._known.advance(frame.time, tracks.known)
        if not tracks.known:
            return
        counted = [i for i in range(len(tracks)) if tracks.label(i) in self._rule.labels]
        moment = self._moment(frame, known)
        present, ended = self._stays.update(moment, _some(tracks, counted))
        for stay in present:
            self._see(stay, moment)
            if not stay.announced and self._lasts(stay) and self._rule.holds_at(frame.time):
                stay.announced = True
                yield self._event("begin", frame.time, stay)
        for stay in ended:
            if stay.announced:
                yield self._event("end", frame.time, stay)
            self._forget(stay)

    def _moment(self, frame: Frame, known: float) -> Moment:
        # who is there before and after a gap was there in it; who is not there after it may have left at any time
        before, known_before = self._last or (frame.time, known)
        self._last = frame.time, known
        watched_s = min(known - known_before, _WATCHED_STEP_S)
        width, height = frame.size
        return Moment(frame.time, known, before, watched_s, width / height)

    def _see(self, stay: Stay, now: Moment) -> None:
        """Something was seen in its zone; for those who ask for more than time."""

    def _forget(self, stay: Stay) -> None:
        """A stay is over."""

    def _lasts(self, stay: Stay) -> bool:
        rule = self._rule
        # capture times are floats: 0.2 s five times over is a hair less than 1 s
        long_enough = stay.dwell_s >= rule.min_seconds - 1e-6
        whole = stay.whole or rule.headless or stay.label != "person"
        return long_enough and whole and stay.confidence >= rule.min_confidence

    def _event(self, state: str, time: float, stay: Stay) -> Event:
        return self._rule.event(
            "begin" if state == "begin" else "end",
            time,
            key=(stay.zone, stay.number),
            started=stay.entered_at,
            ended=stay.inside_at if state == "end" else None,
            zone=stay.zone,
            track_id=stay.track_id,
            label=stay.label,
            confidence=min(stay.confidence, 1.0),
            box=stay.box,
            detail={
                "dwell_s": round(stay.dwell_s, 2),
                "min_seconds": self._rule.min_seconds,
                "min_confidence": self._rule.min_confidence,
            },
        )


def _some(tracks: Tracks, indices: list[int]) -> Tracks:
    return tracks if len(indices) == len(tracks) else tracks.pick(np.array(indices, np.int64))
