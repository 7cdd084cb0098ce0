"""How light it was when: figures of a site by night, dusk and day, on the same replay.

A second pipeline beside the camera's own measures every analyzed frame; what is wrong only in the dark is then seen in
the figures instead of vanishing in their mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from streamer.camera import Camera
from streamer.evaluation.figures import Figures, scored_seconds
from streamer.evaluation.matching import Pairs
from streamer.evaluation.truth import Ignored
from streamer.events import Event
from streamer.pipeline import Pipeline
from streamer.readings import Reading
from streamer.training.light import BUCKETS, bucket, luma

WINDOW_S = 10.0
"""Luma is averaged over so long: a headlight is no day."""


class Daylight(Pipeline):
    """Measures how light the frames of one camera are, and asks no model."""

    found: dict[float, float] = {}
    """Mean luma 0..255 by capture time."""

    async def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
        """See Pipeline."""
        async for frame in camera.frames():
            self.found[frame.time] = luma(frame.pixels)
            yield Reading("luma", "picture", self.found[frame.time])

    def timeline(self, seconds: float) -> Timeline:
        """The buckets of a video so long."""
        windows: dict[int, list[float]] = defaultdict(list)
        for time, value in self.found.items():
            windows[int(time // WINDOW_S)].append(value)
        return Timeline({at: bucket(sum(them) / len(them)) for at, them in windows.items()}, seconds)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Which bucket of light a camera was in."""

    windows: Mapping[int, str]
    """By number of the window."""
    seconds: float

    def at(self, time: float) -> str:
        """The bucket at a capture time; of the last window that was measured before, where there is none."""
        number = int(time // WINDOW_S)
        before = [at for at in self.windows if at <= number]
        return self.windows[max(before)] if before else self.windows[min(self.windows)]

    def scored_seconds(self, camera: str, kind: str, ignored: Iterable[Ignored]) -> dict[str, float]:
        """Seconds in which a kind is scored, by bucket."""
        found = dict.fromkeys(BUCKETS, 0.0)
        rows = list(ignored)
        start = 0.0
        while start < self.seconds:
            end = min(start + WINDOW_S, self.seconds)
            before, until = (scored_seconds(camera, t, kind, rows) for t in (start, end))
            found[self.at(start)] += until - before
            start = end
        return found


def by_light(figures: Figures, lines: Mapping[str, Timeline], ignored: Iterable[Ignored]) -> dict[str, Figures]:
    """The same figures for each bucket that there was any of, from dark to light.

    Args:
        figures: of one kind, over all cameras.
        lines: by camera.
        ignored: stretches that are not scored.
    """
    pairs, hours = {name: Pairs() for name in BUCKETS}, dict.fromkeys(BUCKETS, 0.0)
    rows = list(ignored)
    for camera, line in lines.items():
        for name, seconds in line.scored_seconds(camera, figures.kind, rows).items():
            hours[name] += seconds / 3600.0
    for one, event in figures.pairs.hits:
        pairs[lines[one.camera].at(one.start)].hits.append((one, event))
    for one in figures.pairs.missed:
        pairs[lines[one.camera].at(one.start)].missed.append(one)
    for event in figures.pairs.false:
        pairs[lines[event.camera].at(event.time)].false.append(event)
    return {name: Figures(figures.kind, pairs[name], hours[name]) for name in BUCKETS if hours[name] > 0}
