"""Rings filled with real encoded pictures, for the tests of evidence."""

from __future__ import annotations

from streamer.ingest.ring import Ring
from streamer.sources.rtp import AccessUnit
from streamer.sources.source import Encoding
from tests.sources.media import encode

CODECS = {"h264": "h264", "h265": "hevc"}


def unit(number: int, key: bool = False, size: int = 100, at: float | None = None, ticks: int | None = None):
    """A unit that nobody decodes, ten a second."""
    return AccessUnit(
        bytes(size),
        number * 9000 if ticks is None else ticks,
        key,
        key,
        False,
        1000.0 + number / 10 if at is None else at,
    )


def encoding(codec: str = "h264") -> Encoding:
    return Encoding(CODECS[codec], b"", 90000)


def film(n=40, codec="h264", gop=10, fps=10, start=1000.0, first_ticks=500_000, delays=(0.0,), **options):
    """Real units: shown `fps` a second from `start` on, each delayed in turn by one of `delays`."""
    coded = encode(n, codec, gop=gop, fps=fps, **options)
    assert len(coded) == n
    found = []
    for order, (data, pts) in enumerate(coded):
        key = order % gop == 0 if not options.get("bframes") else _is_key(data)
        at = start + max(pts, order) / fps + delays[order % len(delays)]
        found.append(AccessUnit(data, first_ticks + round(pts * 90000 / fps), key, key, False, at))
    return found


def filled(units, codec="h264", max_bytes=10_000_000, seconds=60.0) -> Ring:
    ring = Ring(max_bytes, seconds)
    ring.begin(encoding(codec))
    for one in units:
        ring.put(one)
    return ring


def _is_key(data: bytes) -> bool:
    return any(piece[:1] and piece[0] & 0x1F == 7 for piece in data.split(b"\x00\x00\x01"))
