"""What really happens in recordings, as a person wrote it down, and whether that fits the site.

The form is a public contract (docs/evaluation.md). All faults are told at once, one line each, with the place where
they stand. Made by `truthfile`; pure values, no I/O.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from streamer.errors import ConfigError
from streamer.events import KINDS
from streamer.faults import nearest
from streamer.places import Places

_SLACK_S = 1.0
"""A container's length is an estimate, and the last frame is a period before the end."""


class Row(BaseModel):
    """What all rows have: where and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    camera: str = Field(min_length=1, description="Name of the camera in the site file.")
    zone: str | None = Field(None, description="Name of the zone or lane; left out: any.")
    line: str | None = Field(None, description="Name of the line; left out: any.")
    start: FiniteFloat = Field(0.0, ge=0, description="Seconds from the video's start.")
    end: FiniteFloat | None = Field(None, description="Seconds from the video's start.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError(f"ends before it begins: start {self.start:g}, end {self.end:g}")
        return self


class TrueEvent(Row):
    """Something that happens; without `end` it is over at once."""

    kind: str = Field(min_length=1, description="As in the events file.")
    start: FiniteFloat = Field(ge=0, description="When it is due to be told, seconds from the video's start.")
    label: str | None = Field(None, description="Class of the thing; left out: any.")
    direction: str | None = Field(None, description="forward, backward, ...; left out: any.")


class TrueCount(Row):
    """How many there are of something that is counted, from `start` to `end` (left out: the whole video)."""

    kind: str = Field(min_length=1, description="Kind of the reading or event that counts.")
    place: str | None = Field(None, description="Name of what is counted, if it is no zone and no line: a movement.")
    count: int = Field(ge=0, description="How many.")
    label: str | None = Field(None, description="Class of what is counted; left out: all.")
    direction: str | None = Field(None, description="Direction that is counted; left out: all.")


class Ignored(Row):
    """A stretch in which nothing is scored, for nobody can tell, or nobody looked; without `end` up to the end."""

    kind: str | None = Field(None, description="Left out: all kinds.")

    @property
    def until(self) -> float:
        """Its end, seconds; infinite if there is none."""
        return math.inf if self.end is None else self.end

    def covers(self, camera: str, kind: str, zone: str | None, line: str | None, time: float) -> bool:
        """Whether what begins then and there is not scored."""
        there = self.camera == camera and self.kind in (None, kind)
        place = self.zone in (None, zone) and self.line in (None, line)
        return there and place and self.start <= time <= self.until


@dataclass(frozen=True, slots=True)
class Truth:
    """A whole truth file."""

    name: str
    """The file, in messages."""
    events: tuple[TrueEvent, ...] = ()
    counts: tuple[TrueCount, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    kinds: tuple[str, ...] = ()
    """Kinds that were looked for; empty: all."""

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Every row and what errors call it."""
        for name, rows in (("events", self.events), ("counts", self.counts), ("ignore", self.ignored)):
            yield from ((f"{self.name}: {name}[{i}]", row) for i, row in enumerate(rows))

    def check(self, places: Mapping[str, Places], kinds: Collection[str]) -> None:
        """Check names against the site.

        Args:
            places: what is drawn on each camera that has a video.
            kinds: what the site's rules say, beside the known vocabulary.

        Raises:
            ConfigError: with all faults.
        """
        known = list(dict.fromkeys((*KINDS, *kinds, *self.kinds)))
        faults = []
        for where, row in self.rows():
            kind = getattr(row, "kind", None)
            # what readings are called is not known before they come
            if kind is not None and kind not in known and not isinstance(row, TrueCount):
                hint = nearest(kind, known) or "; a pipeline of your own that says it? then list it under `kinds`"
                faults.append(f"{where}: unknown kind {kind!r}{hint}")
            if row.camera not in places:
                hint = nearest(row.camera, places) or f"; there are videos of: {', '.join(places)}"
                faults.append(f"{where}: no video of camera {row.camera!r}{hint}")
            else:
                faults += [f"{where}: {fault}" for fault in _unknown_places(row, places[row.camera])]
        if faults:
            raise ConfigError(faults)

    def check_times(self, seconds: Mapping[str, float]) -> None:
        """Check that nothing lies beyond its video.

        Args:
            seconds: length of each camera's video; those of unknown length are left out.

        Raises:
            ConfigError: with all faults.
        """
        faults = []
        for where, row in self.rows():
            length = seconds.get(row.camera, math.inf)
            # to ignore more than there is does no harm
            latest = row.start if row.end is None or isinstance(row, Ignored) else row.end
            if latest > length + _SLACK_S:
                what = f"{latest:g} s is beyond the video of camera {row.camera!r}"
                faults.append(f"{where}: {what}, which is {length:.1f} s long")
        if faults:
            raise ConfigError(faults)


def _unknown_places(row: Row, drawn: Places) -> Iterator[str]:
    # lanes are zones with a direction, and events name them as zones
    for word, name, there in (("zone", row.zone, [*drawn.zones, *drawn.lanes]), ("line", row.line, [*drawn.lines])):
        if name is not None and name not in there:
            hint = nearest(name, there) or f"; it has: {', '.join(there) or 'none'}"
            yield f"camera {row.camera!r} has no {word} {name!r}{hint}"
