"""What a camera says it offers (SDP, RFC 8866): the video track among the rest, and how its packets are made.

Called by `dialog` with what DESCRIBE returned. The text comes from outside: sizes are bounded, numbers are checked, and
anything that is not understood is left out, not believed.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from streamer.errors import SourceError

MAX_BYTES = 64 * 1024
"""Longest description that is read; real ones are 0.3 to 4 KB."""
_MAX_PARAMETER_SETS = 8 * 1024
_START_CODE = b"\x00\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """The first video track of a description."""

    codec: str
    """``h264``, ``h265``, or the encoding's name in lower case."""
    payload_type: int
    clock_rate: int
    control: str
    """URL of the track, absolute or relative to the base; empty for the whole."""
    fps: float | None
    """Announced frames a second."""
    parameter_sets: bytes
    """SPS, PPS (and VPS) with start codes; empty if they come in the stream only."""
    donl: bool = False
    """H.265 packets carry decoding order numbers (sprop-max-don-diff > 0)."""


@dataclass(frozen=True, slots=True)
class Description:
    """What matters of an SDP."""

    video: VideoTrack
    control: str
    """The session's own control URL; empty if none."""


def parse(text: str) -> Description:
    """Find the video track.

    Raises:
        SourceError: ``no_video`` when there is none.
    """
    session, *media = re.split(r"(?m)^m=", text[:MAX_BYTES])
    for section in media:
        head = section.split("\n", 1)[0].split()
        if len(head) >= 4 and head[0] == "video" and head[3].isdigit():
            return Description(_video(section, int(head[3])), _attribute(session, "control"))
    kinds = sorted({section.split(" ", 1)[0].strip()[:20] for section in media})
    raise SourceError("no_video", f"the description offers {', '.join(kinds) or 'nothing'}")


def _video(section: str, payload_type: int) -> VideoTrack:
    encoding, _, rate = _attribute(section, f"rtpmap:{payload_type} ", separator="").partition("/")
    encoding = encoding.strip().lower() or {26: "jpeg", 31: "h261", 32: "mpv", 34: "h263"}.get(payload_type, "unknown")
    codec = {"hevc": "h265"}.get(encoding, encoding)
    format_text = _attribute(section, f"fmtp:{payload_type} ", separator="")
    parameters = dict(pair.strip().partition("=")[::2] for pair in format_text.split(";") if "=" in pair)
    parameters = {key.lower(): value.strip() for key, value in parameters.items()}
    clock_rate = rate.split("/")[0].strip()
    return VideoTrack(
        codec=codec,
        payload_type=payload_type,
        clock_rate=int(clock_rate) if clock_rate.isdigit() and 0 < int(clock_rate) <= 10_000_000 else 90000,
        control=_attribute(section, "control"),
        fps=_fps(_attribute(section, "framerate")),
        parameter_sets=_parameter_sets(codec, parameters),
        donl=parameters.get("sprop-max-don-diff", "0") not in ("", "0"),
    )


def _attribute(section: str, name: str, separator: str = ":") -> str:
    """Value of ``a=name:value``; empty if absent."""
    found = re.search(rf"(?m)^a={re.escape(name)}{separator}(.*)$", section)
    return found.group(1).strip() if found else ""


def _fps(text: str) -> float | None:
    try:
        fps = float(text)
    except ValueError:
        return None
    return fps if 0.1 <= fps <= 1000 else None


def _parameter_sets(codec: str, parameters: dict[str, str]) -> bytes:
    names = ("sprop-vps", "sprop-sps", "sprop-pps") if codec == "h265" else ("sprop-parameter-sets",)
    units = []
    for name in names:
        for text in parameters.get(name, "").split(","):
            try:
                unit = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
            except (binascii.Error, ValueError):
                continue
            if unit:
                units.append(_START_CODE + unit.removeprefix(_START_CODE))
    joined = b"".join(units)
    return joined if len(joined) <= _MAX_PARAMETER_SETS else b""
