"""One simulated camera at work: its clock, the reel it sends, who watches, and how it misbehaves.

Frame n is due at `origin + n / fps` of CLOCK_MONOTONIC, so that nothing drifts; a late event loop catches up. RTP
timestamps come from the same deadlines. The clock begins with the first PLAY (or at once, if so set) and then runs on
whether or not anyone watches. Called by `rtsp`. Runs in the event loop's thread; one timer a camera.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from streamer.simulator.auth import Guard
from streamer.simulator.faults import Fault, mangle
from streamer.simulator.outlet import Outlet
from streamer.simulator.reel import Reel, Unit
from streamer.simulator.rtcp import Report, sender_report
from streamer.simulator.rtp import CLOCK_RATE, Burst

REPORT_SECONDS = 5.0
LATEST_SECONDS = 2.0
"""A camera that is further behind than this leaves frames out instead of sending them all in a burst."""
LONGEST_WAIT_SECONDS = 2.0
"""A client does not wait longer than this for a keyframe when it is the only one."""
CLOCKS = ("sane", "epoch", "none")
"""What its RTCP says of time: the time of day; seconds since the camera's start, as if that were 1970; nothing."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """A camera as the server needs it."""

    name: str
    guard: Guard = field(default_factory=Guard)
    audio: bool = False
    """Offer an audio track beside the video."""
    transport: str = "any"
    """Which transport it agrees to: any, tcp, udp."""
    clock: str = "sane"
    start: int = 0
    """Index of the loop's frame that is sent first."""
    phase: float = 0.0
    """Delay of its clock as a fraction of a frame period, so that cameras do not send at the same instants."""
    on_play: bool = True
    """The clock begins with the first PLAY; false: with the server."""
    own_port: int | None = None
    """A port of its own (0: any free one), which can then really be refused; None: the server's."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Stand:
    """Another reel that stands in for the camera's own while a fault lasts."""

    reel: Reel
    aligned: bool
    """It is as long as the own one and shows the same moments; false: it begins anew when it is put in."""


