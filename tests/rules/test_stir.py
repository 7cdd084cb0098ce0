"""What stirs: where, how much, and what is no stirring."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.rules.stir import Stir, differs
from tests.rules.falling import HEIGHT, WIDTH, Person, picture, stands

BODY = Person(stands(0, 100.0))
ALL = (0.0, 0.0, 1.0, 1.0)


def walk(stir: Stir, fps: float, seconds: float = 2.0, speed: float = 0.2) -> None:
    person = Person([(0, 0.3, 1.0, 0.35), (seconds, 0.3 + speed * seconds, 1.0, 0.35)])
    for i in range(round(seconds * fps)):
        stir.look(picture([person], i / fps), i / fps)


@pytest.mark.parametrize("fps", [2, 5, 15, 30])
def test_who_walks_stirs_from_head_to_foot_at_any_rate(fps: float) -> None:
    stir = Stir()
    walk(stir, fps)
    found = stir.within(ALL)
    assert found is not None
    assert found.mass > 0.01
    assert found.top == pytest.approx(0.35, abs=0.05)
    assert found.bottom == pytest.approx(0.85, abs=0.02)
    assert found.left < found.x < found.right


def test_noise_and_light_do_not_stir() -> None:
    stir = Stir()
    for i in range(10):
        stir.look(picture([BODY], i / 5, gain=1.0 - 0.02 * i), i / 5)
    found = stir.within(ALL)
    assert found is not None
    assert found.mass < 0.002


def test_the_first_picture_and_a_new_view_say_nothing() -> None:
    stir = Stir()
    assert stir.within(ALL) is None
    stir.look(picture([BODY], 0.0), 0.0)
    assert stir.within(ALL) is None
    stir.look(np.roll(picture([BODY], 0.2), 40, axis=1)[::-1].copy(), 0.2)
    assert stir.within(ALL) is None
    stir.look(np.zeros((HEIGHT // 2, WIDTH, 3), np.uint8), 0.4)
    assert stir.within(ALL) is None


def test_what_belongs_to_others_is_left_out() -> None:
    stir = Stir()
    walk(stir, 5)
    assert stir.mask is not None
    found = stir.within(ALL, np.ones(stir.mask.shape, bool))
    assert found is not None
    assert found.mass == 0.0
    elsewhere = stir.within((0.0, 0.0, 0.2, 1.0))
    assert elsewhere is not None
    assert elsewhere.mass == 0.0


def test_earlier_pictures_are_kept_for_three_seconds() -> None:
    stir = Stir()
    for i in range(200):
        stir.look(picture([Person([(0, 0.2, 1.0, 0.35), (20, 0.8, 1.0, 0.35)])], i / 10), i / 10)
    before = stir.at(18.0)
    assert before is not None
    assert 17.6 <= before.known <= 18.0
    oldest = stir.at(0.0)
    assert oldest is not None
    assert oldest.known >= 19.9 - 3.3
    assert stir.now is not None
    assert 0.005 < float(differs(stir.now, before).mean()) < 0.2
