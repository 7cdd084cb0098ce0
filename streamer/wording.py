"""The one sentence by which a person learns of an event at 3 a.m.; pure text, called by the alert policy."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from streamer.events import SYSTEM, Event

_LOST = {
    "camera_offline": ("is offline", "blind since"),
    "camera_frozen": ("shows a frozen picture", "since"),
    "camera_tampered": ("may have been tampered with", "since"),
    "camera_runaway": ("sends too many frames", "since"),
}
_OVER = {"camera_offline": "is back", "camera_runaway": "keeps to its rate again"}


def sentence(event: Event, zone: tzinfo | None = None) -> str:
    """What happened, where, to whom and for how long; local times in `zone` (None: this machine's)."""
    return _of_system(event, zone) if event.pipeline == SYSTEM else _of_pipeline(event)


def duration(seconds: float) -> str:
    """A span for people: ``1.2 s``, ``2 min 10 s``, ``3 h 5 min``, ``2 d 4 h``."""
    if seconds < 59.95:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _pair(minutes, "min", rest, "s")
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return _pair(hours, "h", minutes, "min")
    days, hours = divmod(hours, 24)
    return _pair(days, "d", hours, "h")


def _pair(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large} {unit} {small} {small_unit}" if small else f"{large} {unit}"


def _of_pipeline(event: Event) -> str:
    what = event.kind.replace("_", " ")
    head = {"begin": what, "update": f"{what} goes on", "end": f"{what} over"}[event.state] + f" at {event.camera}"
    about = [event.label or ("someone or something" if event.zone or event.line else "")]
    if event.zone:
        about.append(f"in zone {event.zone}")
    if event.line:
        about.append(f"at line {event.line}")
    lasted = _lasted(event)
    if event.state == "begin" and "red_for_s" in event.detail:  # not how long ago, but how late
        about.append(f"{duration(event.detail['red_for_s'])} after red")
    elif lasted is not None and lasted >= 0.05:
        about.append(f"for {duration(lasted)}")
    text = " ".join(part for part in about if part)
    end_reason = event.detail.get("reason") if event.state == "end" else None
    notes = [f"confidence {event.confidence:.2f}"] if event.state != "end" else []
    notes += [f"ended by {end_reason}"] if end_reason else []
    return head + (f": {text}" if text else "") + (f" ({', '.join(notes)})" if notes else "")


def _lasted(event: Event) -> float | None:
    if event.started is None:
        return None
    return (event.time if event.ended is None else event.ended) - event.started


def _of_system(event: Event, zone: tzinfo | None) -> str:
    words, since = event.detail.get("words"), _clock(event.time if event.started is None else event.started, zone)
    lasted = duration(_lasted(event) or 0.0)
    if event.kind in _LOST:
        state, blind = _LOST[event.kind]
        if event.state == "end":
            over = _OVER.get(event.kind, "shows a live picture again")
            return f"camera {event.camera} {over} after {lasted}{_because(event)}"
        return f"camera {event.camera} {state}{f': {words}' if words else ''}; {blind} {since}"
    if event.kind == "overloaded":
        if event.state == "end":
            return f"this machine keeps up again after {lasted}{_because(event)}"
        served, dropped = event.detail.get("served_per_s"), event.detail.get("dropped_per_s")
        rates = "" if served is None else f": {served} frames a second are analyzed, {dropped} dropped"
        return f"this machine cannot keep up{rates}; since {since}"
    if event.kind == "degraded":
        part = event.detail.get("part", "a part")
        if event.state == "end":
            return f"{part} works again after {lasted}{_because(event)}"
        return f"{part} keeps failing and is now retried slowly; since {since}"
    where = f" at {event.camera}" if event.camera else ""
    tail = f" over after {lasted}" if event.state == "end" else f"{f': {words}' if words else ''}; since {since}"
    return f"{event.kind.replace('_', ' ')}{where}{tail}"


def _because(event: Event) -> str:
    return f" ({event.detail['reason']})" if event.detail.get("reason") else ""


def _clock(epoch_s: float, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).astimezone(zone).strftime("%H:%M:%S")
