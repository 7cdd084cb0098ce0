"""What every live source is to a reader: something that gives decoded pictures until it fails with a named cause.

`rtsp`, `libav`, `opencv` and `clip` implement it; `ingest.session` consumes it. One source is one connection: it is
opened once, read in one thread, and never reused. Only `abort` may be called from another thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from streamer.sources.ration import Ration
from streamer.sources.rtp import AccessUnit

Shed = Literal["none", "nonref", "nonkey"]
"""What decoding leaves out when it cannot keep up: nothing, pictures that no other needs, all but keyframes."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture."""

    pts_s: float
    """Presentation time in seconds, as the source counts."""
    arrived_at: float
    """CLOCK_MONOTONIC when its last byte was here."""
    frame: Any
    """av.VideoFrame; its planes belong to it and stay valid as long as it is kept."""
    key: bool = False
    clean: bool = True
    """False: data are missing or broken, in it or in what it builds on."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream once it is open."""

    codec: str
    transport: str
    """How it comes: ``rtsp/tcp``, ``libav``, ``opencv``, ``file``."""
    fps: float | None = None
    """Announced frames a second; None if it does not say."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """How a source's access units are coded: what it takes to decode them, or to put them into a file."""

    codec: str
    """libavcodec's name of it: ``h264``, ``hevc``, ..."""
    parameter_sets: bytes
    """Annex B, as the description gave them; empty if they only come in the stream."""
    clock_rate: int
    """Ticks a second of the units' times."""


@dataclass(slots=True)
class Counts:
    """What a source has done so far; only ever counts up."""

    bytes_received: int = 0
    units: int = 0
    """Encoded pictures that came."""
    keyframes: int = 0
    decoded: int = 0
    decode_errors: int = 0
    shed_nonref: int = 0
    shed_nonkey: int = 0
    rationed: int = 0
    waiting: int = 0
    """Encoded pictures left out because no keyframe had come yet."""
    packets: int = 0
    packets_lost: int = 0

    def copy(self) -> Counts:
        """As they are now; much cheaper than `dataclasses.replace`, for it is made for each picture."""
        return Counts(
            self.bytes_received,
            self.units,
            self.keyframes,
            self.decoded,
            self.decode_errors,
            self.shed_nonref,
            self.shed_nonkey,
            self.rationed,
            self.waiting,
            self.packets,
            self.packets_lost,
        )


class Source(ABC):
    """One connection to something that sends pictures."""

    info: StreamInfo
    """Set by `open`."""

    def __init__(self) -> None:
        self.counts = Counts()
        """What it counts into; may be replaced before `open`, to go on counting where another source ended."""
        self.ration = Ration()
        """Which pictures are decoded at all; asked by those sources that can leave some out."""
        self.cpu_at = 0.0
        """The reading thread's processor time when the last `read` began; set by who calls it."""
        self.waited = False
        """Whether the last `read` had to wait for data: whatever lag there is then is not this machine's."""
        self.encoding: Encoding | None = None
        """Set by `open` where encoded pictures come; None: this source has none to give (USB cameras)."""
        self.tap: Callable[[AccessUnit], None] | None = None
        """Shown each encoded picture, before it is decoded, in the thread that reads; set after `open`."""

    @abstractmethod
    def open(self, timeout_s: float) -> None:
        """Connect, and learn what comes; raises SourceError with the cause."""

    @abstractmethod
    def read(self) -> list[Picture]:
        """The next pictures; may be empty after about a second without any. Raises SourceError when it is over."""

    @property
    def fps(self) -> float | None:
        """Announced frames a second, as far as known by now."""
        return self.info.fps

    def shed(self, what: Shed) -> None:  # noqa: B027 - doing nothing is a fair answer
        """Leave pictures out before they cost decoding time (see Shed); a source that cannot ignores it."""

    def abort(self) -> None:  # noqa: B027 - so is it here: libavformat cannot be aborted
        """Make a `read` or `open` that hangs return soon, with an error; from any thread."""

    @abstractmethod
    def close(self) -> None:
        """Free everything, from the thread that reads; safe after a failed `open`."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How a source is to be read."""

    transport: str = "tcp"
    """``tcp`` or ``udp`` for RTSP."""
    realtime: bool = True
    """Recordings only: play at their own pace."""
    decode: bool = True
    """False: `read` gives no pictures; encoded ones go to the `tap` only."""
    extra: dict[str, str] = field(default_factory=dict)
    """Options for libavformat."""
