"""Fall: somebody comes down fast and stays down; and `fallen`: they are still down a while later.

A fall is a head that sinks from where it was to the height of somebody who lies, faster than one lies down, and does
not come up again. Heads are followed by boxes, and by what stirs where the detector loses who falls (see `posture`). If
no box shows who lies there, the picture must: where they stood is empty now, beside it lies what did not lie there, and
nobody went out at the edge or stands so near that it may be them. What is lost among others is not judged.

Sources of the defaults: the head of somebody who falls comes down within about a second (Noury et al., 2008: 0.3 to
1 s from the loss of balance to the ground, longer with attempts to hold on), who lies down on purpose takes two to
five; of who sits on the ground, the head stays above half of the stature. What was measured: docs/models/fall.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamer.events import Event, State
from streamer.places import Places, Zone
from streamer.rules.lying import deserted, lies
from streamer.rules.path import Paths, Thing
from streamer.rules.posture import RISEN, Body, Sample, Stand, part, upright
from streamer.rules.rule import Judge, Rule
from streamer.rules.stir import Box, Mask, Stir, slices
from streamer.types import NO_SCORES, Frame, Scores, Tracks

_KEEP_S = 2.5
_WAIT_S = 1.5
"""So much longer than `min_seconds` evidence is waited for."""
_FLICK_S = 0.3
"""A head that is up for less is a box that jumped."""
_NEAR = 0.6
"""So near to each other, in own heights, two falls are one."""
_LEFT, _GONE, _GONE_S, _STILL_S = 0.4, 0.6, 3.0, 0.6
"""Share of the place that must have changed when somebody rose there (half of it will do if a box shows them); when it
is empty, and for how long. Nothing may stir for so long until a place is taken to look as it does."""
_MOST = 64


class Fall(Rule):
    """Somebody falls; somebody has fallen and is still down."""

    kind: ClassVar[str] = "fall"

    zones: list[str] = Field(
        default_factory=list, description="Where falling counts, by where they stood; the whole picture if left out."
    )
    min_seconds: float = Field(1.0, gt=0, description="Down for so long, it is a fall, seconds.")
    fallen_seconds: float = Field(3.0, gt=0, description="Still down after so long: `fallen` is told, too, seconds.")
    max_fall_seconds: float = Field(
        1.5, gt=0, description="The way down from 0.8 of the usual height takes no longer; who lies down is slower."
    )
    low_heights: float = Field(
        0.45, gt=0, lt=0.6, description="How high above the feet the head of somebody who lies is, in own heights."
    )
    end_seconds: float = Field(1.0, ge=0, description="Up again for so long ends it, seconds.")
    labels: list[str] = Field(
        ["person"],
        description="Who may fall; `motion` only where nothing but people moves, for cars sink out of sight, too.",
    )
    min_confidence: float = Field(
        0.35, ge=0, le=1, description="Mean confidence of the sightings that is asked for while they are up."
    )
    min_height: float = Field(
        0.1, gt=0, lt=1, description="Who is lower, as a fraction of the picture's height, is not judged."
    )

    def begin(self, places: Places) -> Judge:
        """See Rule."""
        return _Falls(self, self.drawn(self.zones, places.zones, "zone"), places.ignored("motion"))

    def places_needed(self) -> dict[str, list[str]]:
        """See Rule."""
        return {"zones": self.zones}


class _Falls(Judge):
    """Follows everybody's head on one camera."""

    def __init__(self, rule: Fall, zones: list[Zone], quiet: list[Zone]):
        self._rule, self._zones, self._quiet = rule, zones, quiet
        self._paths = Paths(rule.labels, 3.0, 2.0)
        self._stir = Stir()
        self._bodies: dict[int, Body] = {}
        self._hush: Mask | None = None
        self._claims: NDArray[np.int16] | None = None
        """How many boxes, a little widened, lie over each cell of this frame; None: nobody asked yet."""
        self._aspect = 1.0

    def judge(self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES) -> Iterator[Event]:
        """See Judge."""
        present, _ = self._paths.update(frame, tracks)
        if not tracks.known or not (len(self._paths) or self._bodies):
            return
        known = self._paths.known
        self._aspect = frame.size[0] / frame.size[1]
        self._stir.look(frame.pixels, known)
        self._claims = None
        seen = {thing.number: thing for thing in present}
        for thing in present:
            if thing.number not in self._bodies and self._starts(thing):
                self._bodies[thing.number] = self._body(thing, known)
        for body in list(self._bodies.values()):
            yield from self._step(body, seen, frame.time, known)

    def _starts(self, thing: Thing) -> bool:
        tall = thing.last.height >= self._rule.min_height and thing.confidence >= self._rule.min_confidence
        return tall and len(self._bodies) < _MOST and upright(thing, self._aspect) and not part(thing, self._paths)

    def _body(self, thing: Thing, known: float) -> Body:
        box, height = thing.last.box, thing.last.height
        stand = Stand(height, box, min(thing.confidence, 1.0), thing.label)
        now = Sample(known, 1.0, 1.0, thing.last.foot[0], "box", box)
        return Body(thing.number, thing.track_id, stand, (height, box[3]), now, now, known, known)

    def _step(self, body: Body, seen: dict[int, Thing], time: float, known: float) -> Iterator[Event]:
        thing = self._shown(body, seen)
        now = body.measure(thing, self._stir, lambda: self._hidden(body, thing), known, self._aspect)
        if thing is not None and thing.number == body.number:
            body.seen_at, body.track_id = known, thing.track_id
            if body.low_at is None and now is not None and body.rise(thing, known, self._aspect):
                now = now._replace(up=1.0, sure=1.0)
        if body.low_at is not None:
            yield from self._down(body, now, seen, time, known)
        elif now is not None and body.move(now, self._rule.low_heights, self._rule.max_fall_seconds, self._stir):
            assert body.low_at is not None
            body.low_time = time - (known - body.low_at)
        elif body.low_at is None and known - body.seen_at > _KEEP_S:
            del self._bodies[body.number]

    def _shown(self, body: Body, seen: dict[int, Thing]) -> Thing | None:
        """The box of this body: its own, or one of a new track that lies where it was lost."""
        own = seen.get(body.number)
        if own is not None and (own.label != "motion" or body.stand.label == "motion"):
            return own
        others = (thing for thing in seen.values() if thing.number not in self._bodies)
        return next((thing for thing in others if body.lies_in(thing, self._aspect)), None)

    def _down(
        self, body: Body, now: Sample | None, seen: dict[int, Thing], time: float, known: float
    ) -> Iterator[Event]:
        rule, low_at = self._rule, body.low_at
        assert low_at is not None
        body.looks += 1
        body.boxes += now is not None and now.source != "stir" and now.up < RISEN and body.stand.label != "motion"
        self._heed(body, now, seen, known)
        down_s = known - low_at + 1e-6
        if not body.told:
            if body.high_s(known) >= _FLICK_S or down_s > rule.min_seconds + _WAIT_S:
                body.low_at = None
            elif down_s >= rule.min_seconds and body.high_since is None:
                yield from self._confirm(body, time)
        elif self._over(body, known):
            for kind in ("fall", "fallen") if body.fallen else ("fall",):
                yield self._event("end", kind, time, body)
            del self._bodies[body.number]
        elif not body.fallen and down_s >= rule.fallen_seconds and body.high_since is None:
            body.fallen = True
            yield self._event("begin", "fallen", time, body)

    def _heed(self, body: Body, now: Sample | None, seen: dict[int, Thing], known: float) -> None:
        """Note whether the head is up, and how the place looks while somebody lies in it."""
        others = (self._bodies[number] for number in seen if number in self._bodies and number != body.number)
        if now is not None and now.up >= RISEN:
            body.high(known, now.source == "box")
        elif any(body.stands_in(other) for other in others):
            body.high(known, True)
        elif now is not None or (body.highs == 1 and known - (body.high_since or known) > _STILL_S):
            body.low()  # one look without another says nothing
        if now is not None and (now.up < RISEN or now.source == "box"):
            body.last = now  # what stirs above who lies may be somebody else
        if now is not None and now.stirs:
            body.stirred_at = known
        if body.high_since is None and known - body.stirred_at >= _STILL_S:
            body.settle(self._stir.now)

    def _over(self, body: Body, known: float) -> bool:
        """Whether somebody who had fallen is up again, or gone."""
        changed = deserted(body, self._stir)
        high = body.high_s(known) >= self._rule.end_seconds - 1e-6 and body.high_since is not None
        if high:
            return body.high_box if changed is None else changed >= (_LEFT / 2 if body.high_box else _LEFT)
        if changed is None or changed < _GONE or known - body.stirred_at < _STILL_S:
            body.empty_since = None
            return False
        body.empty_since = known if body.empty_since is None else body.empty_since
        return known - body.empty_since >= _GONE_S

    def _confirm(self, body: Body, time: float) -> Iterator[Event]:
        if self._rule.holds_at(time) and self._zone(body) is not None and not self._twice(body):
            evidence = lies(body, self._stir, self._paths, self._aspect)
            if evidence:
                body.told = True
                yield self._event("begin", "fall", time, body, evidence)

    def _twice(self, body: Body) -> bool:
        """Whether somebody has fallen here already: another box of the same person."""
        reach = _NEAR * body.stand.height
        told = (other for other in self._bodies.values() if other.told and other is not body)
        return any(
            abs(other.last.x - body.last.x) * self._aspect < max(reach, _NEAR * other.stand.height) for other in told
        )

    def _zone(self, body: Body) -> str | None:
        """The zone that they stood in; empty for the whole picture, None outside of all."""
        if not self._zones:
            return ""
        x1, _, x2, foot = body.stand.box
        return next((zone.name for zone in self._zones if zone.contains(np.array([[(x1 + x2) / 2, foot]]))[0]), None)

    def _hidden(self, body: Body, shown: Thing | None) -> Mask:
        """Cells that belong to others than this body, or that masks leave out."""
        assert self._stir.mask is not None
        shape = self._stir.mask.shape
        if self._claims is None:  # once a frame, not once for everybody
            self._claims = np.zeros(shape, np.int16)
            for thing in self._paths:
                if thing.label != "motion" and thing.away_s <= 0.5:
                    self._claims[_claimed(thing, shape)] += 1
        counts = self._claims.copy()
        for thing in self._paths:
            mine = thing.number == body.number or thing is shown
            if mine and thing.label != "motion" and thing.away_s <= 0.5:
                counts[_claimed(thing, shape)] -= 1
        hidden: Mask = (counts > 0) | self._ignored(shape)
        return hidden

    def _ignored(self, shape: tuple[int, ...]) -> Mask:
        if self._hush is None or self._hush.shape != shape:
            rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
            points = np.stack([(columns.ravel() + 0.5) / shape[1], (rows.ravel() + 0.5) / shape[0]], axis=1)
            hush = np.zeros(len(points), bool)
            for zone in self._quiet:
                hush |= zone.contains(points)
            self._hush = hush.reshape(shape)
        return self._hush

    def _event(self, state: State, kind: str, time: float, body: Body, evidence: dict[str, Any] | None = None) -> Event:
        rule, stand = self._rule, body.stand
        detail: dict[str, Any] = {
            "drop_s": round(body.drop_s, 2),
            "max_fall_seconds": rule.max_fall_seconds,
            "head_heights": round(body.last.up, 2),
            "low_heights": rule.low_heights,
            "min_seconds": rule.min_seconds if kind == "fall" else rule.fallen_seconds,
            **(evidence or {}),
        }
        event = rule.event(
            state,
            time,
            key=(body.number,),
            started=body.low_time,
            zone=self._zone(body) or None,
            track_id=body.track_id,
            label=stand.label,
            confidence=stand.confidence,
            box=_clipped(body.last.place),
            detail=detail,
        )
        return replace(event, kind=kind)


def _claimed(thing: Thing, shape: tuple[int, ...]) -> tuple[slice, slice]:
    x1, y1, x2, y2 = thing.last.box
    wide, high = (x2 - x1) * 0.1, (y2 - y1) * 0.1
    return slices((x1 - wide, y1 - high, x2 + wide, y2 + high), shape)


def _clipped(box: Box) -> Box:
    x1, y1, x2, y2 = (min(max(float(value), 0.0), 1.0) for value in box)
    return x1, y1, x2, y2
