"""Loitering: long stays, with patience."""

from __future__ import annotations

import pytest

from streamer.rules.loitering import Loitering
from tests.acting import Actor, act, stands, times

RULE = Loitering(zones=["yard"])


@pytest.mark.parametrize("fps", [2, 5, 10])
def test_who_stays_long_loiters_and_who_passes_does_not(fps: float) -> None:
    begin, end = act(RULE, [stands(0.6, 0.8, 2, 22), stands(0.75, 0.9, 2, 16)], times(0, 30, fps))
    assert (begin.kind, begin.state) == ("loitering", "begin")
    assert begin.started == pytest.approx(2.0, abs=1 / fps)
    assert begin.time == pytest.approx(17.0, abs=1 / fps)
    assert begin.detail["min_seconds"] == 15.0
    assert (end.state, end.ended) == ("end", pytest.approx(22.0))


@pytest.mark.parametrize(("missed_s", "loiters"), [(3.6, True), (6.0, False)])
def test_it_has_patience_with_the_detector_but_not_without_end(missed_s: float, loiters: bool) -> None:
    hidden = Actor(lambda t: None if 8.0 < t < 8.0 + missed_s else (0.6, 0.8))
    found = act(RULE, [hidden], times(0, 17, 5))
    assert [event.state for event in found] == (["begin"] if loiters else [])


def test_blinking_all_the_time_does_not_restart_the_clock() -> None:
    blinking = Actor(lambda t: (0.6, 0.8) if (t % 4.0) < 1.2 else None)  # tracks die in between: 2.8 s > lost_seconds
    found = act(RULE, [blinking], times(0, 20, 5))
    assert [event.state for event in found] == ["begin"]
    assert found[0].started == pytest.approx(0.0)
