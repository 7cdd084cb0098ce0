"""Numbers as people read them: ages, latencies, rates, times. Pure functions, used by the page only."""

from __future__ import annotations

from datetime import UTC, datetime

NONE = "–"


def age(seconds: float | None) -> str:
    """A duration in one or two units: ``0.2 s``, ``42 s``, ``3 min``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds is None:
        return NONE
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def latency(seconds: float | None) -> str:
    """A latency: ``84 ms``, ``1.2 s``."""
    if seconds is None:
        return NONE
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def rate(per_second: float | None) -> str:
    """Frames a second: ``4.9``."""
    return NONE if per_second is None else f"{per_second:.1f}"


def clock(epoch_s: float, now: float) -> str:
    """A time of day in UTC, with its date if that is not today's."""
    at, today = datetime.fromtimestamp(epoch_s, UTC), datetime.fromtimestamp(now, UTC)
    return at.strftime("%H:%M:%S" if at.date() == today.date() else "%m-%d %H:%M:%S")


def count(number: int, noun: str) -> str:
    """``1 camera``, ``16 cameras``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
