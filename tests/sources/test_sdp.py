import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import SourceError
from streamer.sources import sdp
from tests.sources.camera import sdp as camera_sdp

SPS, PPS = b"\x67abc", b"\x68de"


def b64(data):
    return base64.b64encode(data).decode()


def test_video_among_others():
    found = sdp.parse(
        camera_sdp(extra=f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={b64(SPS)},{b64(PPS)}\r\n")
    )
    video = found.video
    assert (video.codec, video.payload_type, video.clock_rate, video.control) == ("h264", 96, 90000, "track1")
    assert video.fps == 10
    assert video.parameter_sets == b"\0\0\0\1" + SPS + b"\0\0\0\1" + PPS
    assert found.control == "*"


def test_h265_parameter_sets_and_decoding_order_numbers():
    extra = (
        f"a=fmtp:96 sprop-vps={b64(b'@v')}; sprop-sps={b64(b'Bs')}; sprop-pps={b64(b'Dp')}; sprop-max-don-diff=1\r\n"
    )
    video = sdp.parse(camera_sdp("H265", extra)).video
    assert video.codec == "h265"
    assert video.parameter_sets == b"\0\0\0\1@v\0\0\0\1Bs\0\0\0\1Dp"
    assert video.donl


def test_static_payload_type_without_rtpmap():
    video = sdp.parse("v=0\nm=video 0 RTP/AVP 26\na=control:1\n").video
    assert (video.codec, video.clock_rate, video.fps) == ("jpeg", 90000, None)


@pytest.mark.parametrize(
    ("text", "what"), [("v=0\r\nm=audio 0 RTP/AVP 8\r\n", "audio"), ("", "nothing"), ("m=video x", "video")]
)
def test_no_video(text, what):
    with pytest.raises(SourceError, match=what) as caught:
        sdp.parse(text)
    assert caught.value.cause == "no_video"


@pytest.mark.parametrize(
    "line",
    ["a=framerate:abc", "a=framerate:-1", "a=framerate:1e9", "a=fmtp:96 sprop-parameter-sets=%%%,=", "a=fmtp:96 ;;;="],
)
def test_nonsense_is_left_out(line):
    video = sdp.parse(f"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/abc\n{line}\n").video
    assert (video.fps, video.parameter_sets, video.clock_rate) == (None, b"", 90000)


def test_enormous_parameter_sets_are_left_out():
    big = b64(b"x" * 5_000)
    assert sdp.parse(f"m=video 0 RTP/AVP 96\na=fmtp:96 sprop-parameter-sets={big},{big}\n").video.parameter_sets == b""


@given(st.text())
def test_any_text_is_parsed_or_refused(text):
    for given_text in (text, "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n" + text):
        with contextlib.suppress(SourceError):
            assert sdp.parse(given_text).video.clock_rate > 0
