"""What a person at a terminal sees of events, one line each; used by `run` and `demo`."""

from __future__ import annotations

from datetime import datetime

from streamer.events import Event

_MARKS = {"begin": "▶", "update": "·", "end": "■"}
_COLORS = {"info": "36", "warning": "33", "critical": "31"}


def line(event: Event, color: bool) -> str:
    """One event as a line: local time, mark, kind, camera, and what it is about.

    Args:
        event: a named incident's event.
        color: whether the terminal shows ANSI colors.
    """
    at = datetime.fromtimestamp(event.time).astimezone().strftime("%H:%M:%S")
    about = [event.label, f"in {event.zone}" if event.zone else None, f"on {event.line}" if event.line else None]
    if event.ended is not None and event.started is not None:
        about.append(f"after {event.ended - event.started:.1f} s")
    elif "dwell_s" in event.detail:
        about.append(f"for {event.detail['dwell_s']:.1f} s")
    about.append(str(event.detail["words"]) if "words" in event.detail else None)
    kind = f"{event.kind:<14}"
    if color and event.state == "begin":
        kind = f"\x1b[{_COLORS[event.severity]}m{kind}\x1b[0m"
    return f"{at} {_MARKS[event.state]} {kind} {event.camera:<10} {' '.join(part for part in about if part)}".rstrip()
