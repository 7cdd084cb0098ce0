"""The search for the most cameras that are held, and the verdicts beyond it."""

from __future__ import annotations

import pytest

from streamer.bench.capacity import find, guess_cameras, holds, verdicts
from streamer.bench.figures import Drift, Memory, Run, Served
from tests.bench.example import run


@pytest.mark.parametrize(
    ("share", "p95", "held"), [(1.0, 80.0, True), (0.99, 120.0, True), (0.98, 80.0, False), (1.0, 121.0, False)]
)
def test_held_means_served_and_in_time(share: float, p95: float, held: bool) -> None:
    assert holds(run(share=share, p95=p95)) is held


def test_a_run_without_results_is_not_held() -> None:
    assert not holds(run(latency=None))


@pytest.mark.parametrize("limit", [0, 1, 2, 7, 19, 20, 21, 64])
@pytest.mark.parametrize("guess", [1, 20, 40])
def test_search_finds_the_limit_and_tries_nothing_twice(limit: int, guess: int) -> None:
    tried: list[int] = []

    def measure(cameras: int) -> Run:
        tried.append(cameras)
        return run(cameras, share=1.0 if cameras <= limit else 0.8)

    found = find(measure, guess)
    assert found.cameras == limit
    assert len(set(tried)) == len(tried)
    assert len(tried) <= 30
    assert (found.run is None) == (limit == 0)


def test_search_stops_at_the_most_that_is_allowed() -> None:
    assert find(lambda n: run(n), 4, most=6).cameras == 6


def test_a_good_guess_saves_runs() -> None:
    tried: list[int] = []

    def measure(cameras: int) -> Run:
        tried.append(cameras)
        return run(cameras, share=1.0 if cameras <= 22 else 0.8)

    find(measure, 22)
    assert len(tried) <= 3


def test_guess_is_nine_tenths_of_the_cores() -> None:
    assert guess_cameras(2, 80.0) == 22
    assert guess_cameras(1, 5000.0) == 1


def _overload(**changes: object) -> Run:
    calm = {
        "served": Served(300.0, (150,) * 4),
        "drift": Drift(150.0, 160.0),
        "memory": Memory({}, {}, 500.0, 505.0),
        "overloaded": True,
    }
    return run(p95=150.0, **{**calm, **changes})


def test_overload_that_is_borne_well() -> None:
    found = verdicts(_overload(), run(p95=100.0))
    assert len(found) == 5
    assert all(verdict.holds for verdict in found)


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        ({"drift": Drift(100.0, 400.0)}, "flat"),
        ({"served": Served(300.0, (150, 150, 150, 100))}, "share"),
        ({"memory": Memory({}, {}, 500.0, 600.0)}, "memory"),
        ({"overloaded": False}, "overloaded"),
    ],
)
def test_overload_that_is_not(change: dict[str, object], claim: str) -> None:
    failed = [verdict.claim for verdict in verdicts(_overload(**change), run(p95=100.0)) if not verdict.holds]
    assert len(failed) == 1
    assert claim in failed[0]


def test_p95_may_double_but_no_more() -> None:
    failed = [verdict.claim for verdict in verdicts(_overload(), run(p95=70.0)) if not verdict.holds]
    assert failed == ["p95 at most 2 x that at capacity"]
