"""Evidence: a full-size JPEG of an analysed picture with its boxes, written by the reader that still has the picture.

Drawn with numpy and encoded by libavcodec, so that a reader needs neither OpenCV nor Pillow. Runs in the reader's one
snapshot thread, never in a camera's: encoding takes some ten milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from streamer.sources.scaler import to_rgb

_COLOR = (255, 48, 48)
_QUALITY = 4  # mjpeg's quantizer, 2 (best) to 31
_PANEL_WIDTH, _BETWEEN = 1280, 8

Box = Sequence[float]
"""x1, y1, x2, y2 as fractions of the picture."""


def write_snapshot(frame: Any, boxes: Sequence[Box], path: Path) -> None:
    """Draw boxes on an av.VideoFrame and write it as JPEG, whole or not at all (OSError)."""
    _write(_drawn(frame, boxes, frame.width), path)


def write_panels(frames: Sequence[tuple[Any, Sequence[Box]]], path: Path) -> None:
    """Write pictures with their boxes side by side, oldest left, as one JPEG, whole or not at all (OSError).

    Each is at most 1280 pixels wide; a reader's picture of 8 megapixels three times over is no mail attachment.
    """
    panels = [_drawn(frame, boxes, min(frame.width, _PANEL_WIDTH)) for frame, boxes in frames]
    height = min(panel.shape[0] for panel in panels)  # a camera that changed its size meanwhile
    between = np.full((height, _BETWEEN, 3), 255, np.uint8)
    parts = [part for panel in panels for part in (panel[:height], between)][:-1]
    _write(np.concatenate(parts, axis=1), path)


def _drawn(frame: Any, boxes: Sequence[Box], width: int) -> NDArray[np.uint8]:
    """An av.VideoFrame at some width, upright, with boxes."""
    pixels = to_rgb(VideoReformatter(), frame, width, round(frame.height * width / frame.width))
    turns = frame.rotation // 90 % 4 if frame.rotation % 90 == 0 else 0
    pixels = np.rot90(pixels, turns).copy()
    for box in boxes:
        draw_box(pixels, box)
    return pixels


def _write(pixels: NDArray[np.uint8], path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(jpeg(pixels))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def draw_box(pixels: NDArray[np.uint8], box: Box) -> None:
    """Draw a rectangle into uint8 (H, W, 3) RGB, in place; parts outside of the picture are left out."""
    height, width = pixels.shape[:2]
    thick = max(2, width // 400)
    x1, x2 = (round(min(max(x, 0.0), 1.0) * width) for x in (box[0], box[2]))
    y1, y2 = (round(min(max(y, 0.0), 1.0) * height) for y in (box[1], box[3]))
    pixels[y1 : y1 + thick, x1:x2] = _COLOR
    pixels[max(y2 - thick, 0) : y2, x1:x2] = _COLOR
    pixels[y1:y2, x1 : x1 + thick] = _COLOR
    pixels[y1:y2, max(x2 - thick, 0) : x2] = _COLOR


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode uint8 (H, W, 3) RGB."""
    height, width = pixels.shape[:2]
    pixels = np.ascontiguousarray(pixels[: height // 2 * 2, : width // 2 * 2])  # 4:2:0 wants even sizes
    height, width = pixels.shape[:2]
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height = width, height
    context.pix_fmt = "yuvj420p"
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.qmin = context.qmax = _QUALITY
    picture = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
        format="yuvj420p", dst_color_range="JPEG", threads=1
    )
    picture.pts = 0
    packets = [*context.encode(picture), *context.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
