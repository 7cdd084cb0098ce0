"""The metrics: base units, fixed small labels, and a page that says what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streamer.metrics import Described, Metrics, reference
from streamer.readings import Reading

FIXED_LABELS = {"camera", "stage", "reason", "model", "sink", "outcome", "kind", "state", "loop", "part", "role"}
FIXED_LABELS |= {"pipeline", "place", "label", "direction", "signal"}  # of the configuration, of a card, of fixed sets
EVERY = list(Metrics().describe())


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
def test_names_units_and_labels_follow_the_rules(metric: Described) -> None:
    assert re.fullmatch(r"streamer_[a-z][a-z0-9_]*", metric.name)
    assert metric.type in ("counter", "gauge", "histogram")
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent|avg|mean|fps|p95)(_|$)", metric.name)
    assert set(metric.labels) <= FIXED_LABELS, "labels come from a fixed small set"
    assert metric.text[0].isupper() or metric.text[0].isdigit()
    assert "|" not in metric.text
    assert "\n" not in metric.text


def _touch_everything(metrics: Metrics) -> None:
    for metric in vars(metrics).values():
        if hasattr(metric, "_labelnames"):
            child = metric.labels(*("x" for _ in metric._labelnames)) if metric._labelnames else metric
            child.observe(0.5) if hasattr(child, "observe") else child.inc()


def test_what_is_described_is_what_is_exported() -> None:
    metrics = Metrics()
    _touch_everything(metrics)
    exported = {s.name for family in text_string_to_metric_families(metrics.render().decode()) for s in family.samples}
    assert exported == {name for metric in metrics.describe() for name in metric.samples}


def test_every_metric_of_the_registry_is_described() -> None:
    metrics = Metrics()
    _touch_everything(metrics)
    described = {name for metric in metrics.describe() for name in metric.samples}
    assert {s.name for family in metrics.registry.collect() for s in family.samples} <= described


def test_each_object_counts_for_itself() -> None:
    one, other = Metrics(), Metrics()
    one.frames.labels("gate", "decode", "ok").inc()
    assert one.value("streamer_frames_total", camera="gate", stage="decode", outcome="ok") == 1
    assert other.value("streamer_frames_total", camera="gate", stage="decode", outcome="ok") == 0


def test_a_name_that_does_not_exist_is_a_mistake_not_a_zero() -> None:
    with pytest.raises(KeyError, match="streamer_frame_total"):
        Metrics().value("streamer_frame_total")
    with pytest.raises(KeyError, match="no metric exports 'streamer_frames'"):
        Metrics().value("streamer_frames")


def test_histograms_are_read_by_their_samples() -> None:
    metrics = Metrics()
    metrics.frame_seconds.labels("gate").observe(0.05)
    assert metrics.value("streamer_frame_seconds_count", camera="gate") == 1
    assert metrics.value("streamer_frame_seconds_bucket", camera="gate", le="0.06") == 1
    assert metrics.value("streamer_frame_seconds_bucket", camera="gate", le="0.04") == 0


def test_a_camera_that_left_has_no_gauges_but_its_history() -> None:
    metrics = Metrics()
    metrics.camera_up.labels("gate").set(1)
    metrics.camera_last_frame_timestamp_seconds.labels("gate").set(1e9)
    metrics.sessions.labels("gate").inc()
    metrics.camera_up.labels("door").set(1)
    metrics.note("gate", "road", Reading("occupancy", "yard", 3.0, label="person"))
    metrics.note("gate", "road", Reading("line_crossing", "entry", 2, "count", "car", "forward"))
    metrics.forget_camera("gate")
    metrics.forget_camera("never heard of")
    text = metrics.render().decode()
    assert 'streamer_camera_up{camera="gate"}' not in text
    assert 'streamer_camera_last_frame_timestamp_seconds{camera="gate"}' not in text
    assert 'streamer_camera_up{camera="door"} 1.0' in text
    assert 'streamer_level{camera="gate"' not in text
    assert metrics.counts.labels("gate", "road", "line_crossing", "entry", "car", "forward")._value.get() == 2
    assert 'streamer_sessions_total{camera="gate"} 1.0' in text


def test_readings_count_up_or_stand() -> None:
    metrics = Metrics()
    for value in (2, 3):
        metrics.note("gate", "road", Reading("line_crossing", "entry", value, "count", "car", "forward"))
        metrics.note("gate", "road", Reading("occupancy", "yard", value))
    names = {"camera": "gate", "pipeline": "road"}
    counted = {"kind": "line_crossing", "place": "entry", "label": "car", "direction": "forward"}
    assert metrics.value("streamer_counts_total", **names, **counted) == 5
    level = {"kind": "occupancy", "place": "yard", "label": "", "direction": ""}
    assert metrics.value("streamer_level", **names, **level) == 3


def test_no_sample_that_nobody_reads() -> None:
    metrics = Metrics()
    _touch_everything(metrics)
    assert b"_created" not in metrics.render()


def test_names_from_outside_cannot_break_the_format() -> None:
    metrics = Metrics()
    metrics.camera_up.labels('a"} 1\nstreamer_fake 7\\').set(1)
    (family,) = (f for f in text_string_to_metric_families(metrics.render().decode()) if f.name == "streamer_camera_up")
    assert family.samples[0].labels == {"camera": 'a"} 1\nstreamer_fake 7\\'}


def test_the_page_is_up_to_date(root: Path) -> None:
    page = root / "docs" / "metrics.md"
    assert page.read_text() == reference(), "run: python -m streamer.metrics > docs/metrics.md"
    for metric in EVERY:
        assert f"| `{metric.name}` |" in page.read_text()


def test_a_child_is_the_same_however_it_is_asked_for() -> None:
    metrics = Metrics()
    metrics.frames.labels("gate", "analyze", "ok").inc()
    metrics.frames.labels("gate", "analyze", "ok").inc()
    metrics.frames.labels(outcome="ok", stage="analyze", camera="gate").inc()
    assert metrics.value("streamer_frames_total", camera="gate", stage="analyze", outcome="ok") == 3
    metrics.camera_up.labels("gate").set(1)
    metrics.forget_camera("gate")
    metrics.camera_up.labels("gate").inc(5)
    assert metrics.value("streamer_camera_up", camera="gate") == 5
    with pytest.raises(ValueError, match="label count"):
        metrics.frames.labels("gate", "analyze")


def test_a_value_is_counted_in_the_first_bucket_that_holds_it() -> None:
    metrics = Metrics()
    for seconds in (0.0, 0.005, 0.0051, 5.0, 5.1, float("inf")):
        metrics.frame_seconds.labels("gate").observe(seconds)
    counts = [
        metrics.value("streamer_frame_seconds_bucket", camera="gate", le=le) for le in ("0.005", "0.01", "5.0", "+Inf")
    ]
    assert counts == [2, 3, 4, 6]
