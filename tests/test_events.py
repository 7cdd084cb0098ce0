"""Events and the incident book: names that repeat in replay and never collide, ends that cannot be lost."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.events import KINDS, Event, IncidentBook


def event(state: str = "begin", time: float = 10.0, **fields: Any) -> Event:
    fields = {"kind": "intrusion", "camera": "gate", "pipeline": "yard", "key": ("yard", 7)} | fields
    return Event(state=state, time=time, **fields)  # type: ignore[arg-type]


# --- the event itself ---


@pytest.mark.parametrize("kind", KINDS)
def test_the_vocabulary_is_made_of_words(kind: str) -> None:
    assert Event(kind, "begin", 0.0).kind == kind


@pytest.mark.parametrize("kind", ["", "Intrusion", "in trusion", "9lives", "fight\n", "gate-open", 'a"b', "é"])
def test_a_kind_that_is_no_word_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="must be a lower-case word"):
        Event(kind, "begin", 0.0)


@pytest.mark.parametrize("confidence", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_confidence_outside_of_its_range_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"confidence must be in 0\.\.1"):
        event(confidence=confidence)


def test_the_row_of_a_replayed_event() -> None:
    row = event(
        id="x", confidence=0.123456, box=(0.1, 0.2, 0.30000001, 1.0), track_id=0, zone="yard", detail={"min_seconds": 1}
    ).row(live=False)
    assert row == {
        **{"id": "x", "camera": "gate", "pipeline": "yard", "kind": "intrusion", "state": "begin"},
        **{"time": 10.0, "started": 10.0, "track_id": 0, "zone": "yard", "confidence": 0.1235},
        **{"box": [0.1, 0.2, 0.3, 1.0], "detail": {"min_seconds": 1}},
    }
    assert list(row)[:7] == ["id", "camera", "pipeline", "kind", "state", "time", "started"]


def test_the_row_of_a_live_event_has_utc_times() -> None:
    row = event("end", 1_795_464_900.25, started=1_795_464_890.0, ended=1_795_464_900.25).row(live=True)
    assert (row["time"], row["started"], row["ended"]) == (
        "2026-11-23T20:15:00.250Z",
        "2026-11-23T20:14:50.000Z",
        "2026-11-23T20:15:00.250Z",
    )


@given(st.floats(0, 1), st.none() | st.integers(0, 9999), st.none() | st.text(max_size=5), st.floats(0, 1e9))
def test_every_row_is_json_and_holds_only_what_is_known(
    confidence: float, track_id: int | None, label: str | None, time: float
) -> None:
    row = event(time=time, confidence=confidence, track_id=track_id, label=label).row(live=False)
    assert json.loads(json.dumps(row)) == row
    assert ("track_id" in row) == (track_id is not None)
    assert ("label" in row) == (label is not None)
    assert not {"zone", "line", "box", "ended"} & set(row)


# --- the book ---


def test_an_incident_from_begin_to_end() -> None:
    book = IncidentBook()
    begun = book.enter(event(time=12.0, started=10.5, severity="critical", sinks=("ops",)))
    assert begun is not None
    assert begun.id == "gate-yard-intrusion-10500-1"
    assert (begun.started, len(book), list(book)) == (10.5, 1, [begun])
    update = book.enter(event("update", 13.0))
    assert update is not None
    assert (update.id, update.started, update.severity, update.sinks) == (begun.id, 10.5, "critical", ("ops",))
    end = book.enter(event("end", 14.0))
    assert end is not None
    assert (end.id, end.started, end.ended, end.time) == (begun.id, 10.5, 14.0, 14.0)
    assert (end.severity, end.sinks) == ("critical", ("ops",))
    assert len(book) == 0


def test_what_says_nothing_new_is_dropped() -> None:
    book = IncidentBook()
    assert book.enter(event("update")) is None
    assert book.enter(event("end")) is None
    assert book.enter(event()) is not None
    assert book.enter(event(time=11.0)) is None
    assert book.enter(event("end", 12.0)) is not None
    assert book.enter(event("end", 13.0)) is None


def test_an_end_may_say_when_it_ended() -> None:
    book = IncidentBook()
    book.enter(event())
    end = book.enter(event("end", 20.0, ended=15.0))
    assert end is not None
    assert (end.time, end.ended) == (20.0, 15.0)


def test_what_differs_in_key_camera_pipeline_or_kind_is_another_incident() -> None:
    book = IncidentBook()
    others: list[dict[str, Any]] = [{}, {"key": ("yard", 8)}, {"camera": "b"}, {"pipeline": "c"}, {"kind": "fall"}]
    begun = [book.enter(event(**other)) for other in others]
    assert all(begun)
    assert len({e.id for e in begun if e}) == len(book) == 5


def test_the_ordinal_tells_equal_starts_apart() -> None:
    book = IncidentBook()
    ids = [e.id for i in range(3) if (e := book.enter(event(key=(i,))))]
    assert ids == [f"gate-yard-intrusion-10000-{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"camera": "a-b", "pipeline": "c"}, {"camera": "a", "pipeline": "b-c"}),
        ({"time": 0.0004}, {"time": 0.0005}),
        ({"time": 1.0005}, {"time": 1.0015}),
    ],
)
def test_names_that_spell_the_same_do_not_collide(one: dict[str, Any], other: dict[str, Any]) -> None:
    book = IncidentBook()
    first, second = book.enter(event(**{"key": (1,)} | one)), book.enter(event(**{"key": (2,)} | other))
    assert first is not None
    assert second is not None
    assert first.id != second.id


def test_an_incident_that_comes_again_at_the_same_time_gets_another_name() -> None:
    book = IncidentBook()
    first = book.enter(event())
    book.enter(event("end"))
    second = book.enter(event())
    assert first is not None
    assert second is not None
    assert first.id != second.id


def test_end_all_ends_what_was_asked_for_in_order_with_the_reason() -> None:
    book = IncidentBook()
    for camera, pipeline, key in (("gate", "yard", 1), ("gate", "road", 2), ("door", "yard", 3), ("gate", "yard", 4)):
        book.enter(event(camera=camera, pipeline=pipeline, key=(key,), detail={"n": key}))
    ends = book.end_all(20.0, "gap", "gate", "yard")
    assert [(e.state, e.time, e.ended, e.key, e.detail) for e in ends] == [
        ("end", 20.0, 20.0, (1,), {"n": 1, "reason": "gap"}),
        ("end", 20.0, 20.0, (4,), {"n": 4, "reason": "gap"}),
    ]
    assert [e.camera for e in book.end_all(21.0, "stop", camera="gate")] == ["gate"]
    assert [e.camera for e in book.end_all(22.0, "stop")] == ["door"]
    assert book.end_all(23.0, "stop") == []


def test_no_incident_ends_before_it_began() -> None:
    book = IncidentBook()
    book.enter(event(time=100.0, started=95.0))
    (end,) = book.end_all(50.0, "gap")
    assert end.ended == 95.0


def test_end_all_does_not_change_the_begin() -> None:
    book = IncidentBook()
    begun = book.enter(event(detail={"n": 1}))
    book.end_all(20.0, "gap")
    assert begun is not None
    assert begun.detail == {"n": 1}


def test_what_was_open_when_the_daemon_went_down_can_be_ended_after() -> None:
    before, after = IncidentBook(), IncidentBook()
    begun = before.enter(event(severity="critical"))
    assert begun is not None
    after.reopen(begun)
    assert after.enter(event(time=30.0)) is None
    end = after.enter(event("end", 31.0))
    assert end is not None
    assert (end.id, end.severity) == (begun.id, "critical")


STATES = st.lists(
    st.tuples(
        st.sampled_from(["begin", "update", "end"]), st.integers(0, 2), st.sampled_from(["a", "a-b"]), st.integers(0, 3)
    ),
    max_size=60,
)


@given(STATES)
def test_any_order_of_states_gives_whole_lives_with_unique_names(steps: list[tuple[str, int, str, int]]) -> None:
    book, twin = IncidentBook(), IncidentBook()
    lives: dict[str, list[str]] = {}
    for i, (state, key, camera, start) in enumerate(steps):
        given_event = event(state, float(i), key=(key,), camera=camera, pipeline="b", started=float(start))
        entered = book.enter(given_event)
        assert entered == twin.enter(replace(given_event)), "replay must repeat every name"
        if entered is not None:
            lives.setdefault(entered.id, []).append(entered.state)
    for end in book.end_all(99.0, "stop"):
        lives[end.id].append(end.state)
    for states in lives.values():
        assert states[0] == "begin"
        assert states[-1] == "end"
        assert set(states[1:-1]) <= {"update"}
    assert len(book) == 0


def test_names_stay_unique_over_many_incidents() -> None:
    book = IncidentBook()
    ids = set()
    for i in range(9000):
        begun = book.enter(event(time=float(i // 3)))
        book.enter(event("end", float(i // 3)))
        assert begun is not None
        ids.add(begun.id)
    assert len(ids) == 9000
    assert len(book._ordinals) <= 4096
