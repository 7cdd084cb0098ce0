"""Readings: a word, a place and a number that means something."""

from __future__ import annotations

import pytest

from streamer.readings import Reading


def test_a_reading_says_what_it_is() -> None:
    reading = Reading("speed_mps", "north", 12.5)
    assert (reading.mode, reading.label, reading.direction) == ("level", "", "")


@pytest.mark.parametrize("kind", ["Speed", "speed mps", "", "1st", 'a"b', "a\n"])
def test_a_kind_is_a_word(kind: str) -> None:
    with pytest.raises(ValueError, match="lower-case word"):
        Reading(kind, "north", 1.0)


def test_a_count_only_goes_up() -> None:
    with pytest.raises(ValueError, match="only goes up, got -1"):
        Reading("line_crossing", "entry", -1, "count")
    assert Reading("speed_mps", "north", -3.0).value == -3.0
