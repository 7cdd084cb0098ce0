"""Small encoded streams and their RTP packets, made from nothing; for the tests of sources and ingest."""

import struct
from fractions import Fraction

import av
import numpy as np

START = b"\x00\x00\x00\x01"


def picture(i, width=160, height=96):
    """uint8 (H, W, 3): a bright square that moves over noise."""
    rng = np.random.default_rng(i)
    pixels = rng.integers(30, 90, (height, width, 3), dtype=np.uint8)
    x = (i * 4) % (width - 24)
    pixels[20:44, x : x + 24] = 220
    return pixels


def encode(n=12, codec="h264", size=(160, 96), gop=6, fps=10, bframes=0, pictures=picture):
    """Access units as Annex B with repeated parameter sets."""
    context = av.CodecContext.create({"h264": "libx264", "h265": "libx265"}[codec], "w")
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, fps)
    context.framerate = Fraction(fps, 1)
    context.gop_size = gop
    context.max_b_frames = bframes
    context.thread_count = 1
    if codec == "h264":
        context.options = {"preset": "ultrafast" if not bframes else "veryfast", "x264-params": "scenecut=0"}
    else:
        x265 = f"log-level=none:repeat-headers=1:keyint={gop}:scenecut=0:bframes={bframes}:pools=none:frame-threads=1"
        context.options = {"preset": "ultrafast", "x265-params": x265}
    packets = []
    for i in range(n):
        frame = av.VideoFrame.from_ndarray(pictures(i, *size), format="rgb24").reformat(format="yuv420p")
        frame.pts = i
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(bytes(packet), packet.pts) for packet in packets]


def units(annexb):
    """The NAL units of an access unit."""
    found = []
    for piece in annexb.split(b"\x00\x00\x01")[1:]:
        found.append(piece.rstrip(b"\x00") if piece.endswith(b"\x00") else piece)
    return found


def rtp(payload, sequence, ticks, marker, payload_type=96, ssrc=1):
    head = struct.pack(
        "!BBHII", 0x80, (0x80 if marker else 0) | payload_type, sequence & 0xFFFF, ticks & 0xFFFFFFFF, ssrc
    )
    return head + payload


def payloads(nal, codec="h264", limit=300):
    """RTP payloads of one NAL unit: single, or fragments."""
    if len(nal) <= limit:
        return [nal]
    head = 1 if codec == "h264" else 2
    body = nal[head:]
    pieces = [body[i : i + limit] for i in range(0, len(body), limit)]
    made = []
    for i, piece in enumerate(pieces):
        flags = (0x80 if i == 0 else 0) | (0x40 if i == len(pieces) - 1 else 0)
        if codec == "h264":
            made.append(bytes([nal[0] & 0xE0 | 28, flags | nal[0] & 0x1F]) + piece)
        else:
            made.append(bytes([nal[0] & 0x81 | 49 << 1, nal[1], flags | nal[0] >> 1 & 0x3F]) + piece)
    return made


def packets(stream, codec="h264", limit=300, sequence=0, step=9000, start=1000):
    """All RTP packets of (annexb, pts) units."""
    made = []
    for annexb, pts in stream:
        pieces = [payload for nal in units(annexb) for payload in payloads(nal, codec, limit)]
        for i, payload in enumerate(pieces):
            made.append(rtp(payload, sequence + len(made), start + pts * step, i == len(pieces) - 1))
    return made


def interleaved(packet, channel=0):
    return b"$" + bytes([channel]) + struct.pack("!H", len(packet)) + packet
