"""Shares, spreads, drift and drops of a run."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamer.bench.figures import Drift, Served, Spread, distinct, drift, drops, subtract
from tests.bench.example import run


def test_spread_is_in_milliseconds() -> None:
    spread = Spread.of(np.arange(1, 101) / 1000)
    assert spread is not None
    assert (spread.p50, spread.max) == (50.5, 100.0)
    assert spread.p95 == pytest.approx(95.05, abs=0.06)
    assert Spread.of(np.zeros(0)) is None


def test_drift_compares_first_and_last_third() -> None:
    at = np.linspace(0, 29.9, 300)
    latency = np.where(at < 10, 0.05, np.where(at < 20, 9.0, 0.2))
    found = drift(latency, at, (0.0, 30.0))
    assert found == Drift(50.0, 200.0)
    assert found is not None
    assert found.growth == 4.0


def test_drift_needs_results_at_both_ends() -> None:
    assert drift(np.array([0.1]), np.array([29.0]), (0.0, 30.0)) is None


def test_share_is_capped_by_camera_before_it_is_averaged() -> None:
    served = Served(100.0, (102, 100, 50))
    assert served.shares == [1.0, 1.0, 0.5]
    assert served.mean == pytest.approx(2.5 / 3)
    assert served.worst == 0.5
    assert served.uneven == pytest.approx(34 / 84)


def test_nothing_served_is_as_uneven_as_can_be() -> None:
    assert Served(100.0, (0, 0)).uneven == 1.0


def test_a_frame_counts_once() -> None:
    assert distinct([3, 4, 4, -1, 9]) == (3, 1)
    assert distinct([]) == (0, 0)


def test_counters_that_appear_later_count_from_zero() -> None:
    assert subtract({"a": 5.0, "b": 2.0}, {"a": 3.0}) == {"a": 2.0, "b": 2.0}


def test_drops_are_what_was_to_be_analysed_and_was_not() -> None:
    grown = {
        "frames/sample/not_due": 200.0,
        "frames/decode/ok": 300.0,
        "frames/slot/no_slot": 4.0,
        "frames/mailbox/superseded": 0.0,
        "batches": 9.0,
    }
    assert drops(grown) == {"slot/no_slot": 4}


def test_a_run_becomes_json_with_what_is_derived() -> None:
    found = json.loads(json.dumps(run(cameras=4).to_json()))
    assert found["served"]["mean"] == 1.0
    assert found["total_cpu_ms"] == 80.0
    assert found["cores"] == pytest.approx(0.32)
    assert found["latency"]["p95"] == 80.0
