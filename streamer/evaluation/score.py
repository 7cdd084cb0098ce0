"""A replay against its truth: the figures of each kind, as a table for people and as JSON.

Called by the command with what `replay` found. What a system says about itself (camera offline, overloaded) is not
scored, and cool-downs do not matter: an incident counts whether or not somebody would have been told. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamer.evaluation.daylight import Timeline, by_light
from streamer.evaluation.figures import (
    Counted,
    Figures,
    brief,
    false_words,
    line_counts,
    median,
    percentile,
    scored_seconds,
)
from streamer.evaluation.matching import TOLERANCE_S, match
from streamer.evaluation.truth import TrueCount, Truth
from streamer.events import SYSTEM, Event
from streamer.replay import Report

COUNTED_KINDS = ("line_crossing",)
"""Kinds of which the number matters, not only each one: they have a count error without rows of counts."""
_LISTED = 12
"""Missed and false ones that the text names, of each kind."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well the events of recordings agree with their truth."""

    kinds: Mapping[str, Figures]
    seconds: Mapping[str, float]
    """Length of each camera's video."""
    tolerance_s: float
    notes: tuple[str, ...] = ()
    """What may be wrong with the comparison itself."""
    light: Mapping[str, Mapping[str, Figures]] = field(default_factory=dict)
    """Of each kind, its figures by bucket of light, from dark to light."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; names are a public contract (docs/evaluation.md)."""
        events = {kind: figures.to_json() for kind, figures in self.kinds.items()}
        for kind, buckets in self.light.items():
            events[kind]["light"] = {name: figures.summary() for name, figures in buckets.items()}
        return {
            "events": events,
            "tolerance_s": self.tolerance_s,
            "seconds": {camera: round(seconds, 3) for camera, seconds in self.seconds.items()},
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """A table, what was missed and false, and counts."""
        lines = [_HEADER]
        for kind, figures in self.kinds.items():
            lines.append(_row(kind, figures))
            buckets = self.light.get(kind, {})
            lines += [_row(f"  by {name}", part) for name, part in buckets.items()] if len(buckets) > 1 else []
        for kind, figures in self.kinds.items():
            missed = [f"missed {kind}: {_words(it.model_dump(exclude_none=True))}" for it in figures.pairs.missed]
            false = [f"false {kind}: {_words(brief(event))}" for event in figures.pairs.false]
            for rows in (missed, false):
                lines += rows[:_LISTED]
                lines += [f"... and {len(rows) - _LISTED} more; --json lists all"] if len(rows) > _LISTED else []
            for it in figures.counts:
                what = _words(it.truth.model_dump(exclude_none=True, exclude={"count"}))
                lines.append(f"count {kind}: {what}: {it.truth.count} true, {it.said:g} said, {it.error:+g}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def evaluate(
    report: Report,
    truth: Truth,
    tolerance_s: float = TOLERANCE_S,
    light: Mapping[str, Timeline] | None = None,
) -> Evaluation:
    """Score a replay.

    Args:
        report: what the replay found.
        truth: what happened; checked against the site.
        tolerance_s: how late an event may be told, seconds after its truth's start.
        light: how light it was when, by camera; None: not told by light.
    """
    cameras = tuple(report.seconds)
    begins = [event for event in report.events if event.state == "begin" and event.pipeline != SYSTEM]
    named = (*(it.kind for it in truth.events), *(it.kind for it in truth.counts), *(it.kind for it in begins))
    kinds = [kind for kind in sorted({*named, *truth.kinds}) if not truth.kinds or kind in truth.kinds]
    found = {kind: _figures(kind, report, truth, begins, tolerance_s) for kind in kinds}
    parts = {} if light is None else {kind: by_light(it, light, truth.ignored) for kind, it in found.items()}
    seconds = {camera: report.seconds[camera] for camera in cameras}
    return Evaluation(found, seconds, tolerance_s, _notes(report, truth), parts)


def _figures(kind: str, report: Report, truth: Truth, begins: Sequence[Event], tolerance_s: float) -> Figures:
    true = [it for it in truth.events if it.kind == kind]
    pairs = match(true, [event for event in begins if event.kind == kind], truth.ignored, tolerance_s)
    seconds = sum(scored_seconds(camera, s, kind, truth.ignored) for camera, s in report.seconds.items())
    rows = [Counted(it, _said(it, report, begins)) for it in truth.counts if it.kind == kind]
    if not rows and kind in COUNTED_KINDS:
        rows = list(line_counts(kind, pairs))
    return Figures(kind, pairs, seconds / 3600.0, tuple(rows))


def _said(row: TrueCount, report: Report, begins: Sequence[Event]) -> float:
    """What was counted of a row: by readings, where they count this kind on this camera, else by events."""
    place = row.place or row.line or row.zone
    end = float("inf") if row.end is None else row.end
    readings = [it for it in report.counted if it.camera == row.camera and it.reading.kind == row.kind]
    if readings:
        return sum(
            it.reading.value
            for it in readings
            if place in (None, it.reading.place)
            and row.label in (None, it.reading.label)
            and row.direction in (None, it.reading.direction)
            and row.start <= it.time <= end
        )
    return sum(
        (event.camera, event.kind) == (row.camera, row.kind)
        and place in (None, event.zone, event.line)
        and row.label in (None, event.label)
        and row.direction in (None, event.detail.get("direction"))
        and row.start <= event.time <= end
        for event in begins
    )


def _notes(report: Report, truth: Truth) -> tuple[str, ...]:
    notes = []
    for camera in report.seconds:
        counted = {it.reading.kind for it in report.counted if it.camera == camera}
        told = {event.kind for event in report.events if event.camera == camera}
        for kind in sorted({row.kind for row in truth.counts if row.camera == camera} - counted - told):
            notes.append(f"nothing on camera {camera!r} counts {kind!r}, or there was nothing to count")
    if not truth.events and not truth.counts:
        notes.append("the truth holds no event: every event is false; this measures false alarms only")
    return tuple(notes)


_HEADER = (
    f"{'kind':<18}{'true':>6}{'said':>6}{'match':>7}{'precision':>11}{'recall':>8}{'f1':>7}"
    f"{'delay s (p95)':>15}  {'false in min: per hour (<95 %)':<34}{'count error':>11}"
)


def _row(name: str, figures: Figures) -> str:
    delays = figures.delays_s
    late = f"{median(delays):.1f} ({percentile(delays, 0.95):.1f})" if delays else "-"
    return (
        f"{name:<18}{figures.true:>6}{figures.said:>6}{len(figures.pairs.hits):>7}"
        f"{_or(figures.precision):>11}{_or(figures.recall):>8}{_or(figures.f1):>7}{late:>15}"
        f"  {false_words(figures):<34}{_or(figures.count_error, 'g'):>11}"
    )


def _or(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)


def _words(row: Mapping[str, Any]) -> str:
    return " ".join(_parts(row))


def _parts(row: Mapping[str, Any]) -> Iterator[str]:
    yield str(row["camera"])
    at = row.get("time", row.get("start"))
    if at is not None:
        yield f"at {at:.1f} s"
    for name in ("zone", "line", "place", "direction", "label"):
        if row.get(name) is not None:
            yield f"{name} {row[name]}"
