"""A feed and a lamp keep each other honest."""

from __future__ import annotations

from streamer.signals.fusion import DISAGREE_S, Fusion
from streamer.types import Aspect, Phase, Signal


def says(aspect: Aspect, since: float, until: float, source: str, reason: str = "") -> Signal:
    known = () if aspect == "unknown" else (Phase(aspect, since, until),)
    return Signal(aspect, since, reason, source, known)


def test_both_agree_on_the_later_beginning() -> None:
    both = Fusion().fuse(says("red", 10, 20, "feed"), says("red", 10.4, 20, "lamp"), 20)
    assert (both.aspect, both.since, both.source) == ("red", 10.4, "both")


def test_silent_or_late_feed_leaves_it_to_the_lamp() -> None:
    lamp = says("red", 10, 20, "lamp")
    for reason in ("silent", "late"):
        assert Fusion().fuse(says("unknown", 0, 0, "feed", reason), lamp, 20) is lamp


def test_a_lying_feed_is_not_made_good_by_a_lamp() -> None:
    lie = says("unknown", 0, 0, "feed", "impossible")
    assert Fusion().fuse(lie, says("red", 10, 20, "lamp"), 20) is lie


def test_a_lamp_that_cannot_be_seen_leaves_it_to_the_feed() -> None:
    feed = Fusion().fuse(says("red", 10, 20, "feed"), says("unknown", 5, 0, "lamp", "unclear"), 20)
    assert (feed.aspect, feed.source) == ("red", "feed")
    assert feed.shows("red", 11, 20)


def test_what_the_lamp_denies_is_not_vouched_for() -> None:
    feed = says("red", 10, 30, "feed")
    seen = Signal("red", 15, "", "lamp", (Phase("green", 8, 14), Phase("red", 15, 30)))
    both = Fusion().fuse(feed, seen, 30)
    assert both.shows("red", 15, 30)
    assert not both.shows("red", 13, 20)
    other = Signal("green", 22, "", "lamp", (Phase("red", 10, 20), Phase("green", 22, 30)))
    assert [(p.since, p.until) for p in Fusion().fuse(feed, other, 30).phases] == [(10, 22)]


def test_disagreement_is_unknown_at_once_and_a_lie_when_it_lasts() -> None:
    fusion = Fusion()
    feed, lamp = says("red", 10, 30, "feed"), says("green", 5, 30, "lamp")
    assert fusion.fuse(feed, lamp, 20.0).reason == "contradicts_lamp"
    assert not fusion.lies(20.0)
    fusion.fuse(feed, lamp, 20.0 + DISAGREE_S + 0.1)
    assert fusion.lies(20.0 + DISAGREE_S + 0.1)
    fusion.fuse(feed, says("red", 23, 25, "lamp"), 25.0)
    assert not fusion.lies(25.0)
