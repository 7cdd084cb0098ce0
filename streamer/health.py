"""The vigil: when a camera goes blind, or this machine cannot keep up, that is an alert like any other.

Hears from the readers how each camera is, reads from the metrics what was offered and served, and every half second
judges what that means: `camera_offline`, `camera_frozen`, `camera_tampered` (black, covered, defocused, moved),
`camera_runaway` (far more frames than announced), `overloaded` and `degraded` events, each debounced, each with its end
as the recovery. Pure state on a clock; called by the engine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from streamer.clock import Clock
from streamer.errors import CAUSES
from streamer.events import SYSTEM, Event, Severity, State
from streamer.ingest.health import Health
from streamer.metrics import Metrics

EVERYWHERE = "*"
"""The `camera` of events that concern no single one."""

_OURS = {
    ("mailbox", "superseded"),
    ("slot", "no_slot"),
    ("slot", "engine_busy"),
    ("decode", "shed_nonref"),
    ("decode", "shed_nonkey"),
    ("decode", "rationed"),
}
"""Stage and outcome of frames that were lost for want of time, not for want of a good picture."""
CAMERA_KINDS = ("camera_offline", "camera_frozen", "camera_tampered", "camera_runaway")
"""What the vigil may say of one camera."""
_BLIND = ("frozen", "black", "covered", "runaway")
"""Looks of a camera that is not up; one that is out of focus or was moved still sees something."""
_PICTURE_KINDS = {
    "camera_frozen": ("frozen",),
    "camera_runaway": ("runaway",),
    "camera_tampered": ("black", "covered", "defocused", "moved"),
}
"""What a picture may look like, by the kind of incident that it then is."""
_HASTY = ("camera_runaway",)
"""Kinds that the reader judges each second anew; the others it has debounced already."""


class VigilSettings(BaseModel):
    """When the system itself raises an alert."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    offline_seconds: float = Field(10.0, ge=0, description="Blind for this long is camera_offline, seconds.")
    recovery_seconds: float = Field(
        3.0, ge=0, description="Seeing for this long ends camera_offline, and a rate as announced camera_runaway."
    )
    offline_severity: Severity = Field("critical", description="Severity of what the vigil says of a camera.")
    overload_seconds: float = Field(10.0, gt=0, description="Window over which offered and served are compared.")
    overload_share: float = Field(0.1, gt=0, lt=1, description="Share of frames dropped by us that is overloaded.")
    alerts: bool = Field(True, description="False: judge and show, but raise no events of the system itself.")


@dataclass(slots=True)
class _CameraState:
    health: Health | None = None
    blind_since: float | None = None
    """Monotonic seconds since when no video was seen; None while it is seen."""
    seeing_since: float | None = None
    look_since: float = 0.0
    """Monotonic seconds since when its picture has looked as it does."""
    offline: bool = False
    analyze_fps: float = 5.0


