"""What a bench prints."""

from __future__ import annotations

from streamer.bench.capacity import Verdict
from streamer.bench.figures import Served
from streamer.bench.floor import Floor
from streamer.bench.load import Load
from streamer.bench.table import floor_text, headline, run_text, step_text, verdict_text
from tests.bench.example import run

FLOOR = Floor(28.0, 7.0, 1, 80.0, 64.0, 70.0, 90.0, "onnxruntime f32", "416x256", 16.0, 2)


def test_a_run_says_all_that_matters() -> None:
    text = run_text(run(drops={"slot/no_slot": 4}, unknown=2))
    for words in (
        "2.5 s",
        "100.0% served",
        "p50 40.0 ms, p95 80.0 ms",
        "80.0 ms (engine 5.0 ms, reader 35.0 ms, worker 40.0 ms); 0.32 cores",
        "PSS 180 MB",
        "80 MB PSS in 2 processes; 200 MB are allowed",
        "4 slot/no_slot",
        "2 without answer",
        "not raised",
        "onnxruntime f32, 2 streams",
    ):
        assert words in text


def test_a_run_without_results_does_not_fail() -> None:
    text = run_text(run(latency=None, drift=None, stages={}, served=Served(100.0, (0,) * 4)))
    assert "no results" in text


def test_ratios_to_the_floor() -> None:
    text = floor_text([FLOOR, FLOOR], run(), FLOOR)
    assert "floor before" in text
    assert "floor after" in text
    assert "CPU / bare floor, in one go  1.25" in text
    assert "CPU / plain code, in one go  1.00" in text
    assert "CPU / bare floor, same pace  1.14" in text
    assert "CPU / plain code, same pace  0.89" in text
    assert "flatter" not in text


def test_ratios_of_a_run_that_served_less_carry_a_warning() -> None:
    assert "flatter" in floor_text([FLOOR], run(share=0.8), FLOOR)


def test_steps_and_verdicts_are_lines() -> None:
    assert "  12 cameras: 100.0% served, p95 80 ms" in step_text(run(12), True)
    assert step_text(run(12), False).endswith("not held")
    assert verdict_text([Verdict("memory stays flat", "1 to 2 MB", False)]) == "memory stays flat  NO: 1 to 2 MB"


def test_the_headline_hides_addresses() -> None:
    text = headline(Load(cameras=1, urls=("rtsp://u:secret@h/1",)))
    assert "secret" not in text
    assert "1 real cameras" in text
