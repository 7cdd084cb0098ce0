"""What one message of a controller says: JSON with a field for the state, or the bare word. Pure; no I/O."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streamer.signals.settings import SignalSettings
from streamer.types import Aspect

LARGEST = 8192
"""Bytes of a message; a controller's are a hundred."""
_MILLISECONDS = 1e11
"""A count of seconds since 1970 above this is in milliseconds: as seconds it would be the year 5138."""


@dataclass(frozen=True, slots=True)
class Message:
    """A controller's word."""

    aspect: Aspect
    stamp: float | None = None
    """When it was made, UTC epoch or the video's time, in seconds; None: it does not say."""
    reason: str = ""
    """Why it is unknown: ``unreadable``, or ``controller`` when that said so itself."""


def read(body: bytes, settings: SignalSettings) -> Message:
    """Read a message; what cannot be read is `unknown`, never a guess."""
    unreadable = Message("unknown", None, "unreadable")
    if len(body) > LARGEST:
        return unreadable
    try:
        text = body.decode("utf-8").strip()
    except UnicodeDecodeError:
        return unreadable
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    stamp: Any = None
    if isinstance(value, (dict, list)):
        value, stamp = _find(value, settings.state_field), _find(value, settings.time_field)
    aspect, reason = _aspect(value, settings)
    if stamp is None:
        return Message(aspect, None, reason)
    at = _seconds(stamp)
    return unreadable if at is None else Message(aspect, at, reason)


def _aspect(value: Any, settings: SignalSettings) -> tuple[Aspect, str]:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return "unknown", "unreadable"
    word, words = str(value).strip().lower(), settings.words
    aspects: tuple[Aspect, ...] = ("red", "amber", "green")
    for aspect in aspects:
        if word in (known.lower() for known in getattr(words, aspect)):
            return aspect, ""
    return "unknown", "controller" if word in (known.lower() for known in words.unknown) else "unreadable"


def _find(value: Any, path: str) -> Any:
    """What stands at a dotted path; None if nothing does."""
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _seconds(stamp: Any) -> float | None:
    """A time as seconds; None if it is none, or one whose zone nobody knows."""
    if isinstance(stamp, (int, float)) and not isinstance(stamp, bool):
        value = float(stamp) if abs(stamp) < 1e300 else math.inf
        return None if not math.isfinite(value) or value < 0 else value / 1000 if value > _MILLISECONDS else value
    if not isinstance(stamp, str):
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()
