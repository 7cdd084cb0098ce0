"""How a camera is, as its reader says it: the value that travels from reader to engine, vigil and web page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from streamer.errors import CAUSES

State = Literal["connecting", "live", "lost"]
Look = Literal["ok", "frozen", "black", "covered", "defocused", "moved", "runaway"]


@dataclass(frozen=True, slots=True)
class Health:
    """One camera at one moment; sent at every change."""

    camera: str
    session: int
    """Number of the connection, from 1; 0 before the first."""
    state: State
    """``live`` from the first decoded picture of a session on."""
    cause: str | None = None
    """Why it is not live, or what is wrong while it is: a key of errors.CAUSES."""
    detail: str = ""
    """More words, without credentials."""
    at: float = 0.0
    """CLOCK_MONOTONIC."""
    retry_at: float | None = None
    """When the next attempt begins, on CLOCK_MONOTONIC; None unless lost."""
    picture: Look = "ok"
    """What the picture looks like; anything but ``ok`` is not "up"."""
    width: int = 0
    """Of the source's picture in pixels; 0 until known."""
    height: int = 0
    fps: float | None = None
    """Announced frames a second; None if the source does not say."""
    codec: str = ""
    transport: str = ""
    record_cause: str | None = None
    """Why its record stream gives no evidence now: a key of errors.CAUSES; None: it does, or there is none."""
    record_detail: str = ""

    def with_cause(self, cause: str | None, detail: str) -> Health:
        """The same with another cause."""
        return replace(self, cause=cause, detail=detail)

    def header(self) -> dict[str, Any]:
        """As a message's fields."""
        return asdict(self)

    @staticmethod
    def from_header(header: Mapping[str, Any]) -> Health:
        """From a message's fields; raises ValueError or TypeError when they are not a health (a hostile reader)."""
        health = Health(**header)
        for cause in (health.cause, health.record_cause):
            if cause is not None and cause not in CAUSES:
                raise ValueError(f"unknown cause {cause!r:.40}")
        numbers = (health.session, health.at, health.width, health.height, health.fps or 0, health.retry_at or 0)
        if health.state not in ("connecting", "live", "lost") or not all(isinstance(n, int | float) for n in numbers):
            raise ValueError("not a health")
        return replace(health, detail=str(health.detail)[:500], record_detail=str(health.record_detail)[:500])
