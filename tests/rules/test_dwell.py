"""Stays: who takes over whose, what counts as being there, and what ends it."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.places import make_zone
from streamer.rules.dwell import Moment, Stay, Stays, hangs
from streamer.types import Tracks
from tests.acting import YARD, Box, person, tracks

ZONES = [make_zone("yard", YARD["yard"]), make_zone("left", [(0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)])]


class Watch:
    """Feeds stays with frames at 5 a second."""

    def __init__(self, leave_s: float = 2.0):
        self.stays = Stays(ZONES[:1], leave_s)
        self.time = 0.0
        self.ended: list[Stay] = []

    def see(self, found: Tracks, seconds: float = 0.2, watched_s: float | None = None) -> list[Stay]:
        """One frame that many seconds after the last."""
        before, self.time = self.time, round(self.time + seconds, 6)
        moment = Moment(self.time, self.time, before, seconds if watched_s is None else watched_s, 4 / 3)
        present, ended = self.stays.update(moment, found)
        self.ended += ended
        return present

    def see_for(self, found: Tracks, seconds: float) -> list[Stay]:
        """The same frame again and again."""
        present: list[Stay] = []
        for _ in range(round(seconds / 0.2)):
            present = self.see(found)
        return present


INSIDE, OUTSIDE = person(0.6, 0.8), person(0.2, 0.8)


def test_dwell_counts_from_entering_and_ends_when_away() -> None:
    watch = Watch()
    watch.see_for(tracks((1, OUTSIDE)), 1.0)
    (stay,) = watch.see_for(tracks((1, INSIDE)), 2.0)
    assert (stay.entered_at, stay.dwell_s) == (pytest.approx(1.2), pytest.approx(1.8))
    watch.see_for(tracks((1, OUTSIDE)), 2.0)
    assert watch.ended == []
    watch.see(tracks((1, OUTSIDE)))
    assert watch.ended == [stay]
    assert stay.inside_at == pytest.approx(3.0)


def test_time_seen_outside_does_not_count_but_time_unseen_does() -> None:
    watch = Watch()
    (stay,) = watch.see_for(tracks((1, INSIDE)), 1.0)
    watch.see_for(tracks((1, OUTSIDE)), 1.0)
    watch.see_for(tracks((1, INSIDE)), 1.0)
    assert stay.dwell_s == pytest.approx(1.6)  # 0.8 before, 0.8 after; the second outside is not there
    watch.see_for(tracks(), 1.0)
    watch.see(tracks((1, INSIDE)))
    assert stay.dwell_s == pytest.approx(2.8)
    assert watch.ended == []


def test_a_coasting_track_neither_begins_nor_prolongs_a_stay() -> None:
    watch = Watch()
    assert watch.see_for(tracks((1, INSIDE), unseen_s=0.2), 1.0) == []
    (stay,) = watch.see_for(tracks((1, INSIDE)), 1.0)
    watch.see_for(tracks((1, INSIDE), unseen_s=0.3), 2.2)
    assert watch.ended == [stay]
    assert stay.dwell_s == pytest.approx(0.8)


def test_a_new_track_is_there_since_its_first_sighting() -> None:
    watch = Watch()
    watch.see_for(tracks(), 1.0)
    (stay,) = watch.see(tracks((1, INSIDE), age_s=0.2))
    assert (stay.entered_at, stay.dwell_s) == (pytest.approx(1.0), pytest.approx(0.2))


def test_an_identity_switch_inherits_the_stay() -> None:
    watch = Watch()
    (stay,) = watch.see_for(tracks((1, INSIDE)), 3.0)
    for unseen in range(3):
        watch.see(tracks((1, INSIDE), unseen_s=0.2 * (unseen + 1)))
    (heir,) = watch.see(tracks((2, person(0.63, 0.82)), age_s=0.2))
    assert heir is stay
    assert (heir.track_id, heir.entered_at, heir.number) == (2, pytest.approx(0.2), 1)
    assert heir.dwell_s == pytest.approx(3.6)


def test_a_switch_while_the_old_track_still_coasts_inherits_too() -> None:
    watch = Watch()
    (stay,) = watch.see_for(tracks((1, INSIDE)), 3.0)
    watch.see(tracks((1, INSIDE), unseen_s=0.2))
    present = watch.see(_join(tracks((1, INSIDE), unseen_s=0.4), tracks((2, INSIDE), age_s=0.2)))
    assert present == [stay]
    assert stay.track_id == 2


def _join(a: Tracks, b: Tracks) -> Tracks:
    names = ("boxes", "confidence", "label_ids", "track_ids", "ages_s")
    joined = [np.concatenate([getattr(a, name), getattr(b, name)]) for name in names]
    return Tracks(*joined, a.labels, True, np.concatenate([a.unseen_s, b.unseen_s]))


@pytest.mark.parametrize(
    ("second", "age_s", "why"),
    [
        (person(0.6, 0.8), 2.0, "was followed while the first was still seen"),
        (person(0.79, 0.99), 0.2, "appears too far away"),
    ],
)
def test_somebody_else_does_not_inherit(second: Box, age_s: float, why: str) -> None:
    watch = Watch()
    (stay,) = watch.see_for(tracks((1, INSIDE)), 3.0)
    watch.see(tracks())
    watch.see(tracks())
    (other,) = watch.see(tracks((2, second), age_s=age_s))
    assert other is not stay, why
    assert other.number == 2


def test_who_was_seen_leaving_has_no_heir() -> None:
    watch = Watch(leave_s=4.0)
    (stay,) = watch.see_for(tracks((1, person(0.42, 0.8))), 3.0)
    watch.see_for(tracks((1, person(0.38, 0.8))), 0.4)
    watch.see(tracks())
    (other,) = watch.see(tracks((2, person(0.42, 0.8)), age_s=0.2))
    assert other is not stay
    assert other.dwell_s == pytest.approx(0.2)


def test_who_was_followed_on_the_way_here_inherits_nothing() -> None:
    watch = Watch(leave_s=4.0)
    (stay,) = watch.see_for(tracks((1, INSIDE)), 3.0)
    watch.see(tracks())
    for i in range(1, 12):
        present = watch.see(tracks((2, person(0.2 + 0.025 * i, 0.8)), age_s=0.2 * i))
    assert present
    assert stay not in present


def test_the_reach_of_an_heir_grows_with_the_time_that_it_had_to_walk() -> None:
    here, there = person(0.5, 0.8), person(0.5 + 0.9 * 0.3 * 3 / 4, 0.8)  # 0.9 heights apart, at an aspect of 4:3
    for unseen, inherits in ((1, False), (5, True)):
        watch = Watch()
        (stay,) = watch.see_for(tracks((1, here)), 3.0)
        for _ in range(unseen):
            watch.see(tracks())
        (found,) = watch.see(tracks((2, there), age_s=0.2))
        assert (found is stay) is inherits


def test_the_nearest_lost_stay_is_inherited() -> None:
    watch = Watch()
    near, far = person(0.6, 0.8), person(0.7, 0.8)
    first, second = watch.see_for(tracks((1, near), (2, far)), 2.0)
    watch.see(tracks())
    (heir,) = watch.see(tracks((3, person(0.68, 0.8)), age_s=0.1))
    assert heir is second
    assert first.track_id == 1


def test_a_gap_ends_no_stay() -> None:
    watch = Watch()
    (stay,) = watch.see_for(tracks((1, INSIDE)), 1.0)
    watch.see(tracks(), seconds=4.0, watched_s=0.0)
    assert watch.ended == []
    watch.see(tracks((1, INSIDE)))
    assert stay.dwell_s == pytest.approx(5.0)
    watch.see(tracks(), seconds=4.0, watched_s=0.0)
    watch.see_for(tracks(), 2.2)
    assert watch.ended == [stay]


def test_zones_overlap_and_stays_are_their_own() -> None:
    stays = Stays(ZONES, 2.0)
    present, _ = stays.update(Moment(0.0, 0.0, 0.0, 0.0), tracks((1, person(0.45, 0.8))))
    assert [(stay.zone, stay.number) for stay in present] == [("yard", 1), ("left", 2)]


def test_confidence_is_the_mean_of_the_sightings_inside() -> None:
    watch = Watch()
    watch.see(tracks((1, OUTSIDE), confidence=0.99))
    for confidence in (0.2, 0.4, 0.9):
        (stay,) = watch.see(tracks((1, INSIDE), confidence=confidence))
    assert stay.confidence == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0.4, 0.0, 0.6, 0.5), True),  # an arm from above, or legs at the far end of a steep view
        ((0.4, 0.0, 0.6, 0.9), False),  # somebody near, taller than the picture
        ((0.4, 0.1, 0.6, 0.5), False),  # somebody far, whole
    ],
)
def test_hangs(box: Box, expected: bool) -> None:
    assert hangs(box) is expected
