"""A recorded feed, for replay: a file of JSON lines, heard again at the times at which they came.

    {"signal": "north", "time": 12.3, "state": "red"}

`time` is when the message came, in seconds from the start of the video (or `received` is, where a message has a time of
its own to be judged by). The rest of a line is the message as the controller would send it.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamer.errors import InputError
from streamer.signals.board import Board

_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Heard:
    """One message of the file."""

    signal: str
    at: float
    body: bytes


def read_recording(path: Path, known: Collection[str]) -> list[Heard]:
    """The messages of a file in the order of their arrival.

    Raises:
        InputError: the file cannot be read, a line is no message, or its signal has no feed in the configuration.
    """
    found = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if number > _MOST:
                    raise InputError(f"{path}: over {_MOST} lines; split it by video")
                if line.strip():
                    found.append(_heard(line, f"{path}:{number}", known))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return sorted(found, key=lambda heard: heard.at)


class Recording:
    """Tells a board what was recorded, as the video goes on."""

    def __init__(self, board: Board, messages: list[Heard]):
        self._board = board
        self._left = deque(messages)

    def advance(self, time: float) -> None:
        """Hear all that came until a time, in seconds from the start of the video."""
        while self._left and self._left[0].at <= time:
            heard = self._left.popleft()
            self._board.hear(heard.signal, heard.body, heard.at)


def _heard(line: str, where: str, known: Collection[str]) -> Heard:
    try:
        row: Any = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or not isinstance(row.get("signal"), str):
        raise InputError(f'{where}: expected a line such as {{"signal": "north", "time": 12.3, "state": "red"}}')
    if row["signal"] not in known:
        has = ", ".join(known) or "none"
        raise InputError(f"{where}: signal {row['signal']!r} has no feed in the configuration; there are: {has}")
    at = row.pop("received", row.get("time"))
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not math.isfinite(at) or at < 0:
        raise InputError(f"{where}: `time` must be seconds from the start of the video, got {at!r}")
    return Heard(row.pop("signal"), float(at), json.dumps(row).encode())
