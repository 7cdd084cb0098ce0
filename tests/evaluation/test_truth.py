"""A truth that does not fit the site or the video is named, row by row."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamer.errors import ConfigError
from streamer.evaluation.truth import Ignored, TrueCount, TrueEvent, Truth
from streamer.places import LaneSettings, LineSettings, Places

PLACES = Places.build(
    zones={"yard": [(0, 0), (1, 0), (1, 1)]},
    lines={"entry": LineSettings.model_validate({"from": (0, 0.5), "to": (1, 0.5)})},
    lanes={"north": LaneSettings(polygon=[(0, 0), (1, 0), (1, 1)], direction=(0, -1))},
)


def _event(**fields) -> TrueEvent:
    return TrueEvent.model_validate({"camera": "gate", "kind": "intrusion", "start": 1.0, **fields})


def test_a_truth_that_fits_passes() -> None:
    truth = Truth(
        "t.json",
        (_event(zone="yard"), _event(zone="north", kind="wrong_way"), _event(line="entry", kind="line_crossing")),
        (TrueCount(camera="gate", kind="movement", place="left turn", count=3),),
        (Ignored(camera="gate", kind="mine"),),
        ("mine", "intrusion"),
    )
    truth.check({"gate": PLACES}, ())
    truth.check_times({"gate": 1.0})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (_event(camera="gat"), r"t.json: events\[0\]: no video of camera 'gat'; did you mean 'gate'\?"),
        (_event(camera="other"), "no video of camera 'other'; there are videos of: gate"),
        (_event(kind="intrusoin"), "unknown kind 'intrusoin'; did you mean 'intrusion'"),
        (_event(kind="parade"), "unknown kind 'parade'; a pipeline of your own that says it"),
        (_event(zone="yrad"), "camera 'gate' has no zone 'yrad'; did you mean 'yard'"),
        (_event(line="yard"), "camera 'gate' has no line 'yard'; it has: entry"),
    ],
)
def test_names_that_the_site_does_not_know(row: TrueEvent, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Truth("t.json", (row,)).check({"gate": PLACES}, ("custom",))


def test_a_kind_that_a_rule_of_the_site_says_is_known() -> None:
    Truth("t.json", (_event(kind="parade"),)).check({"gate": PLACES}, ("parade",))


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Truth("t.json", (_event(kind="nope", zone="nope"), _event(camera="nope"))).check({"gate": PLACES}, ())
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("row", [_event(start=62.0), _event(start=5.0, end=62.0)])
def test_times_beyond_the_video(row: TrueEvent) -> None:
    truth = Truth("t.json", (_event(), row))
    with pytest.raises(ConfigError, match=r"events\[1\]: 62 s is beyond the video of camera 'gate', which is 60.0 s"):
        truth.check_times({"gate": 60.0})
    truth.check_times({})  # nobody knows how long it is


def test_ignoring_may_run_on_past_the_end_but_not_begin_there() -> None:
    Truth("t", ignored=(Ignored(camera="gate", start=50, end=1000),)).check_times({"gate": 60.0})
    with pytest.raises(ConfigError, match="70 s is beyond"):
        Truth("t", ignored=(Ignored(camera="gate", start=70),)).check_times({"gate": 60.0})


@pytest.mark.parametrize("fields", [{"start": 5.0, "end": 4.0}, {"start": -1.0}, {"start": float("nan")}])
def test_times_that_make_no_sense(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        _event(**fields)


def test_what_an_ignored_stretch_covers() -> None:
    all_of_it = Ignored(camera="gate", start=10.0, end=20.0)
    assert all_of_it.covers("gate", "fall", None, None, 10.0)
    assert not all_of_it.covers("gate", "fall", None, None, 20.1)
    assert not all_of_it.covers("door", "fall", None, None, 15.0)
    one_zone = Ignored(camera="gate", kind="intrusion", zone="yard", start=10.0)
    assert one_zone.covers("gate", "intrusion", "yard", None, 1e6)
    assert not one_zone.covers("gate", "intrusion", "lawn", None, 15.0)
    assert not one_zone.covers("gate", "loitering", "yard", None, 15.0)