class Vigil:
    """What the system knows of its own blindness."""

    def __init__(self, settings: VigilSettings, metrics: Metrics, clock: Clock):
        self.settings = settings
        self.overloaded = False
        self._metrics = metrics
        self._clock = clock
        self._cameras: dict[str, _CameraState] = {}
        self._picture: dict[tuple[str, str], bool] = {}
        self._work: deque[tuple[float, float, float]] = deque()
        self._overload_quiet_at = 0.0
        self._degraded: set[str] = set()
        self._resumed: list[Event] = []
        self._last_judged = clock.monotonic()

    def set_cameras(self, cameras: dict[str, float]) -> None:
        """Look after exactly these; a new one counts as blind from now on."""
        now = self._clock.monotonic()
        for name in [name for name in self._cameras if name not in cameras]:
            del self._cameras[name]
        self._picture = {key: bad for key, bad in self._picture.items() if key[0] in cameras}
        for name in cameras:
            self._cameras.setdefault(name, _CameraState(blind_since=now)).analyze_fps = cameras[name]
        for begun in self._resumed:
            self._take_up(begun)
        self._resumed = [begun for begun in self._resumed if begun.camera not in self._cameras]

    def hear(self, health: Health) -> None:
        """A reader says how a camera is."""
        state = self._cameras.get(health.camera)
        if state is None:
            return  # it left the configuration while the message was on its way
        now = self._clock.monotonic()
        sees = health.state == "live"
        if sees and state.blind_since is not None:
            state.blind_since, state.seeing_since = None, now
        elif not sees and state.blind_since is None:
            state.blind_since, state.seeing_since = now, None
        if health.cause is None and not sees and state.health is not None:
            # "connecting again" must not wipe out why the last session ended
            health = health.with_cause(state.health.cause, state.health.detail)
        if state.health is None or state.health.picture != health.picture:
            state.look_since = now
        state.health = health
        self._metrics.camera_up.labels(health.camera).set(int(sees and health.picture not in _BLIND))

    def resume(self, begun: Event) -> None:
        """An incident of the system is still open from before a restart; its end must be earned."""
        self._resumed.append(begun)

    def health(self, camera: str) -> Health | None:
        """The last word on a camera."""
        state = self._cameras.get(camera)
        return None if state is None else state.health

    def judge(self) -> Iterator[Event]:
        """The events that are due now."""
        now = self._clock.monotonic()
        for name, state in self._cameras.items():
            if state.blind_since is not None:
                self._metrics.camera_blind_seconds.labels(name).inc(now - max(self._last_judged, state.blind_since))
        self._last_judged = now
        if not self.settings.alerts:
            return
        yield from self._left_over()
        for name, state in self._cameras.items():
            yield from self._offline(name, state, now)
            yield from self._pictures(name, state, now)
        yield from self._overload(now)
        yield from self._degradation()

    def _take_up(self, begun: Event) -> None:
        state = self._cameras.get(begun.camera)
        if state is not None and begun.kind == "camera_offline":
            state.offline = True
        if state is not None and begun.kind in _PICTURE_KINDS:
            self._picture[begun.camera, begun.kind] = True

    def _left_over(self) -> Iterator[Event]:
        """Ends of what a restart left open and nobody looks after any more."""
        left, self._resumed = (self._resumed, []) if self._cameras else ([], self._resumed)
        for begun in left:
            yield replace(begun, state="end", time=self._clock.time(), detail={**begun.detail, "reason": "restart"})

    def _offline(self, name: str, state: _CameraState, now: float) -> Iterator[Event]:
        blind_since, seeing_since = state.blind_since, state.seeing_since
        if not state.offline and blind_since is not None and now - blind_since >= self.settings.offline_seconds:
            state.offline = True
            yield self._event("camera_offline", "begin", name, now - blind_since, _why(state.health))
        elif state.offline and seeing_since is not None and now - seeing_since >= self.settings.recovery_seconds:
            state.offline = False
            yield self._event("camera_offline", "end", name, now - seeing_since, {})

    def _pictures(self, name: str, state: _CameraState, now: float) -> Iterator[Event]:
        health = state.health if state.health is not None and state.health.state == "live" else None
        for kind, looks in _PICTURE_KINDS.items():
            was = self._picture.get((name, kind), False)
            # a camera that went offline keeps what it last looked like: offline says the rest
            now_is = was if health is None else health.picture in looks
            lasted_s = now - state.look_since if kind in _HASTY else 0.0
            if now_is != was and (kind not in _HASTY or lasted_s >= self.settings.recovery_seconds):
                self._picture[name, kind] = now_is
                detail = _shows(health) if health is not None and now_is else {}
                yield self._event(kind, "begin" if now_is else "end", name, lasted_s, detail)

    def _overload(self, now: float) -> Iterator[Event]:
        window_s = self.settings.overload_seconds
        served, dropped = self._totals()
        if not served:
            self._work.clear()  # models still load: what is dropped meanwhile says nothing of what the machine can do
        self._work.append((now, served, dropped))
        while self._work[0][0] < now - window_s - 1.0:
            self._work.popleft()
        began, *before = self._work[0]
        served, dropped = (after - earlier for after, earlier in zip(self._work[-1][1:], before, strict=True))
        share = dropped / max(served + dropped, 1)
        limit = self.settings.overload_share
        if share > limit / 2:
            self._overload_quiet_at = now
        full = now - began > window_s * 0.8
        calm = now - self._overload_quiet_at > window_s
        if (not self.overloaded and full and share > limit) or (self.overloaded and calm):
            self.overloaded = not self.overloaded
            self._metrics.overloaded.set(int(self.overloaded))
            detail = {"served_per_s": round(served / window_s, 1), "dropped_per_s": round(dropped / window_s, 1)}
            yield self._event("overloaded", "begin" if self.overloaded else "end", EVERYWHERE, 0.0, detail)

    def _totals(self) -> tuple[float, float]:
        """Frames analysed, and frames that were due but that this machine dropped, since the start."""
        served = dropped = 0.0
        for camera, stage, outcome, count in self._metrics.frame_counts():
            if (stage, outcome) == ("analyze", "ok"):
                served += count
            elif (stage, outcome) in _OURS:
                # of the pictures that decoding left out, only every so-many-eth would have been analysed
                dropped += count * (self._due_share(camera) if stage == "decode" else 1.0)
        unknown = self._metrics.unanswered()
        return served - unknown, dropped + unknown

    def _due_share(self, camera: str) -> float:
        state = self._cameras.get(camera)
        fps = state.health.fps if state is not None and state.health is not None else None
        return min(1.0, state.analyze_fps / fps) if state is not None and fps else 1.0

    def _degradation(self) -> Iterator[Event]:
        parts = set(self._metrics.degraded_parts)
        for part in sorted(parts - self._degraded):
            yield self._event("degraded", "begin", EVERYWHERE, 0.0, {"part": part}, key=part)
        for part in sorted(self._degraded - parts):
            yield self._event("degraded", "end", EVERYWHERE, 0.0, {"part": part}, key=part)
        self._degraded = parts

    def _event(
        self, kind: str, state: State, camera: str, ago_s: float, detail: dict[str, Any], key: str = ""
    ) -> Event:
        now = self._clock.time()
        return Event(
            kind=kind,
            state=state,
            time=now,
            key=(key,),
            started=now - ago_s if state == "begin" else None,
            ended=now - ago_s if state == "end" else None,
            detail=detail,
            severity=self.settings.offline_severity if kind != "overloaded" else "warning",
            camera=camera,
            pipeline=SYSTEM,
        )


def _why(health: Health | None) -> dict[str, Any]:
    if health is None or health.cause is None:
        return {"cause": "no_answer", "words": "nothing was heard of it since the start"}
    return {**_reason(health.cause), **({"detail": health.detail} if health.detail else {})}


def _shows(health: Health) -> dict[str, Any]:
    """What is wrong with the picture of a camera that is live, and how that was found."""
    found = health.detail if health.cause == health.picture else ""
    return {**_reason(health.picture), **({"detail": found} if found else {})}


def _reason(cause: str) -> dict[str, Any]:
    return {"cause": cause, "words": CAUSES[cause]}
