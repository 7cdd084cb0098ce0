"""One connection at work: from decoded pictures to the few that are analysed, and what is wrong with the stream.

Called by `capture` in the camera's thread for every decoded picture. Decides; does not wait, connect or send: what it
wants to be known goes through `Outlet`. When decoding cannot keep up (pictures come ever later although they lie ready
in the socket) it makes the source shed, first pictures that no other needs, then all but keyframes.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamer.errors import SourceError
from streamer.ingest.health import Look
from streamer.ingest.picture import PictureCheck
from streamer.ingest.quality import QualityCheck, why_dark
from streamer.ingest.rate import RateCheck
from streamer.ingest.spec import CameraSpec, Limits
from streamer.ingest.tamper import TamperCheck
from streamer.ingest.timeline import Moment, Timeline
from streamer.sources.privacy import Privacy
from streamer.sources.sampler import Sampler
from streamer.sources.scaler import Scaler
from streamer.sources.source import Picture, Shed, Source

_BURST = 4.0
_NOTE_SECONDS = 10.0
_SHED_STEP_SECONDS = 2.0
_USELESS_TIMES = 25
_NEW_SIZES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Analyzed:
    """A picture that is to be analysed."""

    session: int
    index: int
    moment: Moment
    pts_s: float
    gap_s: float
    """Seconds without an analysed picture before it, where that is more than the sampling explains."""
    pixels: NDArray[np.uint8]
    """uint8 (H, W, 3) RGB."""
    arrived_at: float
    """CLOCK_MONOTONIC when its last byte was on this machine."""
    cpu_at: float
    """The thread's processor time before anything was done for it, in seconds."""
    frame: Any
    """The full-size av.VideoFrame, for evidence; privacy masks are black in it."""


class Outlet(Protocol):
    """Where a camera's pictures go."""

    def deliver(self, picture: Analyzed) -> str:
        """Hand a picture on without waiting; ``ok`` or the reason why it was dropped."""


@dataclass(slots=True)
class Memory:
    """What a camera's sessions leave to each other."""

    look: PictureCheck
    rate: RateCheck
    drops: Counter[tuple[str, str]]
    """Pictures by (stage, outcome)."""
    tamper: TamperCheck | None = None
    """None: this camera is moved on purpose, or nobody wants to know."""
    session: int = 0
    last_captured_at: float | None = None
    thawing: bool = False
    """A frozen picture was answered by one new connection already."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What there is to say about a running session."""

    session: int
    cause: str | None
    detail: str
    look: Look
    width: int
    height: int


