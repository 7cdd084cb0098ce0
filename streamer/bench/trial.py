"""One measured run: cameras, the subject on them, a window, and what it comes to. Called by `command` and `capacity`.

Runs in the bench's own process, which only sleeps, reads /proc once a second, and computes after the window.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from streamer.bench.account import Account, machine
from streamer.bench.child import Subject
from streamer.bench.figures import Drift, Floats, Run, Served, Spread, distinct, drift, drops, subtract
from streamer.bench.latency import Sent, match
from streamer.bench.load import Load
from streamer.bench.watch import COLUMNS
from streamer.simulator.process import Simulator
from streamer.simulator.sendlog import SentTimes
from streamer.simulator.spec import SimulatorSpec, parse_spec
from streamer.usage import usage

_SAMPLE_S = 1.0
_STEPS_BETWEEN_LOG_COPIES = 60


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was counted at one end of the window."""

    at: float
    cpu: dict[str, float]
    simulator_s: float
    busy_s: float
    steal_s: float
    counts: dict[str, float]


def run(load: Load, stream: Path | None) -> Run:
    """Measure a load.

    Args:
        load: what to run.
        stream: what the simulated cameras send (see `content.prepare`); None for real cameras.

    Raises:
        InputError: model or cameras cannot be used as given.
        StreamerError: the subject fails, or cameras are not all analysed in time.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="streamer-bench-")))
        simulator: Simulator | None = None
        sent: Sent | None = None
        if not load.urls:
            assert stream is not None
            log = folder / "sent"
            simulator = stack.enter_context(Simulator(simulation(load, stream, log)))
            sent = Sent(SentTimes(log, load.cameras), load.cameras)
        urls = list(load.urls) if simulator is None else [simulator.url(name) for name in load.names]
        subject = stack.enter_context(Subject(_order(load, urls, folder)))
        ready = subject.wait_ready()
        start_s = time.monotonic() - subject.started_at
        account = Account(ready["roles"])
        ends = _watch(load, (subject, account, simulator), sent)
        subject.finish()
        if sent is not None:
            sent.update()
        rows = np.load(folder / "rows.npy")
        result = _Result(load, rows, ends, (sent, simulator.loops if simulator else {}))
        return result.run(start_s, account, ready["plans"])


def simulation(load: Load, stream: Path, log: Path) -> SimulatorSpec:
    """The cameras of a load: one file, each in its own keyframe interval and phase."""
    cameras = [{"name": "cam", "file": str(stream), "fps": load.fps, "count": load.cameras}]
    if load.cameras == 1:
        cameras[0]["name"] = "cam0"
    return parse_spec({"cameras": cameras, "send_log": str(log)})


def _order(load: Load, urls: list[str], folder: Path) -> dict[str, Any]:
    return {
        "urls": urls,
        "analyze_fps": load.analyze_fps,
        "model": load.model,
        "inference": {"device": load.device, "precision": load.precision},
        "folder": str(folder),
        "rows": str(folder / "rows.npy"),
    }


_Parties = tuple[Subject, Account, Simulator | None]


def _watch(load: Load, parties: _Parties, sent: Sent | None) -> tuple[_Reading, _Reading]:
    """Let the warm-up and the window pass; what was counted at the window's ends."""
    time.sleep(load.warmup_s)
    before = _count(parties)
    step = 0
    while (left := before.at + load.seconds - time.monotonic()) > 0:
        parties[1].sample()
        step += 1
        if sent is not None and step % _STEPS_BETWEEN_LOG_COPIES == 0:
            sent.update()
        time.sleep(min(_SAMPLE_S, left))
    return before, _count(parties)


def _count(parties: _Parties) -> _Reading:
    subject, account, simulator = parties
    counts = subject.counts()
    used = usage(simulator.pid, pss=False) if simulator is not None else None
    simulator_s = used.cpu_s if used is not None else 0.0
    return _Reading(time.monotonic(), account.cpu(), simulator_s, *machine(), counts)


