"""Every Prometheus metric of the daemon, in one place; the only door to prometheus_client.

One `Metrics` object per engine with a registry of its own (nothing global, so tests and replays do not share counts).
Base units, counters and histograms, never a rate that was averaged before it left; labels come from fixed small sets
(camera, stage, reason, model, sink, outcome, kind), never a URL, pid or track id. Only the engine process has one:
readers and workers report plain numbers over their channels. `python -m streamer.metrics` prints docs/metrics.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase

from streamer.readings import Reading

# a `_created` sample beside every counter and histogram would add a third to each scrape, and nobody reads them
disable_created_metrics()  # type: ignore[no-untyped-call]

LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The daemon's counters, gauges and histograms; attributes are named like the metrics without ``streamer_``."""

    def __init__(self) -> None:  # noqa: PLR0915 - a list of all metrics
        self.registry = registry = CollectorRegistry(auto_describe=True)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return _QuickCounter(f"streamer_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return _QuickGauge(f"streamer_{name}", text, labels, registry=registry)

        def seconds(name: str, text: str, *labels: str) -> Histogram:
            return _QuickHistogram(f"streamer_{name}", text, labels, registry=registry, buckets=LATENCY_BUCKETS)

        # cameras
        self.camera_up = gauge("camera_up", "1 while decoded video frames arrive and change", "camera")
        self.camera_last_frame_timestamp_seconds = gauge(
            "camera_last_frame_timestamp_seconds", "When the last analysed frame was captured, UTC epoch", "camera"
        )
        self.camera_blind_seconds = counter("camera_blind_seconds", "Time without analysed video", "camera")
        self.reconnects = counter("reconnects", "Sessions that ended, by cause", "camera", "reason")
        self.sessions = counter("sessions", "Sessions that delivered a first frame", "camera")
        self.bytes_received = counter("received_bytes", "Encoded video received", "camera")
        # frames: stage is decode, sample, slot, mailbox or analyze; outcome is ok, or the reason of the drop
        self.frames = counter("frames", "Frames by the stage they reached and what became of them", *_FRAME_LABELS)
        self.decode_share = gauge("decode_share", "Share of all video that is decoded; 1 unless overloaded")
        self.packets_lost = counter("packets_lost", "RTP packets that never came", "camera")
        self.record_up = gauge("record_up", "1 while the record stream of a camera gives evidence", "camera")
        self.evidence = counter(
            "evidence", "Snapshots and clips by outcome: ok, or what was wrong", "camera", "kind", "outcome"
        )
        # inference
        self.batch_size = _QuickHistogram(
            "streamer_batch_size",
            "Frames in a batch",
            ("model",),
            registry=registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
        )
        self.inference_seconds = seconds("inference_seconds", "Sending a batch to its answer", "model")
        self.queue_wait_seconds = seconds("queue_wait_seconds", "A request waiting for its batch", "model")
        self.inference_requests = counter("inference_requests", "Requests by what became of them", "model", "outcome")
        self.behaviour_resets = counter(
            "behaviour_resets", "Times a behaviour model's memory of a camera began anew, by reason", "model", "reason"
        )
        self.worker_restarts = counter("worker_restarts", "Inference workers started again, by reason", "reason")
        self.reader_restarts = counter("reader_restarts", "Reader processes started again, by reason", "reason")
        self.loop_restarts = counter("loop_restarts", "Supervised loops started again after an error", "loop")
        self.degraded = gauge("degraded", "1 while a part spent its restart budget and is retried slowly", "part")
        self.degraded_parts: set[str] = set()
        """Names behind `degraded`, for those who raise the alert."""
        self.overloaded = gauge("overloaded", "1 while offered work exceeds what is served")
        # events and alerts
        self.events = counter("events", "Events by camera, kind and state", "camera", "kind", "state")
        self.event_seconds = seconds("event_seconds", "Capture of a frame to the events that it caused", "camera")
        self.counts = counter("counts", "What rules counted: crossings, violations, ...", *_READING_LABELS)
        self.level = gauge("level", "What rules measure now: occupancy, speed, queue, ...", *_READING_LABELS)
        self.frame_seconds = seconds("frame_seconds", "Capture of a frame to the end of its analysis", "camera")
        self.alert_seconds = seconds("alert_seconds", "Capture of the deciding frame to delivery by a sink", "sink")
        self.alerts = counter("alerts", "Alerts by sink and outcome", "sink", "outcome")
        self.alerts_suppressed = counter("alerts_suppressed", "Events that nobody was told of, by reason", "reason")
        self.outbox_depth = gauge("outbox_depth", "Alerts waiting for a sink", "sink")
        self.outbox_oldest_seconds = gauge("outbox_oldest_seconds", "Age of the oldest waiting alert", "sink")
        self.dead_letters = gauge("dead_letters", "Alerts that a sink gave up", "sink")
        self._add_switches(counter, gauge)
        # the daemon
        self.config_reloads = counter("config_reloads", "Reloads by outcome", "outcome")
        # there from the start: Prometheus sees no increase in a first sample
        self.config_reloads.labels("applied"), self.config_reloads.labels("refused")
        self.process_cpu_seconds = counter("process_cpu_seconds", "CPU time of the daemon by stage", "stage")
        self.process_memory_bytes = gauge("process_memory_bytes", "Resident memory by process role", "role")
        self.start_time_seconds = gauge("start_time_seconds", "When the daemon started, UTC epoch")

    def _add_switches(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        self.armed = gauge(
            "armed", "1 while alerts of a camera's pipelines are sent (camera *: the site's own switch)", "camera"
        )
        # traffic signals; camera is empty for what the feed alone says
        self.signal_state = gauge("signal_state", "1 for what a traffic signal shows now", "signal", "camera", "state")
        self.signal_messages = counter("signal_messages", "Messages of signal feeds by outcome", "signal", "outcome")
        self.signal_heard_timestamp_seconds = gauge(
            "signal_heard_timestamp_seconds", "When a signal's feed was last heard in time, UTC epoch", "signal"
        )

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def value(self, name: str, **labels: str) -> float:
        """One sample, by its full exported name (``streamer_frames_total``); 0.0 if it was never touched.

        Raises:
            KeyError: no metric exports a sample of that name.
        """
        value = self.registry.get_sample_value(name, labels)
        if value is None and not any(name in described.samples for described in self.describe()):
            raise KeyError(f"no metric exports {name!r}")
        return 0.0 if value is None else value

    def describe(self) -> Iterator[Described]:
        """Every metric, whether touched or not, in the order of definition."""
        for metric in vars(self).values():
            if isinstance(metric, Counter | Gauge | Histogram):
                yield _describe(metric)

    def note(self, camera: str, pipeline: str, reading: Reading) -> None:
        """Take what a rule measured."""
        names = (camera, pipeline, reading.kind, reading.place, reading.label, reading.direction)
        if reading.mode == "count":
            self.counts.labels(*names).inc(reading.value)
        else:
            self.level.labels(*names).set(reading.value)

    def frame_counts(self) -> Iterator[tuple[str, str, str, float]]:
        """All of `frames`: camera, stage, outcome, count."""
        for sample in next(iter(self.frames.collect())).samples:
            yield sample.labels["camera"], sample.labels["stage"], sample.labels["outcome"], sample.value

    def unanswered(self) -> float:
        """Requests to models that nobody answered in time."""
        samples = next(iter(self.inference_requests.collect())).samples
        return sum(sample.value for sample in samples if sample.labels["outcome"] != "ok")

    def forget_camera(self, camera: str) -> None:
        """Drop the gauges of a camera that left the configuration (its counters stay: they are history)."""
        for gauge in (self.camera_up, self.camera_last_frame_timestamp_seconds):
            gauge.remove(camera)
        for gauge in (self.level, self.record_up, self.armed):
            gauge.remove_by_labels({"camera": camera})


class _Quick(MetricWrapperBase):
    """Finds a known child without the library's lock and checks: nine lookups a frame were 4 % of the engine."""

    def labels(self, *values: Any, **named: Any) -> Self:
        """The child for these label values, in the order of definition or by name."""
        if values in self._metrics:
            return cast(Self, self._metrics[values])
        return super().labels(*values, **named)


class _QuickCounter(_Quick, Counter):
    pass


class _QuickGauge(_Quick, Gauge):
    pass


class _QuickHistogram(_Quick, Histogram):
    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count one value; exemplars are not kept."""
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)


@dataclass(frozen=True, slots=True)
class Described:
    """What the documentation, the dashboard and the alert rules may say of one metric."""

    name: str
    """As in a query; of a histogram without ``_bucket``, ``_sum`` and ``_count``."""
    type: str
    """counter, gauge or histogram."""
    labels: tuple[str, ...]
    text: str
    samples: tuple[str, ...]
    """Names of the samples that it exports."""


def _describe(metric: Counter | Gauge | Histogram) -> Described:
    (family,) = metric.describe()
    labels = metric._labelnames  # noqa: SLF001 - the library has no public name for them
    if family.type == "counter":
        samples: tuple[str, ...] = (f"{family.name}_total",)
    elif family.type == "histogram":
        samples = tuple(f"{family.name}{suffix}" for suffix in ("_bucket", "_sum", "_count"))
    else:
        samples = (family.name,)
    name = samples[0] if len(samples) == 1 else family.name
    return Described(name, family.type, tuple(labels), family.documentation, samples)


def reference() -> str:
    """The page docs/metrics.md."""
    head = """# Metrics

`GET /metrics` in Prometheus' text format. Units are seconds, bytes and counts; rates and quantiles are left to the
query. Labels come from small fixed sets: never a URL, a process id or a track id.
This page is written by `python -m streamer.metrics > docs/metrics.md`; do not edit it.

| metric | type | labels | what it says |
|---|---|---|---|
"""
    return head + "".join(
        f"| `{m.name}` | {m.type} | {', '.join(f'`{label}`' for label in m.labels)} | {m.text} |\n"
        for m in Metrics().describe()
    )


_READING_LABELS = ("camera", "pipeline", "kind", "place", "label", "direction")
_FRAME_LABELS = ("camera", "stage", "outcome")


if __name__ == "__main__":
    print(reference(), end="")
