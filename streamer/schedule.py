"""Weekly time windows such as ``Mon-Fri 22:00-06:00``: when a rule watches, and when a sink may be told.

Decided on the wall clock of a named time zone, which makes it right on the two odd days of the year: a window from
22:00 to 06:00 is an hour longer or shorter, and an hour that does not exist holds nothing. Pure values; used by
settings of rules and sinks, evaluated with the capture time of an event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_TIMES = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})\Z")


@dataclass(frozen=True, slots=True)
class Window:
    """One line of a schedule: on `days` (0 = Monday) from `start` to `end`, minutes after midnight.

    An end at or before the start means the next day: the window belongs to the day on which it starts.
    """

    days: frozenset[int]
    start: int
    end: int

    def holds(self, day: int, minute: int) -> bool:
        """Whether a moment of the week lies in it."""
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Windows of a week; open when any of them holds."""

    text: str
    windows: tuple[Window, ...]
    zone: tzinfo | None = None
    """The zone that the text names; None: what `holds` is given."""

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read ``DAYS TIMES``, several joined by ``;``, and at the end of all a time zone if wanted.

        DAYS is ``daily`` or names and ranges joined by commas (``Mon-Fri``, ``Fri-Mon``, ``Sat,Sun``); left out, it
        means daily. TIMES is one or more ``HH:MM-HH:MM`` joined by commas; left out, it means the whole day. The zone
        is an IANA name: ``Mon-Fri 22:00-06:00 Europe/Berlin``.

        Raises:
            ValueError: with what is wrong and an example.
        """
        rest, _, last = text.strip().rpartition(" ")
        named = last if "/" in last or last.upper() == "UTC" else None
        windows: list[Window] = []
        for part in (rest if named else text).split(";"):
            windows += _read(part.strip(), text)
        return cls(text, tuple(windows), zone(named))

    def holds(self, epoch_s: float, zone: tzinfo | None = None) -> bool:
        """Whether the schedule is open at that UTC time, seen from its own zone, else `zone`, else the machine's."""
        local = datetime.fromtimestamp(epoch_s, UTC).astimezone(self.zone or zone)
        return any(window.holds(local.weekday(), local.hour * 60 + local.minute) for window in self.windows)

    def __str__(self) -> str:
        return self.text


def zone(name: str | None) -> tzinfo | None:
    """The time zone of that IANA name; None stays None, this machine's own.

    Raises:
        ValueError: no such zone on this machine.
    """
    if name is None:
        return None
    try:
        return UTC if name.upper() == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"time zone {name!r} is not known here; use an IANA name such as 'Europe/Berlin' "
            "(and install tzdata if the machine has none)"
        ) from error


def _read(part: str, text: str) -> list[Window]:
    words = part.split()
    if not words:
        raise _wrong(text, "is empty" if not text.strip() else "has an empty part")
    times: list[tuple[int, int]] = [(0, _DAY_MINUTES)]
    if any(ch.isdigit() for ch in words[-1]):
        times = [_times(word, text) for word in words.pop().split(",")]
    if len(words) > 1:
        raise _wrong(text, f"has {len(words)} words of days; join days by commas without spaces")
    days = _days(words[0], text) if words else frozenset(range(7))
    return [Window(days, start, end) for start, end in times]


def _days(word: str, text: str) -> frozenset[int]:
    if word.lower() == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for item in word.lower().split(","):
        first, dash, last = item.partition("-")
        names = [first, last] if dash else [first, first]
        for name in names:
            if name[:3] not in DAYS or len(name) < 3 or not _full_name(name):
                raise _wrong(text, f"names no day {name!r}")
        start, end = (DAYS.index(name[:3]) for name in names)
        days |= {(start + i) % 7 for i in range((end - start) % 7 + 1)}
    return frozenset(days)


def _full_name(name: str) -> bool:
    full = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    return any(day.startswith(name) for day in full)


def _times(word: str, text: str) -> tuple[int, int]:
    match = _TIMES.match(word)
    if match is None:
        raise _wrong(text, f"has no times in {word!r}")
    hour, minute, to_hour, to_minute = map(int, match.groups())
    start, end = hour * 60 + minute, to_hour * 60 + to_minute
    if minute > 59 or to_minute > 59 or start >= _DAY_MINUTES or end > _DAY_MINUTES:
        raise _wrong(text, f"has no such time of day in {word!r}")
    if start == end:
        raise _wrong(text, f"has an empty window {word!r}; leave the times out for the whole day")
    return start, end


def _wrong(text: str, what: str) -> ValueError:
    return ValueError(f"schedule {text!r} {what}; write for example 'Mon-Fri 22:00-06:00; Sat,Sun'")


def _validate(value: Any) -> Schedule:
    if isinstance(value, Schedule):
        return value
    if not isinstance(value, str):
        raise ValueError(f"a schedule is a text such as 'Mon-Fri 22:00-06:00', got {value!r}")
    return Schedule.parse(value)


When = Annotated[
    Schedule,
    PlainValidator(_validate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["Mon-Fri 22:00-06:00", "daily 08:00-18:00; Sat,Sun"]}),
]
"""The type of a `when:` setting."""