class Mount:
    """A camera that runs."""

    def __init__(self, camera: CameraSettings, reel: Reel, log: Callable[[int, float], None] | None = None):
        """`log` is told each frame's number and when it is sent, 0.0 for a frame that is held back."""
        self.camera, self.reel = camera, reel
        self.fault: Fault | None = None
        self.number = 0
        """Of the next frame."""
        self.late = 0
        """Frames left out because this process was too late."""
        self._log = log or (lambda number, at: None)
        self._chance = random.Random(f"{camera.name}/{camera.seed}")
        self.ssrc = self._chance.getrandbits(32)
        self._sequence, self._base = self._chance.getrandbits(16), self._chance.getrandbits(32)
        self._outlets: list[Outlet] = []
        self._timer: asyncio.TimerHandle | None = None
        self._origin: float | None = None
        self._rebase = (0.0, 0, reel.fps)  # deadline of frame n: at + (n - number) / rate
        self._hold_until, self._held = 0.0, -1
        self._stand: Stand | None = None
        self._stand_from, self._stand_on, self._leaving = 0, False, False
        self._jump, self._next_jump = 0, float("inf")
        self._next_report = 0.0

    @property
    def described(self) -> Reel:
        """What a client that asks now will get."""
        return self._stand.reel if self._stand and self._stand_on else self.reel

    @property
    def frames(self) -> int:
        """Pictures until what it shows begins anew."""
        return len(self.reel)

    @property
    def index(self) -> int:
        """Of the next frame among these."""
        return (self.camera.start + self.number) % self.frames

    @property
    def watchers(self) -> tuple[Outlet, ...]:
        """The outlets that media flow to."""
        return tuple(self._outlets)

    def play(self, outlet: Outlet) -> None:
        """Begin to send to an outlet, from the next keyframe on."""
        if outlet not in self._outlets:
            self._outlets.append(outlet)
        self._next_report = 0.0
        self.begin()

    def leave(self, outlet: Outlet) -> None:
        """Send no more to an outlet."""
        if outlet in self._outlets:
            self._outlets.remove(outlet)
        outlet.waiting = True

    def begin(self) -> None:
        """Start the camera's clock, unless it runs."""
        if self._origin is None:
            self._origin = time.monotonic() + self.camera.phase / self.reel.fps
            self._rebase = (self._origin, self.number, self.reel.fps)
            self._schedule(self._origin)

    def stop(self) -> None:
        """Stop the clock for good."""
        if self._timer:
            self._timer.cancel()

    def misbehave(self, fault: Fault | None, stand: Stand | None = None) -> None:
        """Take on a fault (with its stand-in reel, where it needs one), or behave again."""
        silent = self.fault is not None and self.fault.silences
        self.fault = fault
        rate = self.reel.fps * (fault.factor if fault and fault.kind == "flood" else 1.0)
        if self._origin is not None and rate != self._rebase[2]:
            self._rebase = (self._deadline(self.number), self.number, rate)
        self._leaving = stand is None
        if stand:
            self._stand, self._stand_from, self._stand_on = stand, self.number, not stand.aligned
        self._next_jump = time.monotonic() if fault and fault.kind.startswith("pts_") else float("inf")
        if silent:
            for outlet in self._outlets:
                outlet.waiting = True
        if self._origin is not None:
            self._schedule(self._deadline(self.number))

    def cue(self) -> tuple[int, int] | None:
        """Get ready for a client that plays now; sequence number and timestamp of its first packet if known.

        A client begins with a keyframe. Where the next one is far (files of long keyframe intervals) and nobody else
        watches, the camera moves on to it at once: the frames between are not sent, the numbers count on.
        """
        sequence, reel = self._sequence, self.reel
        for number in range(self.number, self.number + len(reel)):
            unit = reel.units[(self.camera.start + number) % len(reel)]
            if unit.key:
                break
            sequence += len(unit.burst.offsets)
        running = self._origin is not None
        if not self._outlets and (number - self.number) / reel.fps > LONGEST_WAIT_SECONDS:
            now = time.monotonic()
            sequence = self._sequence
            self._pass(number - self.number)
            if running:
                self._rebase = (max(now, self._rebase[0]), number, self._rebase[2])
                self._schedule(self._rebase[0])
        at = self._deadline(number) - (self._origin or 0.0) if running else (number - self.number) / reel.fps
        return sequence & 0xFFFF, (self._timestamp(at) + self._shift(unit)) & 0xFFFFFFFF

    def _pass(self, frames: int) -> None:
        """Leave frames out; the log says so."""
        for number in range(self.number, self.number + frames):
            self._log(number, 0.0)
        self.number += frames

    def _deadline(self, number: int) -> float:
        at, first, rate = self._rebase
        return at + (number - first) / rate

    def _timestamp(self, since: float) -> int:
        """RTP timestamp of an instant, in seconds since the camera's start."""
        return self._base + self._jump + round(since * CLOCK_RATE)

    def _shift(self, unit: Unit) -> int:
        return round(unit.shift * CLOCK_RATE / self.reel.fps)

    def _schedule(self, at: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - time.monotonic()), self._tick)

    def _tick(self) -> None:
        """Send every frame that is due, then sleep until the next."""
        now = time.monotonic()
        while (due := self._deadline(self.number)) <= now + 1e-4:
            if now - due > LATEST_SECONDS:
                self._skip(now)
                continue
            unit = self._pick()
            if self._holds(unit, now):
                break
            self._emit(unit, due)
            self.number += 1
        self._schedule(max(self._deadline(self.number), self._hold_until))

    def _skip(self, now: float) -> None:
        behind = int((now - self._deadline(self.number)) * self._rebase[2])
        self.late += behind
        self._pass(behind)
        for outlet in self._outlets:
            outlet.waiting = True

    def _holds(self, unit: Unit, now: float) -> bool:
        """Whether the pause round a keyframe keeps this frame back."""
        if self.fault is None or self.fault.kind != "keyframe_pause":
            self._hold_until = 0.0
            return False
        if unit.key and self._held != self.number:
            self._held, self._hold_until = self.number, now + self.fault.seconds
        return now < self._hold_until

    def _pick(self) -> Unit:
        """The unit of the next frame: the reel's own, or the stand-in's; they change places at keyframes only."""
        own, stand = self.reel.units[self.index], self._stand
        if stand is None:
            return own
        if self._leaving and own.key:
            self._stand, self._stand_on = None, False
            return own
        if stand.aligned:
            other = stand.reel.units[self.index % len(stand.reel)]
            self._stand_on = self._stand_on or other.key
            return other if self._stand_on else own
        return stand.reel.units[(self.number - self._stand_from) % len(stand.reel)]

    def _emit(self, unit: Unit, due: float) -> None:
        now, since, fault = time.monotonic(), due - (self._origin or 0.0), self.fault
        if now >= self._next_jump and fault:
            self._leap(fault, since, now)
        if fault and fault.silences:
            self._log(self.number, 0.0)
            return
        burst: Burst | None = unit.burst
        unit.burst.stamp(self._sequence, self._timestamp(since) + self._shift(unit), self.ssrc)
        self._sequence = self._sequence + len(unit.burst.offsets) & 0xFFFF
        if fault:
            burst = mangle(unit.burst, fault, self._chance)
        self._log(self.number, time.monotonic())
        for outlet in self._outlets:
            if burst:
                outlet.offer(burst, unit.key)
        if now >= self._next_report:
            self._report(now)

    def _leap(self, fault: Fault, since: float, now: float) -> None:
        """Let the timestamps jump, or start again at zero."""
        if fault.kind == "pts_jump":
            self._jump += round(fault.seconds * CLOCK_RATE)
        else:
            self._jump -= self._timestamp(since)
        self._next_jump = now + fault.every_seconds if fault.every_seconds else float("inf")

    def _report(self, now: float) -> None:
        self._next_report = now + REPORT_SECONDS
        if self.camera.clock == "none" or self._origin is None:
            return
        since = now - self._origin
        unix = time.time() if self.camera.clock == "sane" else since
        for outlet in self._outlets:
            report = Report(self.ssrc, unix, self._timestamp(since), outlet.packets, outlet.octets)
            outlet.report(sender_report(report, self.camera.name))
