"""`streamer probe URL`: what a camera sends, how well it arrives, and what is wrong with it, in words.

Opens the address exactly as a reader would (same client, same decoder) and watches it for some seconds. Blocking; runs
in the calling thread of the command. The delay from the camera's lens is only given where the camera's own clock
(RTCP sender reports) is right; a wrong one is a finding of its own.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field, replace

from streamer.errors import CAUSES, SourceError
from streamer.ingest.picture import PictureCheck
from streamer.ingest.quality import why_dark
from streamer.ingest.timeline import Timeline
from streamer.log import secrets
from streamer.sources.address import Address, parse
from streamer.sources.live import open_live
from streamer.sources.rtsp import RtspSource
from streamer.sources.sampler import Sampler
from streamer.sources.scaler import Scaler
from streamer.sources.source import Counts, Picture, Source, SourceOptions

_SANE_CLOCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What was seen; None where it could not be told."""

    address: str
    """Without credentials."""
    codec: str = ""
    transport: str = ""
    width: int = 0
    height: int = 0
    fps: float | None = None
    """Measured from the pictures' own times."""
    announced_fps: float | None = None
    keyframe_seconds: float | None = None
    """Longest time between keyframes."""
    bits_per_second: float = 0.0
    connect_seconds: float = 0.0
    first_picture_seconds: float | None = None
    """From the start of the connection."""
    jitter_ms: float | None = None
    """95 % of the pictures arrive within this after the least delayed one."""
    decode_ms: float | None = None
    """Median time from a picture's last byte to the decoded picture."""
    latency_ms: float | None = None
    """Median time from the camera's own clock to the decoded picture; None where that clock is missing or wrong."""
    clock_error_seconds: float | None = None
    """How far the camera's clock is from this machine's; None if it does not tell the time."""
    packets_lost: int = 0
    packets: int = 0
    problems: tuple[tuple[str, str], ...] = field(default=())
    """(key of errors.CAUSES, more words), the gravest first."""

    @property
    def works(self) -> bool:
        """Whether pictures came."""
        return self.first_picture_seconds is not None

    def to_text(self) -> str:
        """Lines for people."""
        lines = [self.address]
        if self.works:
            announced = f" ({self.announced_fps:g} announced)" if self.announced_fps else ""
            lines += [
                _line("video", f"{self.codec} {self.width}x{self.height}, {_or(self.fps, '{:.1f}')} fps{announced}"),
                _line("stream", f"{self.bits_per_second / 1e6:.2f} Mbit/s over {self.transport}"),
                _line("keyframes", f"every {_or(self.keyframe_seconds, '{:.1f}')} s"),
                _line(
                    "first picture", f"{self.first_picture_seconds:.2f} s (connected in {self.connect_seconds:.2f} s)"
                ),
                _line("arrival jitter", f"{_or(self.jitter_ms, '{:.0f}')} ms (95 %)"),
                _line("decoding", f"{_or(self.decode_ms, '{:.1f}')} ms a picture"),
                _line("latency", self._latency()),
                _line("packets lost", f"{self.packets_lost} of {self.packets + self.packets_lost}"),
            ]
        for cause, words in self.problems:
            lines.append(_line("problem", f"{cause}: {CAUSES[cause]}{' - ' + words if words else ''}"))
        if not self.problems:
            lines.append(_line("problem", "none"))
        return "\n".join(lines)

    def _latency(self) -> str:
        if self.latency_ms is not None:
            return f"{self.latency_ms:.0f} ms from the camera's clock to the decoded picture"
        if self.clock_error_seconds is not None:
            return f"unknown: the camera's clock is {self.clock_error_seconds:+.0f} s off"
        return "unknown: the camera does not tell the time"


@dataclass(slots=True)
class _Seen:
    """What is collected while watching."""

    pts: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    keys: list[float] = field(default_factory=list)
    clock_error: float | None = None
    first_at: float | None = None
    size: tuple[int, int] = (0, 0)
    problems: dict[str, str] = field(default_factory=dict)


