"""The pictures that some faults need: one picture held, black, or another size, in the codec of the camera.

They are decoded from the camera's own reel, so that it works for files and scenes alike. Called by `rtsp` (handed in
as `stand_in`) when the fault begins; runs in a thread, because it takes from a tenth of a second to a few.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streamer.simulator.encode import Coding, encode_reel
from streamer.simulator.faults import Fault
from streamer.simulator.mount import Mount, Stand
from streamer.simulator.reel import Reel

_BLACK, _GRAY = 16, 128
_LONGEST_SECONDS = 60.0
"""Of a reel in another size: memory. A longer one then repeats its first minute."""
_BITRATE = 1_000_000
_DECODERS = {"h264": "h264", "h265": "hevc"}


async def stand_in(mount: Mount, fault: Fault) -> Stand | None:
    """What a camera sends under a fault; None when the fault does not change its pictures."""
    if fault.kind not in ("black", "frozen", "resolution"):
        return None
    return await asyncio.to_thread(_make, mount.reel, mount.index, fault)


def _make(reel: Reel, index: int, fault: Fault) -> Stand:
    gop = min(reel.keys[1] if len(reel.keys) > 1 else len(reel), max(1, round(2 * reel.fps)))
    size = (reel.width, reel.height)
    if fault.kind == "resolution":
        size = tuple(max(64, round(side * fault.factor) // 2 * 2) for side in size)  # type: ignore[assignment]
        frames = decode(reel, 0, min(len(reel), round(_LONGEST_SECONDS * reel.fps)), size)
    elif fault.kind == "frozen":
        first = max(key for key in reel.keys if key <= index)
        *_, held = decode(reel, first, index + 1, size)
        frames = itertools.repeat(held, gop)
    else:
        black = np.full((reel.height * 3 // 2, reel.width), _GRAY, np.uint8)
        black[: reel.height] = _BLACK
        frames = itertools.repeat(black, gop)
    coding = Coding(reel.codec, *size, reel.fps, gop, _BITRATE)
    return Stand(encode_reel(frames, coding), aligned=fault.kind == "resolution")


def decode(reel: Reel, first: int, end: int, size: tuple[int, int] | None = None) -> Iterator[NDArray[np.uint8]]:
    """Units `first` (a keyframe) to `end` as I420 pictures, uint8 (H * 3 / 2, W), scaled to (width, height)."""
    import av

    width, height = size or (reel.width, reel.height)
    decoder = av.CodecContext.create(_DECODERS[reel.codec], "r")
    decoder.thread_count = 1
    packets = [av.Packet(unit.annexb) for unit in reel.units[first:end]]
    for packet in [*packets, None]:
        for frame in decoder.decode(packet):
            yield np.asarray(frame.reformat(width=width, height=height, format="yuv420p").to_ndarray())
