"""Pictures through H.264 and back, as a camera and its network do to them; in memory, without a file.

Called by `augment`; needs PyAV with x264.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.errors import InputError


def reencode(frames: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Encode and decode a clip.

    Args:
        frames: uint8 (T, height, width, 3) RGB.
        quality: x264's constant rate factor, 18 (good) to 51 (worst).

    Returns:
        As many frames of the same size.

    Raises:
        InputError: PyAV is missing, or has no x264.
    """
    try:
        import av
    except ImportError as error:
        raise InputError("train: augment.reencode needs PyAV, which is not installed here; set it to 0") from error
    height, width = frames.shape[1:3]
    padded = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    try:
        encoder: Any = av.CodecContext.create("libx264", "w")
    except ValueError as error:
        raise InputError("train: augment.reencode needs x264, which this PyAV lacks; set it to 0") from error
    encoder.width, encoder.height, encoder.pix_fmt = padded.shape[2], padded.shape[1], "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": str(quality)}
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    found = []
    for i, picture in enumerate(padded):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = i
        for packet in encoder.encode(frame):
            found += decoder.decode(packet)
    for packet in encoder.encode(None):
        found += decoder.decode(packet)
    found += decoder.decode(None)
    if len(found) != len(frames):  # never seen; a clip must not come back shorter
        return frames
    return np.stack([it.to_ndarray(format="rgb24")[:height, :width] for it in found])
