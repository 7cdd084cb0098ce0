"""Loitering: long stays, with patience."""

from __future__ import annotations

import pytest

from streamer.places import Places
from streamer.rules.loitering import Loitering
from streamer.tracker import Tracker
from tests.acting import YARD, Actor, act, frame, sight, stands, times, walks

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


WHOLE = {"all": [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]}
PATH = Loitering(zones=["all"], min_path_ratio=2.0)
PACES = [(0, 0.3, 0.8), *((4 * i, 0.3 if i % 2 else 0.6, 0.8) for i in range(1, 9))]


@pytest.mark.parametrize("fps", [2, 5, 10])
@pytest.mark.parametrize(
    ("actor", "loiters"),
    [
        (walks([(0, 0.05, 0.8), (30, 0.95, 0.8)]), False),  # slowly, but through
        (walks([(0, 0.05, 0.8), (9, 0.4, 0.8), (13, 0.4, 0.8), (30, 0.95, 0.8)]), False),  # stops for a moment
        (walks(PACES), True),  # up and down
        (stands(0.6, 0.8, 0, 30), True),  # goes nowhere at all
        (Actor(lambda t: (0.6 + 0.01 * (int(t * 5) % 2), 0.8)), True),  # sways
    ],
)
def test_a_path_tells_who_gets_somewhere_from_who_does_not(actor: Actor, loiters: bool, fps: float) -> None:
    at = times(0, 29, fps)
    found = act(PATH, [actor], at, WHOLE)
    assert [event.state for event in found] == (["begin"] if loiters else [])
    assert [event.state for event in act(Loitering(zones=["all"]), [actor], at, WHOLE)] == ["begin"]
    if loiters:
        detail = found[0].detail
        assert detail["min_path_ratio"] == 2.0
        assert detail["away_heights"] <= 1.0 or detail["walked_heights"] >= 2.0 * detail["away_heights"]
        assert found[0].time == pytest.approx(15.0, abs=4.0)


def test_by_default_only_time_counts_and_the_trace_is_as_it_was() -> None:
    (begin,) = act(RULE, [stands(0.6, 0.8, 0, 30)], times(0, 20, 5))
    assert list(begin.detail) == ["dwell_s", "min_seconds", "min_confidence"]


def test_memory_of_paths_goes_with_the_stays() -> None:
    rule = Loitering(zones=["yard"], min_seconds=1, leave_seconds=1, min_path_ratio=2.0)
    judge, tracker = rule.begin(Places.build(zones=YARD)), Tracker()
    for i, t in enumerate(times(0, 100, 5)):
        list(
            judge.judge(
                frame(t, i), tracker.update(sight([stands(0.6, 0.8, n, n + 3) for n in range(0, 90, 10)], t), t)
            )
        )
    assert judge._ways == {}  # type: ignore[attr-defined]
