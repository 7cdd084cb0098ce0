"""Fight: smoothed scores of a behaviour model, two thresholds, seconds of watched time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamer.behaviour import Behaviour
from streamer.errors import InputError, StreamerError
from streamer.events import Event
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.fight import Fight
from streamer.types import Scores, Tracks
from tests.acting import frame, times

LABELS = ("normal", "fight")
CARD = {"fight": 0.5}
NOBODY = Tracks.empty(("person",))


def scores(value: float, *, known: bool = True, warm: bool = True) -> Scores:
    if not known:
        return Scores.unknown(LABELS, CARD)
    return Scores(np.array([1 - value, value], np.float32), LABELS, warm=warm, thresholds=CARD)


def judge(rule: Fight, said: Sequence[tuple[float, Scores]]) -> tuple[list[Event], list[Reading]]:
    watcher = rule.begin(Places())
    found = [one for i, (t, s) in enumerate(said) for one in watcher.judge(frame(t, i), NOBODY, {rule.model.name: s})]
    return [e for e in found if isinstance(e, Event)], [r for r in found if isinstance(r, Reading)]


def act(rule: Fight, value: Callable[[float], float], at: Sequence[float]) -> list[Event]:
    return judge(rule, [(t, scores(value(t))) for t in at])[0]


def between(start: float, end: float, high: float = 0.9, low: float = 0.05) -> Callable[[float], float]:
    return lambda t: high if start - 1e-6 <= t < end - 1e-6 else low


def said(events: Sequence[Event]) -> list[tuple[str, float]]:
    return [(event.state, round(event.time, 2)) for event in events]


PLAIN = Fight(smooth_seconds=0.0)


def test_it_begins_after_a_second_and_ends_three_after_the_last() -> None:
    begin, end = act(PLAIN, between(4, 9), times(0, 20, 5))
    assert said([begin, end]) == [("begin", 5.0), ("end", 12.0)]
    assert (begin.started, end.started, end.ended) == (4.0, 4.0, 8.8)
    assert (begin.kind, begin.label, begin.box, begin.zone) == ("fight", "fight", None, None)
    assert begin.confidence == pytest.approx(0.9)
    assert begin.detail == {
        "model": "fight",
        "label": "fight",
        "score": 0.9,
        "smooth": 0.9,
        "min_score": 0.5,
        "min_seconds": 1.0,
        "smooth_seconds": 0.0,
        "apart": 0.04,  # nobody knew at first, then nobody was seen: 0.5 exp(-5 / 2)
    }
    assert end.detail["peak"] == pytest.approx(0.9)
    assert (end.detail["score"], end.detail["end_score"], end.detail["end_seconds"]) == (0.05, 0.3, 3.0)


@given(fps=st.floats(2.0, 15.0), start=st.floats(3.0, 5.0), length=st.floats(4.0, 20.0))
def test_any_rate_of_frames_says_the_same(fps: float, start: float, length: float) -> None:
    rule = Fight()
    begin, end = act(rule, between(start, start + length), times(0, 40, fps))
    # smoothing reaches 0.5 of 0.05..0.9 after 0.75 s, and falls to 0.3 after 1.2 s from 0.9
    assert begin.time == pytest.approx(start + 0.75 + rule.min_seconds, abs=2 / fps + 0.05)
    assert end.time == pytest.approx(start + length + 1.22 + rule.end_seconds, abs=2 / fps + 0.3)


@given(seed=st.integers(0, 10_000))
def test_a_rate_that_changes_says_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.uniform(1 / 15, 1 / 2, 200))
    start = at[20]
    begin, end = act(Fight(), between(start, start + 10), at.tolist())
    assert begin.time == pytest.approx(start + 1.75, abs=1.05)
    assert end.time == pytest.approx(start + 14.2, abs=1.3)


def test_a_score_that_swings_about_the_threshold_is_one_fight() -> None:
    found = act(PLAIN, lambda t: 0.4 if round(t * 5) % 3 == 0 and 6 < t < 12 else between(4, 12)(t), times(0, 20, 5))
    assert said(found) == [("begin", 5.0), ("end", pytest.approx(14.8, abs=0.3))]


def test_a_single_high_score_is_none() -> None:
    assert act(Fight(), lambda t: 1.0 if abs(t - 5) < 0.05 else 0.1, times(0, 20, 5)) == []
    assert act(PLAIN, between(5, 5.8), times(0, 20, 5)) == []


def test_unknown_freezes_and_neither_begins_nor_ends() -> None:
    def at(t: float) -> Scores:
        return scores(between(4, 30)(t), known=not (4.5 < t < 9.5))

    found, _ = judge(PLAIN, [(t, at(t)) for t in times(0, 12, 5)])
    assert said(found) == [("begin", 10.2)], "0.4 s before, nothing in between, 0.6 s after"

    def later(t: float) -> Scores:
        return scores(between(2, 6)(t), known=not (6.5 < t < 16))

    found, _ = judge(PLAIN, [(t, later(t)) for t in times(0, 25, 5)])
    assert said(found) == [("begin", 3.0), ("end", pytest.approx(18.6, abs=0.21))]


def test_scores_that_are_not_warm_begin_nothing() -> None:
    found, readings = judge(PLAIN, [(t, scores(0.99, warm=t > 3.0)) for t in times(0, 6, 5)])
    assert said(found) == [("begin", 4.2)]
    assert [reading.value for reading in readings] == [0.99]


def test_a_memory_that_begins_anew_takes_nothing_with_it() -> None:
    """Smoothing of what was seen before a cut must not carry a fight over to another scene."""

    def at(t: float) -> Scores:
        if t < 3.9:
            return scores(1.0)
        return scores(1.0, warm=False) if t < 4.5 else scores(0.1)

    rule = Fight(min_seconds=5.0)
    found, readings = judge(rule, [(t, at(t)) for t in times(0, 20, 5)])
    assert found == []
    assert [reading.value for reading in readings] == [1.0, 0.1]


def test_a_fight_that_is_on_goes_on_after_a_cold_spell() -> None:
    def at(t: float) -> Scores:
        return scores(0.9, warm=not 5 < t < 8) if t < 12 else scores(0.0)

    found, _ = judge(PLAIN, [(t, at(t)) for t in times(1, 20, 5)])
    assert said(found) == [("begin", 2.0), ("end", 15.0)]


def test_a_gap_counts_for_a_second_at_most() -> None:
    rule = Fight(min_seconds=2.0, smooth_seconds=0.0)
    found = act(rule, lambda t: 0.9, [0.0, 0.2, 4.0, 4.2, 4.4, 4.6, 4.8, 5.0, 5.2])
    assert said(found) == [("begin", 4.8)], "0.2 + 1 + 0.8"


def test_the_settings_come_before_the_card() -> None:
    rule = Fight(min_score=0.85, end_score=0.8, smooth_seconds=0.0)
    assert act(rule, between(2, 9, 0.8), times(0, 20, 5)) == []
    begin, end = act(rule, lambda t: 0.9 if 2 <= t < 5 else 0.82 if t < 9 else 0.5, times(0, 20, 5))
    assert (begin.detail["min_score"], end.detail["end_score"]) == (0.85, 0.8)
    assert said([begin, end]) == [("begin", 3.0), ("end", 12.0)]


def test_outside_of_the_schedule_nothing_begins() -> None:
    rule = Fight.model_validate({"when": "Mon-Fri 22:00-06:00", "smooth_seconds": 0})
    noon = 1_700_000_000.0 // 86_400 * 86_400 + 43_200
    assert act(rule, lambda t: 0.9, [noon + i / 5 for i in range(50)]) == []


def test_readings_tell_the_smoothed_score_when_it_changes() -> None:
    _, readings = judge(Fight(), [(t, scores(0.5)) for t in times(0, 4, 5)])
    assert [(r.kind, r.place, r.value, r.mode) for r in readings] == [("fight", "picture", 0.5, "level")]


def test_what_does_not_fit_the_model() -> None:
    rule = Fight.model_validate({"label": "brawl", "model": "mine"})
    assert list(rule.model_faults(LABELS, CARD)) == [
        ("label", "model 'mine' has no label 'brawl'; its labels are: normal, fight")
    ]
    (fault,) = Fight().model_faults(LABELS, {})
    assert fault == ("min_score", "must be given: the card of model 'fight' has no threshold of 'fight'")
    (fault,) = Fight(end_score=0.7).model_faults(LABELS, CARD)
    assert fault == ("end_score", "must not be above the model's threshold of 'fight', 0.5")
    assert not list(Fight(min_score=0.4).model_faults(LABELS, {}))
    with pytest.raises(InputError, match="fight: min_score: must be given"):
        judge(Fight(), [(0.0, Scores(np.array([0.1, 0.9], np.float32), LABELS))])
    with pytest.raises(ValidationError, match=r"end_score must not be above min_score, got 0.8 and 0.5"):
        Fight(min_score=0.5, end_score=0.8)


def test_a_pipeline_that_passes_no_scores_is_told_so() -> None:
    with pytest.raises(StreamerError, match="fight: the pipeline passes no scores of model 'fight'; in its `watch`"):
        list(Fight().begin(Places()).judge(frame(0.0), NOBODY))


def test_the_model_is_a_name() -> None:
    rule = Fight.model_validate({"model": "other"})
    assert rule.model.name == "other"
    assert rule.model_dump()["model"] == "other"
    assert Fight().model == Behaviour("fight")
    assert rule.handles() == {"model": rule.model}


APART = [(0.1, 0.3, 0.2, 0.8), (0.3, 0.3, 0.4, 0.8), (0.7, 0.3, 0.8, 0.8)]
MEETING = [(0.1, 0.3, 0.32, 0.8), (0.3, 0.3, 0.4, 0.8), (0.7, 0.3, 0.8, 0.8)]


def people(boxes: Sequence[tuple[float, ...]], *, label: str = "person", known: bool = True) -> Tracks:
    n = len(boxes)
    return Tracks(
        np.array(boxes, np.float32).reshape(n, 4),
        np.full(n, 0.8, np.float32),
        np.zeros(n, np.int64),
        np.arange(1, n + 1),
        np.full(n, 9.0, np.float32),
        (label,),
        known,
    )


def among(rule: Fight, who: Callable[[float], Tracks], at: Sequence[float]) -> list[Event]:
    watcher = rule.begin(Places())
    said = {rule.model.name: scores(0.9)}
    found = [one for i, t in enumerate(at) for one in watcher.judge(frame(t, i), who(t), said)]
    return [e for e in found if isinstance(e, Event)]


@pytest.mark.parametrize("fps", [2, 5, 10])
def test_people_who_keep_apart_do_not_fight(fps: int) -> None:
    assert among(PLAIN, lambda t: people(APART), times(0, 20, fps)) == []
    assert len(among(Fight(smooth_seconds=0.0, contact=False), lambda t: people(APART), times(0, 20, fps))) == 1
    assert len(among(PLAIN, lambda t: people(MEETING), times(0, 20, fps))) == 1


def test_boxes_that_meet_now_and_then_by_chance_are_no_contact() -> None:
    assert among(PLAIN, lambda t: people(MEETING if t % 2 > 1.65 else APART), times(0, 20, 10)) == []


def test_whom_the_detector_does_not_see_may_fight() -> None:
    for few in ([], APART[:1]):
        assert len(among(PLAIN, lambda t, few=few: people(few), times(0, 9, 5))) == 1
    assert len(among(PLAIN, lambda t: people(APART, label="car"), times(0, 9, 5))) == 1


def test_it_begins_once_they_meet_and_goes_on_when_they_part() -> None:
    begin = among(PLAIN, lambda t: people(MEETING if 6 <= t < 12 else APART), times(0, 30, 5))
    assert [event.state for event in begin] == ["begin"]
    assert 6.0 < begin[0].time < 9.0
    assert begin[0].detail["apart"] < 0.5


def test_boxes_of_a_lost_answer_are_not_believed() -> None:
    first = [*(people(APART) for _ in range(4)), *(people(MEETING, known=False) for _ in range(80))]
    assert among(PLAIN, lambda t: first[round(t * 5)], times(0, 16, 5)) == []
