"""Figures of pairs: precision, recall, delay, false alarms an hour with their bound, and errors of counts.

Names of the JSON are a public contract (docs/evaluation.md): extend, do not rename. Pure.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from streamer.evaluation.matching import Pairs, direction
from streamer.evaluation.truth import Ignored, TrueCount
from streamer.events import Event


@dataclass(frozen=True, slots=True)
class Counted:
    """A true count, and what was counted."""

    truth: TrueCount
    said: float

    @property
    def error(self) -> float:
        """How many too many; negative: too few."""
        return self.said - self.truth.count

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        row = self.truth.model_dump(exclude_none=True, exclude={"kind", "count"})
        return {**row, "true": self.truth.count, "said": self.said, "error": self.error}


@dataclass(frozen=True, slots=True)
class Figures:
    """How one kind did."""

    kind: str
    pairs: Pairs
    hours: float
    """Hours of video that were scored, over all cameras."""
    counts: tuple[Counted, ...] = ()

    @property
    def true(self) -> int:
        """How many happened."""
        return len(self.pairs.hits) + len(self.pairs.missed)

    @property
    def said(self) -> int:
        """How many were told."""
        return len(self.pairs.hits) + len(self.pairs.false)

    @property
    def precision(self) -> float | None:
        """Share of what was told that is true; None where nothing was told."""
        return len(self.pairs.hits) / self.said if self.said else None

    @property
    def recall(self) -> float | None:
        """Share of what happened that was told; None where nothing happened."""
        return len(self.pairs.hits) / self.true if self.true else None

    @property
    def delays_s(self) -> list[float]:
        """Of each hit, seconds from the truth's start to the event; sorted."""
        return sorted(event.time - one.start for one, event in self.pairs.hits)

    @property
    def f1(self) -> float | None:
        """Of events; what is told twice is false the second time; None where there was nothing."""
        both = self.true + self.said
        return 2 * len(self.pairs.hits) / both if both else None

    @property
    def false_per_hour(self) -> float | None:
        """None where nothing was watched."""
        return len(self.pairs.false) / self.hours if self.hours > 0 else None

    @property
    def false_per_hour_bound(self) -> float | None:
        """With 95 % confidence there are no more than so many false alarms an hour."""
        return poisson_bound(len(self.pairs.false)) / self.hours if self.hours > 0 else None

    @property
    def count_error(self) -> float | None:
        """Summed absolute errors of the counts; None without any."""
        return sum(abs(it.error) for it in self.counts) if self.counts else None

    def summary(self) -> dict[str, Any]:
        """What of `to_json` is told for a part of the video, such as that by night."""
        names = ("precision", "recall", "delay_s", "true", "said", "matched", "false_alarms", "minutes")
        rates = ("false_alarms_per_hour", "false_alarms_per_hour_upper95")
        found = self.to_json()
        return {name: found[name] for name in (*names, *rates)}

    def to_json(self) -> dict[str, Any]:
        """Plain values; names are a public contract."""
        delays = self.delays_s
        found: dict[str, Any] = {
            "precision": _round(self.precision),
            "recall": _round(self.recall),
            "f1": _round(self.f1),
            "delay_s": {"median": _round(median(delays)), "p95": _round(percentile(delays, 0.95))},
            "false_alarms_per_hour": _round(self.false_per_hour),
            "false_alarms_per_hour_upper95": _round(self.false_per_hour_bound),
            "hours": round(self.hours, 6),
            "minutes": round(self.hours * 60, 4),
            "true": self.true,
            "said": self.said,
            "matched": len(self.pairs.hits),
            "false_alarms": len(self.pairs.false),
            "doubles": self.pairs.doubles,
            "missed": [it.model_dump(exclude_none=True, exclude={"kind"}) for it in self.pairs.missed],
            "false": [brief(event) for event in self.pairs.false],
        }
        if self.counts:
            true = sum(it.truth.count for it in self.counts)
            error = self.count_error or 0.0
            found["count_error"] = error
            found["count_error_share"] = _round(error / true) if true else None
            found["counts"] = [it.to_json() for it in self.counts]
        return found


def false_words(figures: Figures) -> str:
    """Number of false alarms, minutes watched, rate an hour, 95 % bound: a rate alone hides how short the video was."""
    rate, bound = figures.false_per_hour, figures.false_per_hour_bound
    if rate is None or bound is None:
        return "-"
    return f"{len(figures.pairs.false)} in {figures.hours * 60:.1f} min: {rate:.2f} (<{bound:.2f})"


def brief(event: Event) -> dict[str, Any]:
    """An event's row, without what truth does not know."""
    row = event.row(live=False)
    kept = {name: row[name] for name in ("camera", "time", "zone", "line", "label", "track_id") if name in row}
    return kept | ({} if direction(event) is None else {"direction": direction(event)})


def line_counts(kind: str, pairs: Pairs) -> Iterable[Counted]:
    """Of events on lines: the number a camera, line, direction and label, as far as the truth tells them apart."""
    names = ("camera", "line", "direction", "label")
    groups: dict[tuple[str | None, ...], list[float]] = {}
    scored = [*(one for one, _ in pairs.hits), *pairs.missed]
    for one in scored:
        groups.setdefault(tuple(getattr(one, name) for name in names), [0, 0])[0] += 1
    for one, _ in pairs.hits:
        groups[tuple(getattr(one, name) for name in names)][1] += 1
    for event in pairs.false:
        said = (event.camera, event.line, direction(event), event.label)
        for group, sums in groups.items():
            if all(asked is None or asked == got for asked, got in zip(group, said, strict=True)):
                sums[1] += 1
                break
        else:
            groups[said] = [0, 1]
    for (camera, line, way, label), (true, told) in groups.items():
        count = {"kind": kind, "camera": camera, "line": line, "direction": way, "label": label, "count": int(true)}
        yield Counted(TrueCount.model_validate(count), told)


def scored_seconds(camera: str, seconds: float, kind: str, ignored: Iterable[Ignored]) -> float:
    """Of a camera's video the seconds in which this kind is scored; stretches of one place only do not shorten it."""
    spans = sorted(
        (it.start, min(it.until, seconds))
        for it in ignored
        if it.camera == camera and it.kind in (None, kind) and it.zone is None and it.line is None
    )
    left, at = seconds, 0.0
    for start, end in spans:
        left -= max(0.0, end - max(start, at))
        at = max(at, end)
    return max(left, 0.0)


def poisson_bound(count: int, confidence: float = 0.95) -> float:
    """The largest mean of a Poisson distribution that shows so few with probability 1 - confidence or more.

    Exact, by bisection; 3.0 for none seen (the rule of three). Source: Garwood, Biometrika 28, 1936.
    """

    def at_most(mean: float) -> float:
        terms = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1))
        return math.fsum(math.exp(term) for term in terms)

    low, high = max(count, 1e-9), count + 10.0 + 5.0 * math.sqrt(count)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(middle) > 1.0 - confidence else (low, middle)
    return high


def median(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return statistics.median(values) if values else None


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest of the sorted values that at least this share of them do not exceed; None of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)] if ordered else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
