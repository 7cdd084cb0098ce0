"""What the page shows, as plain values: the daemon fills a `Status` whenever one is asked for.

The page knows nothing of engines or readers, and nothing here decides about alerts. Free text (what a camera or a
receiver said) is scrubbed of credentials once more on its way out: `Status.scrubbed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from streamer import log

CameraState = Literal["connecting", "live", "frozen", "overloaded", "lost"]
PartState = Literal["ok", "degraded", "stuck"]
Severity = Literal["info", "warning", "critical"]

ANALYSED_WITHIN_S = 30.0
"""A camera whose last analysed frame is older than this is not analysed, whatever its connection says."""


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One camera, now."""

    name: str
    state: CameraState
    cause: str | None = None
    """Key of errors.CAUSES: what is wrong, or what was wrong when it is connecting again; None: nothing."""
    words: str = ""
    """The cause for people, with the detail."""
    since: float | None = None
    """When the state began, UTC epoch seconds."""
    last_frame_age_s: float | None = None
    """Since the capture of the last analysed frame; None: there was none yet."""
    latency_p50_s: float | None = None
    """Capture to the end of analysis over the last minute, median."""
    latency_p95_s: float | None = None
    analysed_fps: float | None = None
    """Frames analysed a second, over the last minute."""
    offered_fps: float | None = None
    """Frames a second that the configuration asks for."""
    source: str = ""
    """The stream in words, e.g. ``1280x720 h264 15 fps``; never its URL."""
    session: int | None = None
    """Number of the connection, from 1."""
    retry_in_s: float | None = None
    """Until the next attempt to connect."""
    record: str = ""
    """What is wrong with the stream that gives the evidence; empty: nothing, or there is none."""

    @property
    def analysed(self) -> bool:
        """Whether its frames are being analysed."""
        age_s = self.last_frame_age_s
        return self.state in ("live", "frozen", "overloaded") and age_s is not None and age_s <= ANALYSED_WITHIN_S


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A supervised part of the daemon: the worker, the readers, a pipeline, a loop."""

    name: str
    state: PartState = "ok"
    """degraded: its restart budget is spent, and it is retried slowly; stuck: alive, but it makes no progress."""
    detail: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """One receiver of alerts."""

    name: str
    depth: int = 0
    """Alerts that wait for it."""
    oldest_s: float | None = None
    """Age of the oldest one that waits."""
    last_error: str | None = None
    """Why the last attempt failed; None: it did not."""
    delivered: int = 0
    """Alerts delivered since the daemon started."""
    dead: int = 0
    """Alerts that were given up."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert (or event that nobody was told of), for the list of the latest."""

    id: str
    time: float
    """UTC epoch seconds."""
    camera: str
    kind: str
    sentence: str
    severity: Severity = "warning"
    sinks: Mapping[str, str] = field(default_factory=dict)
    """By sink what became of it: delivered, waiting, failed."""
    snapshot: str | None = None
    """The id under which `/alerts/<id>/snapshot.jpg` has its picture; None: there is none."""
    clip: str | None = None
    """The id under which `/alerts/<id>/clip.mp4` has its video; None: there is none, or not yet."""
    why: str | None = None
    """The id under which `/alerts/<id>/why.png` has the picture that explains it; None: there is none, or not yet."""


@dataclass(frozen=True, slots=True)
class SignalStatus:
    """The feed of one traffic signal, now."""

    name: str
    aspect: str
    """red, amber, green or unknown."""
    reason: str = ""
    """Why it is unknown."""
    for_s: float | None = None
    """How long that has been so."""
    heard_age_s: float | None = None
    """Since it was last heard in time; None: it never was."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether every configured camera is analysed or its failure is named."""

    ready: bool
    reasons: tuple[str, ...] = ()
    """Why not, one sentence each."""


@dataclass(frozen=True, slots=True)
class Status:
    """The daemon at one moment."""

    now: float
    """UTC epoch seconds of this snapshot."""
    started_at: float
    """UTC epoch seconds."""
    version: str = ""
    cameras: tuple[CameraStatus, ...] = ()
    parts: tuple[PartStatus, ...] = ()
    sinks: tuple[SinkStatus, ...] = ()
    alerts: tuple[AlertRow, ...] = ()
    """The latest first."""
    overloaded: bool = False
    """Offered work exceeds what is served."""
    signals: tuple[SignalStatus, ...] = ()
    disarmed: tuple[str, ...] = ()
    """What is disarmed, in words with since when."""

    @property
    def readiness(self) -> Readiness:
        """Ready when no camera is silently missing: a named failure is the camera's affair, not ours."""
        reasons = tuple(
            f"camera {camera.name!r}: {_missing(camera)}"
            for camera in self.cameras
            if not camera.analysed and camera.cause is None
        )
        return Readiness(not reasons, reasons)

    def scrubbed(self) -> Status:
        """The same without any registered credential in its free text."""
        scrub = log.secrets.scrub
        return replace(
            self,
            cameras=tuple(
                replace(c, words=scrub(c.words), source=scrub(c.source), record=scrub(c.record)) for c in self.cameras
            ),
            parts=tuple(replace(p, detail=scrub(p.detail)) for p in self.parts),
            sinks=tuple(
                replace(s, last_error=None if s.last_error is None else scrub(s.last_error)) for s in self.sinks
            ),
            alerts=tuple(replace(a, sentence=scrub(a.sentence)) for a in self.alerts),
        )


def _missing(camera: CameraStatus) -> str:
    if camera.last_frame_age_s is None:
        return f"{camera.state}, no frame analysed yet"
    return f"{camera.state}, no frame analysed for {camera.last_frame_age_s:.0f} s"
