"""Each rule under everything that must not change what it says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.places import LineSettings, Places
from streamer.rules.crowd import Crowd
from streamer.rules.intrusion import Intrusion
from streamer.rules.line_crossing import LineCrossing
from streamer.rules.loitering import Loitering
from streamer.rules.occupancy import Occupancy
from streamer.rules.running import Running
from streamer.rules.tailgating import Tailgating
from tests.acting import YARD, stands, walks
from tests.rules.properties import Case, Disturbed, Told, clocks, holes, longest, same, told

PLACES = Places.build(zones=YARD, lines={"gate": LineSettings.model_validate({"from": [0.5, 1.0], "to": [0.5, 0.3]})})
THROUGH = [
    walks([(1, 0.1, 0.7), (9, 0.95, 0.7)]),  # in the yard from 3.8 to 7.6 s
    walks([(10, 0.95, 0.8), (19, 0.05, 0.8)]),  # and another from 11.5 to 15.5 s
]
PACING = [(2 * i, 0.7 if i % 2 else 0.5, 0.8) for i in range(1, 8)]
_SMALL = 0.18
"""Height of somebody far enough away to run for two and a half seconds before they leave the picture."""
_SMALL_X = _SMALL * 3 / 4
DASH = [(1, 0.05, 0.8), (2, 0.05 + 0.9 * _SMALL_X, 0.8), (4.5, 0.05 + 6.4 * _SMALL_X, 0.8), (9, 0.93, 0.8)]
CASES = {
    "intrusion": Case(Intrusion(zones=["yard"]), THROUGH, 24.0, PLACES, (22.0,)),
    "loitering": Case(
        Loitering(zones=["yard"], min_seconds=6),
        [walks([(1, 0.3, 0.8), (3, 0.6, 0.8), (13, 0.6, 0.8), (15, 0.2, 0.8)])],
        *(20.0, PLACES, (19.5,)),
    ),
    "loitering by path": Case(
        Loitering(zones=["yard"], min_seconds=8, min_path_ratio=2.0),
        [walks([(0, 0.3, 0.8), *PACING, (16, 0.2, 0.8)]), walks([(0, 0.3, 0.6), (16, 0.95, 0.6)])],
        *(22.0, PLACES, (21.5,)),
    ),
    "running": Case(
        Running(), [replace(walks(DASH), height=_SMALL), walks([(0, 0.9, 0.6), (9, 0.1, 0.6)])], 12.0, PLACES, (11.5,)
    ),
    "crowd": Case(
        Crowd(zones=["yard"], min_count=3, min_seconds=4, end_seconds=2),
        [walks([(t, 0.1, y), (t + 3, 0.6, y), (12, 0.6, y), (15, 0.1, y)]) for t, y in ((1, 0.6), (2, 0.75), (3, 0.9))],
        *(20.0, PLACES, (19.0,)),
    ),
    "line_crossing": Case(
        LineCrossing(lines=["gate"]), [*THROUGH, stands(0.2, 0.6, 0, 24)], 24.0, PLACES, (10.5, 22.0)
    ),
    "occupancy": Case(
        Occupancy(zones=["yard"], max_count=1, over_seconds=1.0),
        [*THROUGH, walks([(0, 0.3, 0.95), (2, 0.6, 0.95), (17, 0.6, 0.95), (23, 0.1, 0.95)])],
        *(24.0, PLACES, (24.0,)),
    ),
    "tailgating": Case(
        Tailgating(lines=["gate"]),
        [walks([(t, 0.1, y), (t + 8, 0.9, y)]) for t, y in ((1, 0.65), (2, 0.95), (10, 0.8))],
        *(20.0, PLACES, (19.5,)),
    ),
}
PERIODS = {"occupancy": 3, "running": 3}
"""In so many sampling periods the time of an event may differ: one until a change is seen at all, and one for every
duration that must then have passed and is rounded up to whole periods; else 2.
"""

each = pytest.mark.parametrize("name", list(CASES))
few = settings(max_examples=8)


@cache
def plain(name: str) -> Told:
    """What is told at five frames a second when nothing is disturbed."""
    return told(CASES[name])


@each
def test_the_cases_say_something_and_end_what_they_began(name: str) -> None:
    found = plain(name)
    assert found.begins()
    assert len(found.events) == 2 * len(found.begins())


@each
@few
@given(offset_s=st.floats(1.0, 2e9))
def test_shifting_time_changes_nothing(name: str, offset_s: float) -> None:
    # sums of floats come out a hair above or below a threshold: one sampling period
    same(told(CASES[name], Disturbed(offset_s=offset_s)), plain(name), 0.2 + 1e-3)


@each
@few
@given(data=st.data())
def test_the_rate_changes_nothing_beyond_the_sampling(name: str, data: st.DataObject) -> None:
    at = data.draw(clocks(CASES[name].seconds))
    same(told(CASES[name], Disturbed(at=at)), plain(name), PERIODS.get(name, 2) * max(longest(at), 0.2))


@each
def test_cutting_the_session_where_nothing_goes_on_changes_nothing(name: str) -> None:
    case = CASES[name]
    same(told(case, Disturbed(cuts=case.quiet_s)), plain(name), 0.0)


@each
@few
@given(data=st.data())
def test_answers_that_never_came_only_delay(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    # of a run of two and a half seconds more than half must be seen
    unknown = data.draw(holes(case.seconds, 0.5, 1) if name == "running" else holes(case.seconds))
    delay_s = 0.2 + sum(end - begin for begin, end in unknown)
    same(told(case, Disturbed(unknown=unknown)), plain(name), 0.2 + delay_s)


@each
@few
@given(switches=st.lists(st.floats(0, 24), max_size=4).map(tuple))
def test_new_numbers_change_nothing(name: str, switches: tuple[float, ...]) -> None:
    same(told(CASES[name], Disturbed(switches=switches)), plain(name), 0.4)


@each
@few
@given(data=st.data())
def test_all_at_once(name: str, data: st.DataObject) -> None:
    case = CASES[name]
    at = data.draw(clocks(case.seconds))
    unknown = data.draw(holes(case.seconds, 0.5, 1))
    how = Disturbed(at, data.draw(st.sampled_from([0.0, 1.8e9])), unknown, data.draw(st.tuples(st.floats(0, 24))))
    same(told(case, how), plain(name), 3 * max(longest(at), 0.2) + 0.5)
