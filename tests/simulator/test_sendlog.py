"""The log of send times: what one process writes, another finds again, also after it has wrapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.simulator.sendlog import SLOTS, SendLog, SentTimes


def _fill(path: Path, frames: int, without: tuple[int, ...] = ()) -> SentTimes:
    """Camera 1 of 3 sends frame n at 1000 + n / 10."""
    log = SendLog(path, 3)
    for number in range(frames):
        log.write(1, number, 0.0 if number in without else 1000 + number / 10)
    return SentTimes(path, 3)


def test_plain_layout(tmp_path: Path) -> None:
    _fill(tmp_path / "log", 5)
    table = np.fromfile(tmp_path / "log").reshape(3, SLOTS)
    assert table[1, :6].tolist() == pytest.approx([1000, 1000.1, 1000.2, 1000.3, 1000.4, 0])
    assert not table[0].any()


@pytest.mark.parametrize("frames", [100, SLOTS, SLOTS + 1, 3 * SLOTS + 777])
def test_finds_the_last_showing_of_a_picture(tmp_path: Path, frames: int) -> None:
    times = _fill(tmp_path / "log", frames)
    start, length = 7, 60
    for back in (0, 1, 30, 59):
        number = frames - 1 - back
        index = (start + number) % length
        assert times.sent_at(1, (start, length), index, before=1e9) == pytest.approx(1000 + number / 10)


def test_not_later_than_the_result(tmp_path: Path) -> None:
    times = _fill(tmp_path / "log", 100)
    assert times.sent_at(1, (0, 10), 3, before=1005.25) == pytest.approx(1004.3)
    assert times.sent_at(1, (0, 10), 3, before=1005.31) == pytest.approx(1005.3)


def test_frames_that_were_not_sent_do_not_count(tmp_path: Path) -> None:
    times = _fill(tmp_path / "log", 100, without=(93, 83))
    assert times.sent_at(1, (0, 10), 3, before=1e9) == pytest.approx(1007.3)
    assert times.sent(1, 1008.0, 1009.5) == 13


def test_unknown(tmp_path: Path) -> None:
    times = _fill(tmp_path / "log", 20)
    assert times.sent_at(0, (0, 10), 3, before=1e9) is None
    assert times.sent_at(1, (0, 100), 50, before=1e9) is None
    with pytest.raises(OSError, match="log"):
        SentTimes(tmp_path / "none.log", 1)
