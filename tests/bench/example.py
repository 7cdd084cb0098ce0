"""A run as `trial` would return it, for tests of what comes after."""

from __future__ import annotations

from streamer.bench.figures import Drift, Memory, Run, Served, Spread


def run(cameras: int = 4, share: float = 1.0, p95: float = 80.0, **changes: object) -> Run:
    """A quiet run, with some figures chosen."""
    values: dict[str, object] = {
        "cameras": cameras,
        "window_s": 20.0,
        "start_s": 2.5,
        "served": Served(100.0, (round(100 * share),) * cameras),
        "latency": Spread(40.0, p95, p95 + 10, p95 + 20),
        "latency_from": "sent",
        "stages": {"reading": Spread(4.0, 8.0, 9.0, 11.0)},
        "drift": Drift(p95, p95),
        "cpu_ms": {"engine": 5.0, "reader": 35.0, "worker": 40.0},
        "simulator_ms": 3.5,
        "other_cores": 0.01,
        "steal_cores": 0.0,
        "memory": Memory({"engine": 120.0, "reader": 90.0}, {"engine": 100.0, "reader": 80.0}, 300.0, 301.0),
        "processes": {"engine": 1, "reader": 2, "worker": 1},
        "batch_mean": 1.5,
        "sent_fps": 15.0,
        "drops": {},
        "unreadable": 0,
        "duplicates": 0,
        "unknown": 0,
        "overloaded": False,
        "plan": {"runtime": "onnxruntime", "precision": "f32", "streams": 2},
    }
    return Run(**{**values, **changes})  # type: ignore[arg-type]
