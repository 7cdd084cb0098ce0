"""Running: who runs, who only walks fast, and boxes that only seem to run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.errors import InputError
from streamer.places import GroundSettings, Places
from streamer.rules.running import Running
from streamer.types import Tracks
from tests.acting import YARD, Actor, frame, person, tracks, walks
from tests.rules.properties import Case, Disturbed, told

RULE = Running()
PLACES = Places.build(zones=YARD)
HEIGHT_X = 0.3 * 3 / 4
"""One body height of an actor, as a fraction of the width of a 4:3 frame."""


def pace(heights_s: float, seconds: float, y: float = 0.8, start_s: float = 2.0) -> list[tuple[float, float, float]]:
    """Stands at the left, moves to the right for so long at so many heights a second, and stands there."""
    end_x = 0.1 + HEIGHT_X * heights_s * seconds
    assert end_x < 0.97
    return [(0, 0.1, y), (start_s, 0.1, y), (start_s + seconds, end_x, y), (start_s + seconds + 6, end_x, y)]


@pytest.mark.parametrize("fps", [5, 10, 15])
@pytest.mark.parametrize(("heights_s", "runs"), [(0.8, False), (1.6, False), (2.1, True)])
def test_running_is_faster_than_walking_at_any_rate(fps: float, heights_s: float, runs: bool) -> None:
    at = [i / fps for i in range(int(9 * fps))]
    found = told(Case(RULE, [walks(pace(heights_s, 1.8))], 9, PLACES), Disturbed(at=at))
    assert [event.state for event in found.events] == (["begin", "end"] if runs else [])
    if runs:
        begin, end = found.events
        assert begin.started == pytest.approx(2.0, abs=max(0.2, 1 / fps))
        assert begin.time <= 2.0 + 0.7 + 2 / fps
        assert end.ended == pytest.approx(3.8, abs=0.7)


@pytest.mark.parametrize("fps", [2, 3, 5])
@pytest.mark.parametrize(("heights_s", "runs"), [(0.8, False), (1.6, False), (2.0, True), (2.6, True)])
def test_who_comes_running_is_seen_at_low_rates_too(fps: float, heights_s: float, runs: bool) -> None:
    seconds = 0.9 / (heights_s * HEIGHT_X)
    case = Case(RULE, [walks([(1, 0.05, 0.8), (1 + seconds, 0.95, 0.8)])], seconds + 6, PLACES)
    found = told(case, Disturbed(at=[i / fps for i in range(int((seconds + 6) * fps))]))
    assert [event.state for event in found.events] == (["begin", "end"] if runs else [])


def test_the_trace_says_why() -> None:
    begin, end = told(Case(RULE, [walks(pace(2.1, 1.8))], 9, PLACES)).events
    assert begin.detail["speed_heights_s"] == pytest.approx(2.1, abs=0.1)
    assert (begin.detail["min_heights_s"], begin.detail["min_seconds"]) == (1.8, 0.7)
    assert end.detail["fastest_heights_s"] == pytest.approx(2.1, abs=0.1)
    assert (begin.kind, begin.zone, begin.label) == ("running", None, "person")


def test_a_short_sprint_is_no_run() -> None:
    assert told(Case(RULE, [walks(pace(2.5, 0.4))], 9, PLACES)).events == []


def test_a_change_of_pace_is_one_run() -> None:
    way = [(0, 0.05, 0.8), (1.5, 0.05 + 1.5 * 2.1 * HEIGHT_X, 0.8), (1.9, 0.05 + 3.75 * HEIGHT_X, 0.8)]
    way.append((3.0, 0.05 + (3.75 + 1.1 * 2.1) * HEIGHT_X, 0.8))  # 1.5 heights a second for a moment in between
    assert [event.state for event in told(Case(RULE, [walks(way)], 6, PLACES)).events] == ["begin", "end"]


class Feed:
    """Feeds a judge with tracks at some rate."""

    def __init__(self, rule: Running, fps: float = 5.0, places: Places = PLACES):
        self.judge, self.fps, self.count = rule.begin(places), fps, 0
        self.said: list[str] = []

    def see(self, found: Tracks) -> None:
        self.count += 1
        self.said += [event.state for event in self.judge.judge(frame(self.count / self.fps), found)]  # type: ignore[union-attr]


@pytest.mark.parametrize("fps", [2, 3, 4, 5, 10, 15])
def test_boxes_that_change_do_not_run(fps: float) -> None:
    whole = (0.45, 0.4, 0.55, 0.9)
    for other in ((0.45, 0.4, 0.55, 0.62), (0.45, 0.68, 0.55, 0.9), (0.3, 0.4, 0.55, 0.9), (0.45, 0.2, 0.55, 0.95)):
        feed = Feed(RULE, fps)
        for i in range(60):
            feed.see(tracks((1, whole if i // 3 % 2 else other)))
        for i in range(60):
            feed.see(tracks((1, whole if i % 2 else other)))
        assert feed.said == [], other


@pytest.mark.parametrize("fps", [2, 3, 4, 5, 10, 15])
@pytest.mark.parametrize("apart", [1.0, 2.5, 5.0])
def test_a_number_that_jumps_to_somebody_else_does_not_run(fps: float, apart: float) -> None:
    feed = Feed(RULE, fps)
    for i in range(80):
        feed.see(tracks((1, person(0.1 if i < 40 else 0.1 + apart * HEIGHT_X, 0.8, 0.2))))
    assert feed.said == []


def test_what_only_moves_must_be_upright() -> None:
    assert _motion(0.5).label(0) == "motion"
    for width, runs in ((0.05, ["begin"]), (0.4, [])):
        feed = Feed(RULE, 5)
        for i in range(12):
            feed.see(_motion(0.1 + 0.42 * i * HEIGHT_X, width))
        assert feed.said == runs, width


def _motion(x: float, width: float = 0.1) -> Tracks:
    one = tracks((1, (x, 0.5, x + width, 0.8)))
    return replace(one, label_ids=np.full(1, one.labels.index("motion")))


def test_who_is_not_sure_does_not_count() -> None:
    case = Case(Running(min_confidence=0.9), [walks(pace(2.1, 1.8))], 9, PLACES)
    assert told(case).events == []


def test_zones_say_where_running_counts() -> None:
    rule = Running(zones=["yard"])
    begin, _ = told(Case(rule, [walks(pace(2.1, 1.8))], 9, PLACES)).events
    assert begin.zone == "yard"
    assert begin.time > 2.6  # the yard begins at 0.4
    assert told(Case(rule, [walks(pace(2.1, 1.8, y=0.45))], 9, PLACES)).events == []
    with pytest.raises(InputError, match="running: zone 'lawn' is not drawn"):
        Running(zones=["lawn"]).begin(PLACES)
    assert rule.places_needed() == {"zones": ["yard"]}


GROUND = GroundSettings.model_validate({"points": [[0.3, 0.4], [0.7, 0.4], [0.9, 0.9], [0.1, 0.9]], "size_m": [5, 20]})


def approach(speed_mps: float) -> Actor:
    """Somebody who comes straight towards the camera of GROUND, who looks ever larger: hardly any heights a second."""
    places = Places.build(ground=GROUND)
    assert places.ground is not None
    ys = np.linspace(0.4, 0.9, 2000)
    meters = places.ground.meters(np.stack([np.full(2000, 0.5), ys], axis=1))[:, 1]
    return Actor(lambda t: (0.5, float(np.interp(speed_mps * t, meters, ys))) if speed_mps * t <= 20 else None)


@pytest.mark.parametrize(("speed_mps", "runs"), [(1.4, False), (2.6, False), (3.6, True), (6.0, True)])
def test_on_a_ground_plane_speed_is_in_meters(speed_mps: float, runs: bool) -> None:
    case = Case(RULE, [approach(speed_mps)], 12, Places.build(zones=YARD, ground=GROUND))
    found = told(case, Disturbed(at=[i / 10 for i in range(120)]))
    assert [event.state for event in found.events] == (["begin", "end"] if runs else [])
    if runs:
        assert found.events[0].detail["speed_mps"] == pytest.approx(speed_mps, rel=0.15)
        assert found.events[0].detail["min_mps"] == 3.0


def test_on_a_ground_plane_too_a_box_that_changes_does_not_run() -> None:
    feed = Feed(RULE, 5, Places.build(zones=YARD, ground=GROUND))
    for i in range(120):
        feed.see(tracks((1, (0.45, 0.3, 0.55, 0.6 if i % 2 else 0.45))))
    for i in range(120):
        feed.see(tracks((1, (0.45, 0.3, 0.55, 0.6 if i // 3 % 2 else 0.45))))
    assert feed.said == []
