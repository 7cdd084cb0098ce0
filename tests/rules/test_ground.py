"""The backgrounds under `abandoned`: what is put down stands out, what passes or flickers does not."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.rules.ground import Ground, _joined

H, W = 234, 416


class Place:
    """A textured floor under a noisy sensor that is looked at twice a second."""

    def __init__(self, noise: float = 3.0, learnt: bool = True):
        self.rng = np.random.default_rng(1)
        self.floor = np.kron(self.rng.uniform(80, 140, (18, 32, 3)), np.ones((13, 13, 1)))[:H, :W]
        self.noise, self.gain = noise, 1.0
        self.ground = Ground(2.0)
        self.regions: list = []
        if learnt:
            self.look(6.0)

    def look(self, seconds: float, *things, people=()):
        """Regions after so long with things (x1, y1, x2, y2, level) on the floor."""
        for _ in range(round(seconds * 2)):
            picture = self.floor.copy()
            for x1, y1, x2, y2, level in things:
                picture[round(y1 * H) : round(y2 * H), round(x1 * W) : round(x2 * W)] = level
            picture = picture * self.gain + self.rng.normal(0, self.noise, picture.shape)
            self.regions = self.ground.look(picture.clip(0, 255).astype(np.uint8), 0.5, people)
        return self.regions


BAG = (0.4, 0.5, 0.46, 0.6, 30)


@pytest.mark.parametrize("noise", [0.0, 3.0, 8.0])
def test_a_thing_that_is_put_down_is_one_region_with_its_box_and_age(noise: float) -> None:
    place = Place(noise)
    assert place.look(20.0) == []
    (region,) = place.look(10.0, BAG)
    assert np.allclose(region.box, BAG[:4], atol=0.02)
    assert region.age_s == pytest.approx(9.5, abs=1.1)
    assert region.under_s == 0.0
    assert place.ground.added(region)
    assert place.ground.here(region.cells) == 1.0


def test_it_stays_while_somebody_passes_in_front_and_is_gone_when_taken() -> None:
    place = Place()
    (region,) = place.look(10.0, BAG)
    place.look(2.0, BAG, (0.3, 0.2, 0.6, 0.9, 200))
    assert place.ground.here(region.cells) == 1.0
    (again,) = place.look(3.0, BAG)
    assert again.age_s > 10
    assert place.look(3.0) == []
    assert place.ground.here(region.cells) == 0.0


def test_what_is_under_people_is_a_part_of_them_for_three_seconds_more() -> None:
    place, body = Place(), (0.38, 0.3, 0.48, 0.7)
    assert place.look(10.0, BAG, people=[body]) == []
    assert place.look(2.5, BAG) == []
    (region,) = place.look(2.0, BAG)
    assert 8 <= region.under_s <= 10


def test_a_thing_that_was_always_there_and_is_taken_away_was_not_added() -> None:
    place = Place(learnt=False)
    place.look(6.0, BAG)
    (region,) = place.look(6.0)
    assert not place.ground.added(region)
    place.ground.absorb(region.cells)
    assert place.look(3.0) == []


def test_light_that_changes_everywhere_is_no_thing() -> None:
    place = Place()
    (region,) = place.look(6.0, BAG)
    place.gain = 0.75
    (again,) = place.look(6.0, BAG)
    assert np.allclose(again.box, region.box, atol=0.02)
    place.gain = 0.1
    assert place.look(3.0) is None  # all is new: nothing is known until it is learnt
    assert place.look(8.0) == []


def test_a_picture_of_another_size_is_learnt_anew() -> None:
    place = Place()
    assert place.ground.look(np.zeros((120, 160, 3), np.uint8), 0.5, []) is None


def test_cells_are_joined_over_a_gap_of_one_and_not_round_the_edge() -> None:
    mask = np.zeros((6, 10), bool)
    mask[1, [0, 2, 9]] = True
    mask[4, 4] = True
    assert [cells.tolist() for cells in _joined(mask)] == [[10, 12], [19], [44]]
