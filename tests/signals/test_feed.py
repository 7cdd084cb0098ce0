"""A feed that is honest is believed; one that is late, silent, stuck or lying is unknown, and says why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.signals.feed import Feed
from streamer.signals.message import Message
from streamer.signals.settings import SignalSettings
from streamer.types import Aspect, Signal

CYCLE: list[tuple[Aspect, float]] = [("green", 10), ("amber", 3), ("red", 12)]


def feed(**more: Any) -> Feed:
    return Feed(SignalSettings.model_validate({"poll": {"url": "http://10.0.0.7/state"}, **more}))


def aspect_at(time: float) -> Aspect:
    """What an honest signal shows: green from 0, amber from 10, red from 13, green again from 25."""
    t = time % 25
    return "green" if t < 10 else "amber" if t < 13 else "red"


def play(
    to: Feed, start: float, end: float, every_s: float = 0.5, delay_s: float = 0.1, stamped: bool = True
) -> list[str]:
    """An honest controller: says what it shows again and again; what became of each message."""
    found = []
    for i in range(round((end - start) / every_s) + 1):
        t = start + i * every_s
        found.append(to.hear(Message(aspect_at(t), t if stamped else None), t + delay_s))
    return found


def seen(signal: Signal) -> tuple[str, str]:
    return signal.aspect, signal.reason


@pytest.mark.parametrize("stamped", [True, False])
def test_an_honest_feed_is_believed(stamped: bool) -> None:
    honest = feed()
    assert set(play(honest, 0, 20, stamped=stamped)) == {"ok"}
    red = honest.at(20.0)
    assert (red.aspect, red.source) == ("red", "feed")
    assert red.since == pytest.approx(13.1)  # when we heard of it: it was certainly red from then on
    assert [phase.aspect for phase in red.phases] == ["green", "amber", "red"]
    assert honest.at(9.9).aspect == "green"
    assert seen(honest.at(13.2)) == ("unknown", "changing")


def test_what_is_vouched_for_is_never_what_the_signal_did_not_show() -> None:
    honest = feed()
    play(honest, 0, 40, every_s=0.5, delay_s=0.4)
    for phase in honest.at(40).phases:
        assert aspect_at(phase.since) == aspect_at(phase.until) == phase.aspect
        assert phase.until < 40 - 0.4  # not beyond what was heard, and clocks may differ


def test_a_clock_that_differs_within_the_tolerance_costs_only_certainty() -> None:
    for error_s in (-0.5, 0.4):
        skewed = feed()
        for i in range(81):
            t = i * 0.5
            skewed.hear(Message(aspect_at(t), t + error_s), t + 0.1)
        for phase in skewed.at(40).phases:
            assert aspect_at(phase.since) == aspect_at(phase.until) == phase.aspect


def test_nothing_was_heard_yet() -> None:
    assert seen(feed().at(3.0)) == ("unknown", "silent")


def test_silence_is_unknown_and_breaks_what_is_vouched_for() -> None:
    quiet = feed()
    play(quiet, 0, 15)
    assert quiet.at(20.0).aspect == "red"
    assert not quiet.at(20.0).shows("red", 14, 18)  # believed, but nobody vouches for it
    assert seen(quiet.at(20.2)) == ("unknown", "silent")
    assert quiet.at(20.2).phases == ()
    play(quiet, 40, 41)
    assert quiet.at(41).since == pytest.approx(40.1)


def test_a_message_that_was_long_under_way_is_late_until_one_is_in_time() -> None:
    slow = feed()
    play(slow, 0, 15)
    assert slow.hear(Message("red", 15.5), 17.0) == "late"
    assert seen(slow.at(17.0)) == ("unknown", "late")
    assert slow.hear(Message("red", 17.2), 17.3) == "ok"
    assert seen(slow.at(17.4)) == ("red", "")
    assert slow.at(17.4).shows("red", 13.5, 16.5)  # nothing had changed meanwhile


def test_a_late_change_makes_everything_before_it_doubtful() -> None:
    slow = feed()
    play(slow, 0, 24)
    slow.hear(Message("green", 25.0), 27.0)
    slow.hear(Message("green", 27.1), 27.2)
    assert not any(phase.aspect == "red" for phase in slow.at(28).phases)


@pytest.mark.parametrize(
    ("lie", "messages"),
    [
        ("future", [("red", 20.0, 15.6)]),
        ("contradictory", [("red", 16.0, 16.1), ("green", 16.02, 16.1), ("green", 15.2, 16.2)]),
        ("impossible", [("green", 16.0, 16.1), ("red", 18.0, 18.1)]),  # from green to red without amber
        ("impossible", [("green", 16.0, 16.1), ("amber", 16.4, 16.5)]),  # a green of 0.4 s
        ("impossible", [("green", 16, 16.1), ("amber", 20, 20.1), ("green", 23, 23.1)]),
    ],
)
def test_a_lie_is_unknown_for_a_while(lie: str, messages: list[tuple[Aspect, float, float]]) -> None:
    liar = feed(trust_after_seconds=10)
    play(liar, 0, 15)
    outcomes = [liar.hear(Message(aspect, stamp), at) for aspect, stamp, at in messages]
    assert lie in outcomes
    caught_at = messages[outcomes.index(lie)][2]
    assert seen(liar.at(caught_at + 1)) == ("unknown", outcomes[-1] if outcomes[-1] not in ("ok", "repeated") else lie)
    assert liar.at(caught_at + 1).phases == ()


def test_trust_comes_back_but_not_for_what_was_before() -> None:
    liar = feed(trust_after_seconds=10)
    play(liar, 0, 15)
    liar.hear(Message("red", 99.0), 15.6)
    play(liar, 16, 45)
    back = liar.at(45)
    assert back.aspect == "red"
    assert all(phase.since >= 25.6 for phase in back.phases)


def test_a_signal_without_amber_may_go_to_red_at_once() -> None:
    ramp = feed(has_amber=False)
    assert ramp.hear(Message("green", 1.0), 1.0) == "ok"
    assert ramp.hear(Message("red", 5.0), 5.0) == "ok"
    assert ramp.at(6).aspect == "red"


def test_a_signal_that_never_changes_is_stuck() -> None:
    dead = feed(stuck_seconds=60)
    for t in range(0, 90, 2):
        dead.hear(Message("red", float(t)), float(t))
    assert seen(dead.at(59.0)) == ("red", "")
    assert seen(dead.at(88.0)) == ("unknown", "stuck")
    assert dead.at(88.0).since == 60.0
    rests = feed(stuck_seconds=None)
    for t in range(0, 2000, 4):
        rests.hear(Message("red", float(t)), float(t))
    assert rests.at(1999.0).aspect == "red"


def test_the_controllers_own_unknown_is_unknown_and_no_lie() -> None:
    own = feed()
    play(own, 0, 15)
    assert own.hear(Message("unknown", 15.5, "controller"), 15.6) == "ok"
    assert seen(own.at(16)) == ("unknown", "controller")
    assert own.hear(Message("green", 18.0), 18.1) == "ok"
    assert own.at(19).aspect == "green"


def test_a_message_that_comes_twice_changes_nothing() -> None:
    twice = feed()
    play(twice, 0, 15)
    before = twice.at(15.5)
    assert twice.hear(Message("red", 14.5), 15.2) == "repeated"
    assert twice.hear(Message("amber", 12.9), 13.6 + 0.2) in ("repeated", "late")
    assert twice.at(15.5).since == before.since


def test_two_sources_that_disagree_are_caught() -> None:
    both = feed()
    outcomes = []
    for i in range(20):
        t = i * 0.25
        outcomes.append(both.hear(Message("red" if i % 2 else "green", t), t + 0.05))
    assert {"impossible", "contradictory"} & set(outcomes)
    assert both.at(5).aspect == "unknown"


@settings(max_examples=60)
@given(st.data())
def test_whatever_comes_what_is_vouched_for_is_ordered_bounded_and_heard(data: st.DataObject) -> None:
    any_feed, t = feed(), 0.0
    for _ in range(data.draw(st.integers(0, 40))):
        t += data.draw(st.floats(0, 4))
        stamp = data.draw(st.one_of(st.none(), st.floats(t - 3, t + 1)))
        any_feed.hear(Message(data.draw(st.sampled_from(["red", "amber", "green", "unknown"])), stamp), t)
        signal = any_feed.at(t)
        assert len(signal.phases) <= 8
        assert all(p.since < p.until <= t for p in signal.phases)
        assert (signal.reason == "") is (signal.aspect != "unknown")
        if signal.reason in ("future", "contradictory", "impossible", "late", "silent", "stuck"):
            assert signal.phases == ()


@settings(max_examples=30)
@given(
    st.floats(0.1, 1.4),
    st.floats(0.0, 0.9),
    st.floats(0, 1),
    st.sampled_from([0.0, 4096.0, 1_800_000_000.0]),
    st.booleans(),
)
def test_an_honest_feed_is_never_wrong_and_its_red_is_always_seen(
    every_s: float, delay_s: float, phase: float, offset_s: float, stamped: bool
) -> None:
    honest = feed()
    for i in range(int(70 / every_s)):
        t = phase + i * every_s
        outcome = honest.hear(Message(aspect_at(t), offset_s + t if stamped else None), offset_s + t + delay_s)
        assert outcome == "ok"
    end = offset_s + phase + (int(70 / every_s) - 1) * every_s + delay_s
    found = honest.at(end).phases
    assert all(aspect_at(p.since - offset_s) == aspect_at(p.until - offset_s - 1e-6) == p.aspect for p in found)
    assert len([p for p in found if p.aspect == "red"]) >= 2
