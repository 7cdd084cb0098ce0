"""The session description (RFC 4566) that a simulated camera gives for its reel.

Called by `rtsp` to answer DESCRIBE. Pure.
"""

from __future__ import annotations

import base64

from streamer.simulator.reel import Reel
from streamer.simulator.rtp import AUDIO_TYPE, CLOCK_RATE, VIDEO_TYPE, nal_type

VIDEO, AUDIO = "trackID=0", "trackID=1"
"""Names of the tracks, relative to the camera's URL."""


def describe(name: str, host: str, reel: Reel | None, audio: bool) -> str:
    """The description of a camera with a video track (unless `reel` is None) and maybe an audio track (PCMU)."""
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {host}",
        f"s={name}",
        f"c=IN IP4 {host}",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
    ]
    if reel is not None:
        lines += _video(reel)
    if audio:
        lines += [f"m=audio 0 RTP/AVP {AUDIO_TYPE}", "a=rtpmap:0 PCMU/8000", "a=ptime:40", f"a=control:{AUDIO}"]
    return "\r\n".join([*lines, ""])


def _video(reel: Reel) -> list[str]:
    encoding = {"h264": "H264", "h265": "H265"}[reel.codec]
    return [
        f"m=video 0 RTP/AVP {VIDEO_TYPE}",
        f"a=rtpmap:{VIDEO_TYPE} {encoding}/{CLOCK_RATE}",
        f"a=fmtp:{VIDEO_TYPE} {_format(reel)}",
        f"a=framerate:{reel.fps:g}",
        f"a=control:{VIDEO}",
    ]


def _format(reel: Reel) -> str:
    """Parameter sets out of band: RFC 6184, 8.1; RFC 7798, 7.1."""
    coded = [(nal_type(nal, reel.codec), base64.b64encode(nal).decode()) for nal in reel.parameter_sets]
    if reel.codec == "h265":
        names = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}
        return "; ".join(f"{names[k]}={','.join(c for kind, c in coded if kind == k)}" for k in names)
    profile = next(nal[1:4].hex().upper() for nal in reel.parameter_sets if nal_type(nal, "h264") == 7)
    sets = ",".join(c for _, c in coded)
    return f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}"
