"""From looks to phases: glitches are nothing, a hole breaks, and what is vouched for was looked at."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.signals.debounce import Debounce
from streamer.types import Aspect, Signal


def looks(*spells: tuple[str, float], fps: float = 10, start: float = 0.0) -> list[tuple[float, str]]:
    """Times and aspects of looks at something that shows each aspect for so long."""
    found, t, end = [], start, start
    for aspect, seconds in spells:
        end += seconds
        while t < end - 1e-9:
            found.append((t, aspect))
            t += 1 / fps
    return found


def after(seen: Iterable[tuple[float, str]], **more: object) -> Signal:
    lamp = Debounce(**more)  # type: ignore[arg-type]
    for t, word in seen:
        aspect: Aspect = word if word in ("red", "amber", "green") else "unknown"  # type: ignore[assignment]
        lamp.note(aspect, "" if aspect != "unknown" else word, t)
    return lamp.signal()


@pytest.mark.parametrize("fps", [2, 5, 10, 25])
def test_a_state_counts_from_its_first_look_once_it_has_lasted(fps: float) -> None:
    signal = after(looks(("green", 4), ("red", 3), fps=fps))
    assert (signal.aspect, signal.reason, signal.source) == ("red", "", "lamp")
    assert signal.since == pytest.approx(4.0, abs=1 / fps)
    assert signal.since >= 4.0 - 1e-9
    assert [phase.aspect for phase in signal.phases] == ["green", "red"]
    assert signal.phases[0].until <= 4.0
    assert signal.phases[1].until == pytest.approx(7.0, abs=1 / fps + 1e-9)


def test_while_it_changes_it_is_unknown() -> None:
    signal = after(looks(("green", 4), ("red", 0.25)))
    assert (signal.aspect, signal.reason) == ("unknown", "changing")
    assert after([]).reason == "changing"


def test_a_flicker_of_another_color_restarts_nothing() -> None:
    signal = after(looks(("red", 3), ("green", 0.2), ("red", 1), ("dark", 0.2), ("red", 1)))
    assert (signal.aspect, signal.since) == ("red", 0.0)
    assert signal.shows("red", 0.0, 5.2)


def test_what_passes_before_it_restarts_nothing_but_going_out_does() -> None:
    covered = after(looks(("red", 3), ("unclear", 1.5), ("red", 2)))
    assert covered.since == 0.0
    assert covered.shows("red", 1, 6)
    out = after(looks(("red", 3), ("dark", 1.0), ("red", 2)))
    assert out.since == pytest.approx(4.0)
    assert not out.shows("red", 1, 5)


def test_covered_for_longer_than_a_cycle_could_hide_in_is_a_new_phase() -> None:
    assert after(looks(("red", 3), ("unclear", 2.5), ("red", 2))).since == pytest.approx(5.5)


def test_a_red_that_flashes_never_lasts() -> None:
    signal = after(looks(*([("red", 0.5), ("dark", 0.5)] * 10)))
    assert all(phase.until - phase.since < 0.5 for phase in signal.phases)


def test_a_hole_in_the_video_forgets_all() -> None:
    signal = after(looks(("red", 3)) + looks(("red", 1), start=6.0))
    assert signal.since == 6.0
    assert not signal.shows("red", 2, 6.5)


def test_nothing_goes_back() -> None:
    assert after([(1.0, "red"), (1.5, "red"), (1.2, "green"), (1.5, "green")]).aspect == "red"


@given(st.lists(st.tuples(st.sampled_from(["red", "amber", "green", "dark"]), st.floats(0.1, 5)), max_size=30))
def test_vouched_phases_never_overlap_and_are_bounded(spells: list[tuple[str, float]]) -> None:
    phases = after(looks(*spells)).phases
    assert len(phases) <= 8
    assert all(a.until < b.since for a, b in itertools.pairwise(phases))
    assert all(phase.until >= phase.since for phase in phases)
