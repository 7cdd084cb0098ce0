"""Load: less is decoded while pictures are late through our own fault, and more again once they are not."""

from __future__ import annotations

import pytest

from streamer.ingest.load import EARLY_S, LATE_S, Load
from streamer.sources.ration import LEAST


def looks(load: Load, late_s: float, count: int = 1, pictures: int = 20) -> list[float]:
    """The share after each of some looks at pictures that are all equally late."""
    shares = []
    for _ in range(count):
        for _ in range(pictures):
            load.note(late_s)
        load.judge()
        shares.append(load.share)
    return shares


@pytest.fixture(autouse=True)
def _warm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.ingest.load._WARM", 0)


def test_the_start_is_no_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.ingest.load._WARM", 10)
    load = Load()
    for _ in range(5):
        load.judge()  # nobody is there yet: that is no start
    assert looks(load, 2.0, 12) == [1.0] * 12
    assert looks(load, 2.0)[-1] < 1.0


def test_all_is_decoded_while_pictures_are_in_time() -> None:
    assert looks(Load(), LATE_S * 0.99, 10) == [1.0] * 10


def test_one_hiccup_costs_nothing() -> None:
    load = Load()
    assert looks(load, 0.5, 2) + looks(load, 0.01) + looks(load, 0.5, 2) == [1.0] * 5


def test_an_overload_cuts_at_the_third_look_and_then_once_that_took_effect() -> None:
    shares = looks(Load(), 1.0, 11)
    assert shares[:2] == [1.0, 1.0]
    assert shares[2:10:4] == pytest.approx([0.75, 0.75**2])
    assert shares[2:6] == [shares[2]] * 4, "what has begun is decoded to its end: wait for the effect"


def test_a_cut_is_as_large_as_what_is_late() -> None:
    assert looks(Load(), LATE_S * 1.1, 3)[-1] == pytest.approx(1 / 1.1)


def test_keyframes_are_always_left() -> None:
    assert looks(Load(), 5.0, 100)[-1] == LEAST


def test_it_grows_again_slowly_and_to_the_full() -> None:
    load = Load()
    low = looks(load, 1.0, 3 + 4 + 3)[-1]
    first, *rest = looks(load, EARLY_S / 2, 40)
    assert 0 < first - low < 0.05
    assert rest[6] - rest[5] > first - low, "the longer all goes well, the bolder"
    assert rest[-1] == 1.0
    assert rest.count(1.0) > 10


def test_between_late_and_early_it_grows_more_slowly_but_never_gets_stuck() -> None:
    load, early = Load(), Load()
    low = looks(load, 1.0, 6)[-1]
    looks(early, 1.0, 6)
    slow = looks(load, (EARLY_S + LATE_S) / 2, 5)[-1]
    assert low < slow < looks(early, 0.0, 5)[-1]
    assert looks(load, (EARLY_S + LATE_S) / 2, 200)[-1] == 1.0


def test_a_few_late_ones_among_many_are_no_overload() -> None:
    load = Load()
    for _ in range(4):
        looks_at = [1.0] * 9 + [0.01] * 91
        for late_s in looks_at:
            load.note(late_s)
        assert not load.judge()


def test_too_few_pictures_say_nothing() -> None:
    assert looks(Load(), 3.0, 5, pictures=4) == [1.0] * 5
    assert not Load().judge()


def test_what_is_kept_is_bounded() -> None:
    load = Load()
    for _ in range(10_000):
        load.note(0.0)
    assert len(load._late) == 4096
