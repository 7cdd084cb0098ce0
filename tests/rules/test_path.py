"""Paths: who is the same thing, how far back it is remembered, and what a missing answer changes (nothing)."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.rules.path import Paths, Thing
from streamer.types import Tracks
from tests.acting import LABELS, Box, frame, person, tracks


class Walk:
    """Feeds paths with frames at 5 a second."""

    def __init__(self, paths: Paths | None = None):
        self.paths = Paths() if paths is None else paths
        self.time = 0.0
        self.gone: list[Thing] = []

    def see(self, found: Tracks, seconds: float = 0.2) -> list[Thing]:
        self.time = round(self.time + seconds, 6)
        present, gone = self.paths.update(frame(self.time), found)
        self.gone += gone
        return present

    def see_for(self, found: Tracks, seconds: float) -> list[Thing]:
        present: list[Thing] = []
        for _ in range(round(seconds / 0.2)):
            present = self.see(found)
        return present


HERE = person(0.5, 0.8)


def test_a_thing_keeps_its_path_for_the_span_and_no_longer() -> None:
    walk = Walk(Paths(span_s=1.0))
    for i in range(20):
        (thing,) = walk.see(tracks((1, person(0.1 + 0.02 * i, 0.8))))
    assert [round(one.time, 1) for one in thing.path] == [3.0, 3.2, 3.4, 3.6, 3.8, 4.0]
    assert thing.last.foot == (pytest.approx(0.48), pytest.approx(0.8))
    back = thing.back(1.0)
    assert back is not None
    assert back.time == pytest.approx(3.0)
    assert thing.back(1.1) is None
    assert len(thing.since(back)) == 6
    assert thing.heading_to(4.4) == (pytest.approx(0.52), pytest.approx(0.8))


def test_memory_is_bounded_however_fast_frames_come() -> None:
    walk = Walk(Paths(span_s=1.0))
    for i in range(2000):
        present = walk.see(tracks((1, HERE)), 0.001 if i else 0.2)
    assert len(present[0].path) <= 62


def test_the_median_height_does_not_follow_a_box_that_changes_for_a_moment() -> None:
    walk = Walk()
    for height in (0.3, 0.3, 0.15, 0.3, 0.3):
        (thing,) = walk.see(tracks((1, person(0.5, 0.8, height))))
    assert thing.height(thing.path[0]) == pytest.approx(0.3)


def test_only_sightings_count() -> None:
    walk = Walk()
    (thing,) = walk.see(tracks((1, HERE)))
    assert walk.see(tracks((1, HERE), unseen_s=0.2)) == []
    assert len(thing.path) == 1
    assert thing.away_s == pytest.approx(0.2)


def test_the_same_frame_again_adds_nothing() -> None:
    walk = Walk()
    walk.see(tracks((1, HERE)))
    (thing,) = walk.see(tracks((1, HERE)), 0.0)
    assert len(thing.path) == 1


def test_a_missing_answer_freezes() -> None:
    walk = Walk()
    (thing,) = walk.see(tracks((1, HERE)))
    for _ in range(60):
        assert walk.see(Tracks.empty(LABELS, known=False)) == []
    assert (list(walk.paths), walk.gone) == ([thing], [])
    (same,) = walk.see(tracks((1, HERE)))
    assert same is thing
    assert walk.paths.known == pytest.approx(0.4)


def test_who_is_away_for_too_long_is_gone_once() -> None:
    walk = Walk(Paths(keep_s=1.0))
    (thing,) = walk.see(tracks((1, HERE)))
    walk.see_for(tracks(), 1.0)
    assert walk.gone == []
    walk.see_for(tracks(), 0.4)
    assert walk.gone == [thing]
    assert len(walk.paths) == 0


def test_a_gap_sends_nobody_away() -> None:
    walk = Walk(Paths(keep_s=2.0))
    walk.see(tracks((1, HERE)))
    walk.see(tracks(), 4.5)
    assert walk.gone == []


def test_labels_pick_what_is_followed() -> None:
    walk = Walk(Paths(labels=["car"]))
    assert walk.see(tracks((1, HERE))) == []
    cars = Tracks(
        np.array([HERE], np.float32),
        np.ones(1, np.float32),
        np.array([LABELS.index("car")]),
        np.array([2]),
        np.ones(1, np.float32),
        LABELS,
    )
    (car,) = walk.see(cars)
    assert (car.label, car.track_id, car.number) == ("car", 2, 1)


def test_confidence_is_the_mean_of_all_sightings() -> None:
    walk = Walk()
    for confidence in (0.2, 0.4, 0.9):
        (thing,) = walk.see(tracks((1, HERE), confidence=confidence))
    assert thing.confidence == pytest.approx(0.5)


def test_an_identity_switch_keeps_the_thing() -> None:
    walk = Walk()
    (thing,) = walk.see_for(tracks((1, HERE)), 1.0)
    walk.see(tracks((1, HERE), unseen_s=0.2))
    (same,) = walk.see(tracks((2, person(0.52, 0.81)), age_s=0.2))
    assert same is thing
    assert (same.track_id, same.number) == (2, 1)
    assert [t.track_id for t in walk.paths] == [2]


def test_who_moves_fast_is_found_where_they_were_heading() -> None:
    walk = Walk()
    for i in range(5):
        (thing,) = walk.see(tracks((1, person(0.1 + 0.08 * i, 0.8, 0.1))))  # 5 heights a second
    walk.see(tracks())
    walk.see(tracks())
    (same,) = walk.see(tracks((2, person(0.66, 0.8, 0.1)), age_s=0.2))
    assert same is thing


@pytest.mark.parametrize(
    ("box", "age_s", "why"),
    [
        (HERE, 2.0, "was followed while the other was still seen"),
        (person(0.9, 0.8), 0.2, "appears too far away"),
        (person(0.5, 0.8, 0.1), 0.2, "is of another size"),
    ],
)
def test_somebody_else_is_another_thing(box: Box, age_s: float, why: str) -> None:
    walk = Walk()
    walk.see_for(tracks((1, HERE)), 1.0)
    walk.see(tracks())
    (other,) = walk.see(tracks((2, box), age_s=age_s))
    assert other.number == 2, why


def test_the_nearest_of_the_lost_is_found_again() -> None:
    walk = Walk()
    first, second = walk.see_for(tracks((1, person(0.5, 0.8)), (2, person(0.6, 0.8))), 1.0)
    walk.see(tracks())
    (same,) = walk.see(tracks((3, person(0.58, 0.8)), age_s=0.1))
    assert same is second
    assert first.track_id == 1


def test_a_person_who_is_still_seen_is_not_taken_over() -> None:
    walk = Walk()
    walk.see_for(tracks((1, HERE)), 1.0)
    one, two = walk.see(tracks((1, HERE), (2, person(0.51, 0.8)), age_s=0.1))
    assert one.number != two.number


def test_a_box_that_ends_at_the_hips_does_not_lift_the_feet() -> None:
    walk = Walk()
    (thing,) = walk.see_for(tracks((1, (0.45, 0.5, 0.55, 0.8))), 1.0)
    for bottom in (0.65, 0.8, 0.65, 0.65, 0.8):
        walk.see(tracks((1, (0.45, 0.5, 0.55, bottom))))
        assert thing.foot == (pytest.approx(0.5), pytest.approx(0.8, abs=0.05)), bottom
    walk.see_for(tracks((1, (0.45, 0.5, 0.55, 0.65))), 8.0)  # for so long: it is what there is to see
    assert thing.foot[1] == pytest.approx(0.65, abs=0.02)


def test_a_box_without_a_head_leaves_the_feet_where_they_are() -> None:
    walk = Walk()
    (thing,) = walk.see_for(tracks((1, (0.45, 0.5, 0.55, 0.8))), 1.0)
    walk.see(tracks((1, (0.45, 0.65, 0.55, 0.8))))
    assert thing.foot[1] == pytest.approx(0.8)


def test_who_walks_away_gets_smaller_and_stays_on_their_feet() -> None:
    walk = Walk()
    for i in range(30):
        height = 0.4 * 0.96**i
        (thing,) = walk.see(tracks((1, (0.45, 0.4, 0.55, 0.4 + height))))
        assert thing.foot[1] == pytest.approx(0.4 + height)
