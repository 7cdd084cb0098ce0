"""A simulated week leaves tracker and rules as small as they were, and one that forgets nothing is found out."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from streamer.bench import rulebook
from streamer.bench.week import Growth, held_bytes, week
from streamer.events import Event
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.intrusion import Intrusion
from streamer.rules.rule import Judge
from streamer.types import NO_SCORES, Frame, Scores, Tracks


@pytest.fixture(scope="module")
def grown() -> dict[str, Growth]:
    """A week of every rule."""
    return dict(week())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tracker", *(kind.kind for kind in rulebook.kinds())])
def test_memory_is_flat_over_a_week(name: str, grown: dict[str, Growth]) -> None:
    assert name in grown, f"rule {name!r} cannot be set up: streamer.bench.rulebook must be told how"
    assert grown[name].flat, f"{name}: {grown[name].early} B after two days, {grown[name].late} B after seven"
    assert grown[name].late < 2**20


class _Hoarder(Judge):
    """Keeps every track it ever saw."""

    def __init__(self) -> None:
        self.known: dict[int, float] = {}

    def judge(
        self, frame: Frame, tracks: Tracks, scores: Mapping[str, Scores] = NO_SCORES
    ) -> Iterator[Event | Reading]:
        for track_id in tracks.track_ids.tolist():
            self.known[track_id] = frame.time
        yield from ()


def test_a_rule_that_forgets_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hoards(Intrusion):
        kind = "hoarding"

        def begin(self, places: Places) -> Judge:
            return _Hoarder()

    monkeypatch.setattr(rulebook, "kinds", lambda: [Hoards])
    found = week(days=4)
    assert found["hoarding"].late > 1.5 * found["hoarding"].early
    assert found["tracker"].flat


def test_held_bytes_agree_with_what_python_allocated() -> None:
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        holder = {"rows": [float(i) for i in range(1000)], "array": np.zeros(5000), "view": np.zeros((100, 100))[:5]}
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes(holder) == pytest.approx(after - before, rel=0.05)


def test_what_is_shared_is_not_counted() -> None:
    shared = {"big": list(range(10_000))}
    assert held_bytes({"mine": shared}, shared) < 1000
    assert held_bytes({"rule": Intrusion(zones=["yard"])}) < 1000  # settings belong to nobody