class _Result:
    """Rows and counters on their way to figures."""

    def __init__(
        self, load: Load, rows: Floats, ends: tuple[_Reading, _Reading], origin: tuple[Sent | None, dict[str, Any]]
    ):
        self._load = load
        self._ends = ends
        self._window = (ends[0].at, ends[1].at)
        at = rows[:, COLUMNS.index("result_at")]
        self._rows = rows[(at >= ends[0].at) & (at < ends[1].at)]
        self._sent, loops = origin
        self._loops = list(loops.values())
        self._numbers = np.full(len(self._rows), -1, np.int64)
        self._since = self._column("captured_at").copy()
        if self._sent is not None:
            self._match(self._sent)

    def _column(self, name: str) -> Floats:
        column: Floats = self._rows[:, COLUMNS.index(name)]
        return column

    def _match(self, sent: Sent) -> None:
        for camera in range(self._load.cameras):
            own = np.flatnonzero(self._column("camera") == camera)
            indices = self._column("index")[own].astype(np.int64)
            found = match(sent.times(camera), self._loops[camera], indices, self._column("result_at")[own])
            self._numbers[own], self._since[own] = found.numbers, found.sent_at

    def run(self, start_s: float, account: Account, plans: dict[str, Any]) -> Run:
        """All figures of the run."""
        before, after = self._ends
        seconds = after.at - before.at
        grown = subtract(after.counts, before.counts)
        per_camera_ms = 1000 / seconds / self._load.cameras
        cpu_s = subtract(after.cpu, before.cpu)
        simulator_s = after.simulator_s - before.simulator_s
        own = np.isfinite(self._since)
        latency = (self._column("result_at") - self._since)[own]
        served, duplicates = self._served()
        return Run(
            cameras=self._load.cameras,
            window_s=round(seconds, 2),
            start_s=round(start_s, 2),
            served=served,
            latency=Spread.of(latency),
            latency_from="captured" if self._sent is None else "sent",
            stages=self._stages(own),
            drift=self._drift(latency, own),
            cpu_ms={role: round(used * per_camera_ms, 2) for role, used in cpu_s.items()},
            simulator_ms=round(simulator_s * per_camera_ms, 2),
            other_cores=round((after.busy_s - before.busy_s - sum(cpu_s.values()) - simulator_s) / seconds, 3),
            steal_cores=round((after.steal_s - before.steal_s) / seconds, 3),
            memory=account.memory(),
            processes=account.processes,
            batch_mean=round(grown.get("batched", 0.0) / max(grown.get("batches", 0.0), 1.0), 2),
            sent_fps=self._sent_fps(),
            drops=drops(grown),
            unreadable=0 if self._sent is None else int(np.count_nonzero(self._numbers < 0)),
            duplicates=duplicates,
            unknown=int(grown.get("unknown", 0)),
            overloaded=after.counts.get("overloaded", 0.0) > 0,
            plan=next(iter(plans.values()), {}),
        )

    def _served(self) -> tuple[Served, int]:
        frames, duplicates = [], 0
        for camera in range(self._load.cameras):
            own = self._column("camera") == camera
            numbers = self._numbers[own]
            count, again = distinct(numbers) if self._sent is not None else (len(numbers), 0)
            frames.append(count)
            duplicates += again
        offered = self._load.analyze_fps * (self._window[1] - self._window[0])
        return Served(round(offered, 1), tuple(frames)), duplicates

    def _stages(self, own: Any) -> dict[str, Spread]:
        """Where the time goes, for results that could be matched."""
        at = {name: self._column(name)[own] for name in COLUMNS}
        spans = {
            "reading": at["taken_at"] - self._since[own],
            "inference": at["detected_at"] - at["taken_at"],
            "rules": at["result_at"] - at["detected_at"],
        }
        if self._sent is not None:
            spans["capture error"] = np.abs(at["captured_at"] - self._since[own])
        return {name: spread for name, span in spans.items() if (spread := Spread.of(span)) is not None}

    def _drift(self, latency: Floats, own: Any) -> Drift | None:
        return drift(latency, self._column("result_at")[own], self._window)

    def _sent_fps(self) -> float:
        if self._sent is None:
            return 0.0
        total = sum(self._sent.offered(camera, self._window) for camera in range(self._load.cameras))
        return round(total / self._load.cameras / (self._window[1] - self._window[0]), 2)
