"""A reel: encoded pictures that a simulated camera sends in a loop, already cut into RTP packets.

A reel comes from a file (`file_reel`, nothing is re-encoded) or from an encoder (`make_reel`, fed by `encode`). It
begins with a keyframe, every keyframe carries its parameter sets, and it can be sent round and round at a constant
rate. Cameras may share one: nothing in it belongs to a camera, and every send stamps the packets anew.

Called by `build` and `variant`; `mount` sends the units. PyAV is imported only when a file is read. Any thread may
build one; only the event loop's thread sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.errors import InputError
from streamer.simulator.rtp import Burst, nal_type, packetize, split_nals

CODECS = ("h264", "h265")
PARAMETER_TYPES = {"h264": (7, 8), "h265": (32, 33, 34)}
"""NAL types of the parameter sets, in the order in which they are sent: SPS, PPS; VPS, SPS, PPS."""
_DROPPED = {"h264": (9, 10, 11, 12), "h265": (35, 36, 37, 38)}
"""Delimiters, ends and fillers: RTP's marker bit says it, and a loop must not say 'end of stream' on each round."""
_CODEC_OF = {"h264": "h264", "hevc": "h265"}
_START = b"\x00\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class Unit:
    """One access unit: a coded picture."""

    nals: tuple[bytes, ...]
    key: bool
    shift: int
    """Presentation minus sending, in frames, never positive: 0 everywhere unless the file has B-frames."""
    burst: Burst

    @property
    def annexb(self) -> bytes:
        """The unit as a byte stream with start codes, as decoders take it."""
        return b"".join(_START + nal for nal in self.nals)


@dataclass(frozen=True, slots=True)
class Reel:
    """Coded pictures to be sent in a loop at a constant rate."""

    codec: str
    width: int
    height: int
    fps: float
    units: tuple[Unit, ...]
    parameter_sets: tuple[bytes, ...]
    """SPS, PPS or VPS, SPS, PPS, for the session description."""

    def __len__(self) -> int:
        return len(self.units)

    @property
    def keys(self) -> tuple[int, ...]:
        """Indexes of the keyframes; the first is 0."""
        return tuple(i for i, unit in enumerate(self.units) if unit.key)

    @property
    def seconds(self) -> float:
        """Duration of one round."""
        return len(self.units) / self.fps


@dataclass(frozen=True, slots=True)
class Coded:
    """One access unit as an encoder or a file gives it."""

    annexb: bytes
    key: bool
    pts: int | None = None
    """Presentation time in any unit; only the order matters."""


def make_reel(codec: str, size: tuple[int, int], fps: float, coded: Iterable[Coded]) -> Reel:
    """Cut coded pictures into packets; `size` is (width, height). Raises InputError when there is no keyframe."""
    pictures = [(c, _nals(c, codec)) for c in coded]
    first = next((i for i, (c, _) in enumerate(pictures) if c.key), None)
    if first is None:
        raise InputError(f"the {codec} stream has no keyframe in {len(pictures)} pictures; re-encode it")
    pictures = pictures[first:]
    shifts = _shifts([c.pts for c, _ in pictures])
    sets = _parameter_sets(codec, [nals for _, nals in pictures])
    units = [make_unit(picture, codec, sets, shift) for (picture, _), shift in zip(pictures, shifts, strict=True)]
    return Reel(codec, size[0], size[1], fps, tuple(units), tuple(sets))


def make_unit(picture: Coded, codec: str, sets: Sequence[bytes], shift: int = 0) -> Unit:
    """One coded picture cut into packets; a keyframe gets the parameter sets, whether it has them or not."""
    nals = _nals(picture, codec)
    if picture.key:
        nals = [*sets, *(n for n in nals if nal_type(n, codec) not in PARAMETER_TYPES[codec])]
    return Unit(tuple(nals), picture.key, shift, packetize(nals, codec))


def _nals(picture: Coded, codec: str) -> list[bytes]:
    return [n for n in split_nals(picture.annexb) if nal_type(n, codec) not in _DROPPED[codec]]


def file_reel(path: Path, fps: float | None = None) -> Reel:
    """The video of a file (MP4, MKV, Annex-B, ...), H.264 or H.265, not re-encoded.

    It plays at its own average rate, or at `fps`. The pictures are sent at a constant rate: a variable frame rate is
    evened out. Raises InputError for a file that cannot be read or that holds another codec.
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            codec = _CODEC_OF.get(stream.codec_context.name, "")
            if not codec:
                raise InputError(
                    f"{path}: its video is {stream.codec_context.name}; the simulator serves h264 and h265"
                )
            size = (stream.codec_context.width, stream.codec_context.height)
            coded = _read(container, stream, codec)
            rate = fps or float(stream.average_rate or stream.guessed_rate or 25)
    except (av.FFmpegError, IndexError, OSError) as error:
        raise InputError(f"{path}: no video can be read from it: {error}") from error
    return make_reel(codec, size, rate, coded)


def _read(container: Any, stream: Any, codec: str) -> list[Coded]:
    """Every packet of the stream as Annex B."""
    import av

    extradata = stream.codec_context.extradata or b""
    boxed = len(extradata) > 6 and extradata[0] == 1  # avcC and hvcC begin with their version, Annex B with zeros
    convert = av.BitStreamFilterContext("h264_mp4toannexb" if codec == "h264" else "hevc_mp4toannexb", stream)
    coded = []
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        key, pts = packet.is_keyframe, packet.pts
        for part in convert.filter(packet) if boxed else [packet]:
            coded.append(Coded(bytes(part), key, pts))
    if coded and not boxed and extradata:
        coded[0] = Coded(extradata + coded[0].annexb, coded[0].key, coded[0].pts)
    return coded


def _parameter_sets(codec: str, pictures: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The distinct parameter sets of the stream, in sending order."""
    found: dict[bytes, int] = {}
    for nals in pictures:
        for nal in nals:
            if nal_type(nal, codec) in PARAMETER_TYPES[codec]:
                found.setdefault(nal, nal_type(nal, codec))
    missing = [kind for kind in PARAMETER_TYPES[codec] if kind not in found.values()]
    if missing:
        raise InputError(f"the {codec} stream has no parameter set of NAL type {missing[0]}; re-encode it")
    return sorted(found, key=lambda nal: found[nal])


def _shifts(times: Sequence[int | None]) -> list[int]:
    """How many frames each picture's presentation lies from its turn in sending order, moved so that none is late."""
    known = [t for t in times if t is not None]
    if len(known) < len(times) or len(set(known)) < len(known):
        return [0] * len(times)
    order = {t: rank for rank, t in enumerate(sorted(known))}
    leads = [order[t] - turn for turn, t in enumerate(known)]
    return [lead - max(leads) for lead in leads]
