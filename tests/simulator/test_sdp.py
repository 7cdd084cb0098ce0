"""Session descriptions that FFmpeg and GStreamer need: codec, parameter sets, tracks."""

from __future__ import annotations

import base64
import re

from streamer.simulator.reel import Reel
from streamer.simulator.sdp import describe


def test_h264(reels: dict[str, Reel]) -> None:
    text = describe("gate", "10.0.0.1", reels["h264"], audio=False)
    assert text.startswith("v=0\r\n")
    assert text.endswith("\r\n")
    assert "a=rtpmap:96 H264/90000" in text
    assert "a=control:trackID=0" in text
    assert "m=audio" not in text
    sets = re.search(r"sprop-parameter-sets=([^;\s]+)", text)
    profile = re.search(r"profile-level-id=([0-9A-F]{6})\b", text)
    assert sets
    assert profile
    assert [base64.b64decode(part) for part in sets[1].split(",")] == list(reels["h264"].parameter_sets)
    assert bytes.fromhex(profile[1]) == reels["h264"].parameter_sets[0][1:4]
    assert "packetization-mode=1" in text


def test_h265(reels: dict[str, Reel]) -> None:
    text = describe("gate", "10.0.0.1", reels["h265"], audio=False)
    assert "a=rtpmap:96 H265/90000" in text
    for name, wanted in zip(("vps", "sps", "pps"), reels["h265"].parameter_sets, strict=True):
        found = re.search(rf"sprop-{name}=([^;\s]+)", text)
        assert found
        assert base64.b64decode(found[1]) == wanted


def test_audio_beside_and_alone(reels: dict[str, Reel]) -> None:
    assert describe("gate", "h", reels["h264"], audio=True).count("m=") == 2
    alone = describe("gate", "h", None, audio=True)
    assert "m=video" not in alone
    assert "a=rtpmap:0 PCMU/8000" in alone
    assert "a=control:trackID=1" in alone
