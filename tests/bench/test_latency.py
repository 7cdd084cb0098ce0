"""Burnt-in numbers find the instant at which their frame was sent."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streamer.bench.latency import Sent, match
from streamer.simulator.sendlog import SLOTS, SendLog, SentTimes

LOOP = (7, 10)  # the first frame shows picture 7 of 10


def _index(numbers: np.ndarray) -> np.ndarray:
    return (LOOP[0] + numbers) % LOOP[1]


def test_result_is_matched_with_the_newest_frame_of_its_index() -> None:
    times = 100.0 + np.arange(40) / 10
    numbers = np.array([0, 3, 12, 39])
    found = match(times, LOOP, _index(numbers), times[numbers] + 0.05)
    assert found.numbers.tolist() == numbers.tolist()
    assert np.allclose(found.sent_at, times[numbers])


def test_a_late_result_is_matched_with_its_own_frame_not_a_newer_one() -> None:
    times = 100.0 + np.arange(40) / 10
    found = match(times, LOOP, _index(np.array([5])), np.array([times[5] + 0.85]))
    assert found.numbers.tolist() == [5]


def test_an_index_not_sent_yet_or_unreadable_matches_nothing() -> None:
    times = 100.0 + np.arange(4) / 10
    found = match(times, LOOP, np.array([_index(np.array([6]))[0], -1]), np.array([100.35, 100.35]))
    assert found.numbers.tolist() == [-1, -1]
    assert np.isnan(found.sent_at).all()


def test_a_frame_that_was_held_back_matches_nothing() -> None:
    times = 100.0 + np.arange(20) / 10
    times[12] = 0.0
    found = match(times, LOOP, _index(np.array([12, 13])), np.array([101.35, 101.35]))
    assert found.numbers.tolist() == [-1, 13]


def test_nothing_in_nothing_out() -> None:
    assert len(match(np.zeros(0), LOOP, np.zeros(0, np.int64), np.zeros(0)).numbers) == 0
    assert match(np.zeros(0), LOOP, np.array([3]), np.array([1.0])).numbers.tolist() == [-1]


def test_sent_keeps_what_the_log_forgets(tmp_path: Path) -> None:
    log = SendLog(tmp_path / "sent", 2)
    sent = Sent(SentTimes(tmp_path / "sent", 2), 2)
    total = SLOTS + 1000
    for number in range(total):
        log.write(0, number, 10.0 + number / 15)
        if number % 3000 == 0:
            sent.update()
    sent.update()
    times = sent.times(0)
    assert len(times) == total - 1  # the newest may still be being written
    assert np.allclose(times, 10.0 + np.arange(total - 1) / 15)
    assert sent.offered(0, (10.0, 11.0)) == 15
    assert len(sent.times(1)) == 0


def test_history_marks_what_was_overwritten(tmp_path: Path) -> None:
    log = SendLog(tmp_path / "sent", 1)
    for number in range(SLOTS + 10):
        log.write(0, number, 1.0 + number)
    times = SentTimes(tmp_path / "sent", 1).history(0, 0)
    assert len(times) == SLOTS + 9
    assert (times[:10] == 0).all()
    assert times[10] == 11.0