def probe(url: str, seconds: float = 10.0, transport: str = "tcp", open_s: float = 10.0) -> ProbeReport:
    """Watch a camera; never raises for what is wrong with it.

    Args:
        url: its address, with credentials.
        seconds: how long to watch once it is open.
        transport: ``tcp`` or ``udp``.
        open_s: time limit for connecting.
    """
    try:
        address = parse(url)
    except SourceError as error:
        return ProbeReport("(no address)", problems=((error.cause, error.detail),))
    started_at = time.monotonic()
    seen, source, opened_at, counts = _Seen(), None, started_at, Counts()
    try:
        source = open_live(address, SourceOptions(transport), open_s, max(seconds, 2.0), lambda source: None)
        opened_at = time.monotonic()
        counts = source.counts
        _watch(source, seen, opened_at + seconds)
    except SourceError as error:
        seen.problems[error.cause] = secrets.scrub(error.detail)
    finally:
        if source is not None:
            source.close()
    report = _report(address, seen, counts, time.monotonic() - opened_at)
    if source is None:
        return report
    return replace(
        report,
        codec=source.info.codec,
        transport=source.info.transport,
        announced_fps=source.fps,
        connect_seconds=opened_at - started_at,
        first_picture_seconds=None if seen.first_at is None else seen.first_at - started_at,
    )


def _watch(source: Source, seen: _Seen, until: float) -> None:
    timeline, sampler, scaler = Timeline(), Sampler(5.0), Scaler(320, 320)
    check = PictureCheck(frozen_s=3.0, black_s=1.0)
    while time.monotonic() < until:
        for picture in source.read():
            now = time.monotonic()
            seen.first_at = seen.first_at or now
            seen.size = (picture.frame.width, picture.frame.height)
            seen.decode.append(now - picture.arrived_at)
            moment = timeline.place(picture.pts_s, picture.arrived_at, source.waited)
            if moment.jumped:
                seen.problems["clock_jump"] = f"to {picture.pts_s:.1f} s"
            if moment.odd:
                continue
            seen.pts.append(picture.pts_s)
            seen.lags.append(moment.lag_s)
            if picture.key:
                seen.keys.append(picture.pts_s)
            _ask_clock(source, picture, seen, now)
            if sampler.take(picture.pts_s):
                look = check.look(scaler.rgb(picture.frame), picture.arrived_at)
                if look != "ok":
                    seen.problems[look] = ""


def _ask_clock(source: Source, picture: Picture, seen: _Seen, now: float) -> None:
    """Compare the camera's own time of the picture with ours."""
    report = source.report if isinstance(source, RtspSource) else None
    if report is None or not isinstance(source, RtspSource):
        return
    captured_utc = report.utc_s + picture.pts_s - report.ticks / source.clock_rate
    late = time.time() - (time.monotonic() - now) - captured_utc
    seen.clock_error = -late
    if -0.05 <= late <= _SANE_CLOCK_SECONDS:
        seen.latency.append(late)


def _report(address: Address, seen: _Seen, counts: Counts, watched_s: float) -> ProbeReport:
    steps = [b - a for a, b in zip(seen.pts, seen.pts[1:], strict=False) if b > a]
    key_steps = [b - a for a, b in zip(seen.keys, seen.keys[1:], strict=False) if b > a]
    if seen.first_at is None and not seen.problems:
        cause, words = why_dark(Counts(), counts)
        seen.problems[cause] = words
    if counts.packets_lost:
        seen.problems.setdefault("packet_loss", f"{counts.packets_lost} of {counts.packets + counts.packets_lost}")
    if counts.decode_errors > 0.2 * max(counts.units, 1):
        seen.problems.setdefault("corrupt", f"{counts.decode_errors} of {counts.units} pictures")
    latency_known = bool(seen.latency) and len(seen.latency) > len(seen.pts) / 2
    return ProbeReport(
        address=secrets.scrub(address.bare),
        width=seen.size[0],
        height=seen.size[1],
        fps=1.0 / statistics.median(steps) if steps else None,
        keyframe_seconds=max(key_steps) if key_steps else None,
        bits_per_second=counts.bytes_received * 8 / max(watched_s, 1e-3),
        jitter_ms=_percentile(seen.lags, 0.95) * 1000 if seen.lags else None,
        decode_ms=statistics.median(seen.decode) * 1000 if seen.decode else None,
        latency_ms=statistics.median(seen.latency) * 1000 if latency_known else None,
        clock_error_seconds=seen.clock_error if not latency_known else None,
        packets_lost=counts.packets_lost,
        packets=counts.packets,
        problems=tuple(seen.problems.items()),
    )


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _or(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)


def _line(name: str, text: str) -> str:
    return f"  {name + ':':<16}{text}"
