"""Chooses who reads an address: our RTSP client, libavformat, OpenCV or a recording that plays.

Called by `ingest.capture` and `ingest.probe` in a camera's thread. libavformat also steps in when a camera turns out to
send what our client does not take apart (MJPEG, MPEG-4, no TCP).
"""

from __future__ import annotations

from collections.abc import Callable

from streamer.errors import SourceError
from streamer.sources.address import Address, file_path
from streamer.sources.clip import ClipSource
from streamer.sources.libav import LibavSource
from streamer.sources.opencv import OpencvSource
from streamer.sources.rtsp import RtspSource
from streamer.sources.source import Source, SourceOptions


def open_live(
    address: Address, options: SourceOptions, open_s: float, stall_s: float, hold: Callable[[Source], None]
) -> Source:
    """Open an address.

    Args:
        address: whom to read.
        options: how.
        open_s: time limit for the connection and the conversation before the first picture.
        stall_s: time limit for silence later on, where the source must know it in advance.
        hold: told each source before it is opened, so that someone else can abort it.

    Returns:
        The opened source.

    Raises:
        SourceError: with the cause; the source is closed then.
    """
    first = _first_choice(address, options, stall_s)
    try:
        return _opened(first, open_s, hold)
    except SourceError as error:
        if error.cause != "unsupported" or not isinstance(first, RtspSource):
            raise
        return _opened(LibavSource(address, options, stall_s), open_s, hold)


def _first_choice(address: Address, options: SourceOptions, stall_s: float) -> Source:
    if address.scheme == "file":
        return ClipSource(file_path(address), options.realtime)
    if address.scheme == "device":
        return OpencvSource(address)
    if address.is_native and options.transport == "tcp":
        return RtspSource(address, options.decode)
    return LibavSource(address, options, stall_s)


def _opened(source: Source, open_s: float, hold: Callable[[Source], None]) -> Source:
    hold(source)
    try:
        source.open(open_s)
    except BaseException:
        source.close()
        raise
    return source
