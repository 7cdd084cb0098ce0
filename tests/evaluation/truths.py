"""Events and truths for tests of the evaluation."""

from __future__ import annotations

from typing import Any

from streamer.evaluation.truth import TrueEvent
from streamer.events import Event


def said(time: float, kind: str = "intrusion", camera: str = "gate", **fields: Any) -> Event:
    """The begin of an incident, as a replay tells it."""
    return Event(kind, "begin", time, camera=camera, pipeline="p", id=f"{camera}-{time}", **fields)


def true(start: float, kind: str = "intrusion", camera: str = "gate", **fields: Any) -> TrueEvent:
    """Something that happens."""
    return TrueEvent(camera=camera, kind=kind, start=start, **fields)