class Session:
    """One connection of one camera."""

    def __init__(self, spec: CameraSpec, limits: Limits, memory: Memory, source: Source, outlet: Outlet):
        self._limits = limits
        self._memory = memory
        self._source = source
        self._outlet = outlet
        self._scaler = Scaler(spec.width, spec.height)
        # what is wrong with a mask is raised here: a camera is not shown without it
        self._privacy = Privacy(spec.privacy) if spec.privacy else None
        self._period = 1.0 / spec.analyze_fps
        self._sampler = Sampler(spec.analyze_fps, burst=_BURST)
        self._timeline = Timeline()
        self._quality: QualityCheck | None = None
        self._index = 0
        self._size = (0, 0)
        self._look: Look = "ok"
        self._note: tuple[str, str, float] | None = None
        self._shed: Shed = "none"
        self._shed_at = 0.0
        self._whole_at: float | None = None
        self._whole_counts = source.counts.copy()
        self._new_sizes = 0
        self._clockless = False
        self._useless_times = 0
        self._last_pts_s = -math.inf
        self._said: tuple[object, ...] = ()
        self._last_condition: Condition | None = None

    def begin(self, now: float) -> None:
        """The connection is open."""
        self._memory.session += 1
        self._memory.rate.restart(self._source.fps)
        self._quality = QualityCheck(self._source.counts, now)
        self._whole_at = now

    def take(self, picture: Picture) -> Condition:
        """Deal with one decoded picture; raises SourceError when the session is of no more use."""
        now, memory = picture.arrived_at, self._memory
        size = (picture.frame.width, picture.frame.height)
        picture = self._with_usable_time(picture)
        moment = self._timeline.place(picture.pts_s, now, self._source.waited)
        self._useless_times = self._useless_times + 1 if moment.odd or picture.pts_s <= self._last_pts_s else 0
        self._last_pts_s = picture.pts_s
        if moment.jumped:
            self._renew("clock_jump", f"to {picture.pts_s:.1f} s", now)
        fits = self._fits(size, picture.clean, now)
        if memory.rate.count(now):
            self._run_away()
        self._keep_up(moment.lag_s, now)
        if moment.odd:
            memory.drops["sample", "odd_time"] += 1
        elif picture.clean and fits:
            self._whole_at, self._whole_counts = now, self._source.counts.copy()
            self._offer(picture, moment)
        else:
            memory.drops["decode", "corrupt"] += 1
        return self._condition(now)

    def check(self, now: float) -> None:
        """Raise SourceError if no whole picture came for too long; call it whenever there is time."""
        if self._source.counts.rationed > self._whole_counts.rationed:
            # pictures come, and it is we who leave them out; groups may be longer than any limit
            self._whole_at, self._whole_counts = now, self._source.counts.copy()
        if self._whole_at is not None and now - self._whole_at > self._limits.stall_s:
            cause, detail = why_dark(self._whole_counts, self._source.counts)
            raise SourceError(cause, f"no picture for {now - self._whole_at:.1f} s; {detail}")

    def _fits(self, size: tuple[int, int], clean: bool, now: float) -> bool:
        """Whether a picture has the session's size; a new size counts once it lasts, for broken data invent sizes."""
        if self._size == (0, 0):
            self._size = size
            self._memory.rate.restart(self._source.fps)  # the parameter sets have spoken by now
        self._new_sizes = self._new_sizes + clean if size != self._size else 0
        if self._new_sizes >= _NEW_SIZES:
            self._renew("resolution_changed", f"from {self._size[0]}x{self._size[1]} to {size[0]}x{size[1]}", now)
            self._size, self._new_sizes = size, 0
        return size == self._size

    def _with_usable_time(self, picture: Picture) -> Picture:
        """Some cameras send one timestamp for ever, or random ones: then the arrival has to do."""
        if not self._clockless and self._useless_times > _USELESS_TIMES:
            self._clockless = True
            self._timeline, self._last_pts_s = Timeline(), picture.arrived_at - 1.0
            self._renew("clock_jump", "the timestamps are of no use; the time of arrival is taken", picture.arrived_at)
        return replace(picture, pts_s=picture.arrived_at) if self._clockless else picture

    def _offer(self, picture: Picture, moment: Moment) -> None:
        memory = self._memory
        if not self._sampler.take(picture.pts_s, picture.arrived_at):
            memory.drops["sample", "not_due"] += 1
            return
        # masks come first: nothing behind this line ever sees what they hide
        frame = picture.frame if self._privacy is None else self._privacy.hide(picture.frame)
        pixels = self._scaler.rgb(frame)
        self._judge(pixels, moment.captured_at)
        analyzed = Analyzed(
            *(memory.session, self._index, moment, picture.pts_s, self._gap(moment)),
            *(pixels, picture.arrived_at, self._source.cpu_at, frame),
        )
        outcome = self._outlet.deliver(analyzed)
        memory.drops["sample" if outcome == "ok" else "slot", outcome] += 1
        if outcome == "ok":
            self._index += 1
            memory.last_captured_at = moment.captured_at

    def _judge(self, pixels: NDArray[np.uint8], at: float) -> None:
        memory = self._memory
        shown = None if self._privacy is None else self._privacy.visible(pixels.shape[1], pixels.shape[0])
        look = memory.look.look(pixels, at, shown)
        if look == "ok" and memory.tamper is not None:
            look = memory.tamper.look(pixels, at, shown)
        if look != "frozen":
            memory.thawing = False
        elif not memory.thawing and self._look == "frozen":
            # it has been told; now one new connection, for it is often a proxy that repeats its last picture
            memory.thawing = True
            raise SourceError("frozen", f"for {self._limits.frozen_s:.0f} s")
        self._look = look

    def _gap(self, moment: Moment) -> float:
        last = self._memory.last_captured_at
        if last is None:
            return 0.0
        expected = max(self._period, 1.0 / (self._source.fps or self._memory.rate.nominal))
        gap = moment.captured_at - last
        return gap if gap > 1.6 * expected else 0.0

    def _renew(self, cause: str, detail: str, now: float) -> None:
        """What comes now does not connect to what was: a new session on the same connection."""
        self._memory.session += 1
        self._index = 0
        self._sampler.restart()
        self._note = (cause, detail, now)

    def _run_away(self) -> None:
        rate = self._memory.rate
        detail = f"{rate.fps:.0f} frames/s where {rate.nominal:.0f} are announced"
        if not rate.believed:
            raise SourceError("runaway", detail)

    def _keep_up(self, lag_s: float, now: float) -> None:
        """Shed while we are the slow ones: late pictures that did not have to be waited for."""
        limit = self._limits.shed_s
        if lag_s < limit / 3 or self._source.waited:
            wanted: Shed = "none" if lag_s < limit / 3 or now - self._shed_at > _SHED_STEP_SECONDS else self._shed
        elif lag_s > limit and self._shed == "none":
            wanted = "nonref"
        elif lag_s > limit and self._shed == "nonref" and now - self._shed_at > _SHED_STEP_SECONDS:
            wanted = "nonkey"
        else:
            wanted = self._shed
        if wanted != self._shed:
            self._shed, self._shed_at = wanted, now
            self._source.shed(wanted)

    def _condition(self, now: float) -> Condition:
        quality = self._quality
        if quality is not None:
            quality.judge(now)
        if self._note is not None and now - self._note[2] > _NOTE_SECONDS:
            self._note = None
        cause, detail = self._cause(quality)
        look: Look = "runaway" if self._memory.rate.runs_away and self._look == "ok" else self._look
        says = (self._memory.session, cause, detail, look, *self._size)
        if self._last_condition is None or says != self._said:  # nearly always it is what it was
            self._said = says
            self._last_condition = Condition(self._memory.session, cause, detail, look, *self._size)
        return self._last_condition

    def _cause(self, quality: QualityCheck | None) -> tuple[str | None, str]:
        if self._look != "ok":
            tamper = self._memory.tamper
            return self._look, "" if tamper is None or self._look in ("frozen", "black") else tamper.detail
        if self._memory.rate.runs_away:
            return "runaway", f"over twice the {self._memory.rate.nominal:.0f} frames/s that are announced"
        # what is wrong with the stream itself is told before that there is too much of it
        if quality is not None and quality.verdict is not None:
            return quality.verdict
        if self._shed != "none" or self._source.ration.share < 1.0:
            return "overloaded", "decoding cannot keep up; pictures are left out"
        return (self._note[0], self._note[1]) if self._note is not None else (None, "")
