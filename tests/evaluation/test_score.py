"""A replay's report against a truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from streamer.evaluation.score import evaluate
from streamer.evaluation.truth import Ignored, TrueCount, Truth
from streamer.events import SYSTEM, Event
from streamer.readings import Reading
from streamer.replay import Counted, Report
from tests.evaluation.truths import said, true


def report(*events: Event, seconds: float = 3600.0, counted: tuple[Counted, ...] = ()) -> Report:
    return Report(list(events), [], Counter(), Counter({"gate": 10}), {"gate": seconds}, list(counted))


def test_each_kind_is_scored_for_itself() -> None:
    found = evaluate(
        report(said(11.0), said(500.0), said(20.0, "fall")),
        Truth("t", (true(10.0), true(20.0, "fall"), true(30.0, "fight"))),
    )
    assert list(found.kinds) == ["fall", "fight", "intrusion"]
    shape = found.to_json()["events"]
    assert set(shape["fall"]) >= {"precision", "recall", "delay_s", "false_alarms_per_hour"}
    assert (shape["fall"]["precision"], shape["fight"]["recall"], shape["intrusion"]["precision"]) == (1.0, 0.0, 0.5)
    assert shape["intrusion"]["false_alarms_per_hour"] == 1.0


def test_ends_updates_and_the_system_itself_are_not_scored() -> None:
    begun = said(10.0)
    found = evaluate(
        report(begun, replace(begun, state="end"), replace(begun, state="update"), replace(begun, pipeline=SYSTEM)),
        Truth("t", (true(10.0),)),
    )
    assert found.kinds["intrusion"].said == 1


def test_kinds_that_were_not_looked_for_are_left_out() -> None:
    found = evaluate(report(said(10.0), said(20.0, "fall")), Truth("t", (true(10.0),), kinds=("intrusion",)))
    assert list(found.kinds) == ["intrusion"]
    assert evaluate(report(), Truth("t", kinds=("fall",))).kinds["fall"].hours == 1.0


def test_hours_are_those_that_were_looked_at() -> None:
    found = evaluate(report(said(10.0)), Truth("t", (true(10.0),), ignored=(Ignored(camera="gate", start=1800.0),)))
    assert found.kinds["intrusion"].hours == 0.5


def test_counts_are_those_of_readings_in_their_stretch() -> None:
    def pass_(time: float, place: str = "north", label: str = "car", direction: str = "forward") -> Counted:
        return Counted("gate", time, Reading("counting", place, 1.0, "count", label, direction))

    counted = (
        pass_(5.0),
        pass_(6.0, label="truck"),
        pass_(7.0, "south"),
        pass_(50.0),
        pass_(8.0, direction="backward"),
    )
    truth = Truth(
        "t",
        counts=(
            TrueCount(camera="gate", kind="counting", zone="north", direction="forward", end=10.0, count=2),
            TrueCount(camera="gate", kind="counting", zone="north", label="car", count=4),
            TrueCount(camera="gate", kind="movement", place="left", count=0),
        ),
    )
    found = evaluate(report(counted=counted), truth)
    assert [it.error for it in found.kinds["counting"].counts] == [0, -1]
    assert found.kinds["counting"].count_error == 1
    assert found.notes == ("nothing on camera 'gate' counts 'movement', or there was nothing to count",)


def test_without_readings_events_are_counted() -> None:
    events = [said(float(t), "line_crossing", line="entry", detail={"direction": "forward"}) for t in (5, 6, 60)]
    truth = Truth("t", counts=(TrueCount(camera="gate", kind="line_crossing", line="entry", end=30.0, count=2),))
    assert evaluate(report(*events), truth).kinds["line_crossing"].count_error == 0


def test_crossings_have_a_count_error_without_rows_of_counts() -> None:
    events = [said(10.0, "line_crossing", line="entry"), said(90.0, "line_crossing", line="entry")]
    found = evaluate(report(*events), Truth("t", (true(10.0, "line_crossing", line="entry"),)))
    assert found.kinds["line_crossing"].count_error == 1


def test_a_truth_without_events_measures_false_alarms_and_says_so() -> None:
    found = evaluate(report(said(10.0)), Truth("t"))
    assert found.to_json()["events"]["intrusion"]["false_alarms"] == 1
    assert "every event is false" in found.to_text()


def test_the_text_names_what_was_missed_and_what_was_false() -> None:
    false = [said(100.0 * i, zone="yard", label="person") for i in range(1, 30)]
    text = evaluate(report(*false), Truth("t", (true(10.0, zone="yard"),))).to_text()
    assert "missed intrusion: gate at 10.0 s zone yard" in text
    assert "false intrusion: gate at 100.0 s zone yard label person" in text
    assert "... and 17 more; --json lists all" in text
    assert text.splitlines()[1].split()[:4] == ["intrusion", "1", "29", "0"]
