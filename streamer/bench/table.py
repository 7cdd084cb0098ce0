"""What a bench prints for people. Pure text; called by `command`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from streamer.bench.capacity import Verdict
from streamer.bench.figures import Run, Spread
from streamer.bench.floor import Floor
from streamer.bench.load import Load

READER_MB, READER_CAMERA_MB = 70.0, 15.0
"""What a reader process, and each 720p camera in it, may take: PSS in MB."""


def headline(load: Load) -> str:
    """What is run."""
    what = "real cameras" if load.urls else f"cameras of {load.size[0]}x{load.size[1]}, {load.fps:g} fps"
    return f"{load.cameras} {what}, {load.analyze_fps:g} analysed a second, model {load.model}, {load.seconds:g} s"


def run_text(run: Run) -> str:
    """One run in full."""
    return _columns(list(_run_rows(run)))


def _run_rows(run: Run) -> Iterator[tuple[str, str]]:
    served = run.served
    yield "start to all analysed", f"{run.start_s:.1f} s"
    yield (
        "offered and served",
        f"{served.offered:g} frames a camera, {served.mean:.1%} served, worst camera {served.worst:.1%}",
    )
    yield "served by camera", " ".join(str(n) for n in served.frames)
    if run.sent_fps:
        yield "the cameras sent", f"{run.sent_fps:.2f} fps each"
    yield f"{run.latency_from} to result", _spread(run.latency)
    for name, spread in run.stages.items():
        yield f"  {name}", _spread(spread)
    if run.drift is not None:
        yield "p95 over the window", f"first third {run.drift.first_p95:.0f} ms, last third {run.drift.last_p95:.0f} ms"
    yield "CPU a camera-second", f"{run.total_cpu_ms:.1f} ms ({_parts(run.cpu_ms)}); {run.cores:.2f} cores"
    yield "simulator, apart", f"{run.simulator_ms:.1f} ms a camera-second"
    yield "others on the machine", f"{run.other_cores:.2f} cores, {run.steal_cores:.2f} taken by the host"
    rss, pss = run.memory.peak_rss, run.memory.peak_pss
    yield "peak memory", f"RSS {sum(rss.values()):.0f} MB, PSS {sum(pss.values()):.0f} MB ({_parts(pss, 'MB')})"
    if "reader" in pss:
        readers = run.processes["reader"]
        allowed = READER_MB * readers + READER_CAMERA_MB * run.cameras
        yield "readers' memory", f"{pss['reader']:.0f} MB PSS in {readers} processes; {allowed:.0f} MB are allowed"
    yield (
        "memory over the window",
        f"first third {run.memory.first_pss:.0f} MB, last third {run.memory.last_pss:.0f} MB",
    )
    yield "frames in a batch", f"{run.batch_mean:.2f} on average"
    yield "drops", ", ".join(f"{count} {reason}" for reason, count in run.drops.items()) or "none"
    if run.unknown or run.unreadable or run.duplicates:
        yield "doubtful", f"{run.unknown} without answer, {run.unreadable} unreadable, {run.duplicates} twice"
    yield "overloaded", "raised" if run.overloaded else "not raised"
    if run.plan:
        yield "model", f"{run.plan.get('runtime')} {run.plan.get('precision')}, {run.plan.get('streams')} streams"


def floor_text(floors: Sequence[Floor], run: Run | None, plain: Floor) -> str:
    """The floor, before and after, and how far the run is from it (`plain` is their mean)."""
    rows = []
    for when, floor in zip(("before", "after"), floors, strict=False):
        bare = f"decode {floor.decode_ms:.1f} + {floor.model_ms:.2f} a frame in the model at batch {floor.batch}"
        rows.append((f"floor {when}", f"{bare} = {floor.bare_ms:.1f} ms; plain code {floor.plain_ms:.1f} ms"))
        rows.append(
            ("  at the cameras' pace", f"{floor.paced_bare_ms:.1f} ms; plain code {floor.paced_plain_ms:.1f} ms")
        )
    rows.append(("floor of", f"{plain.runtime}, input {plain.input}, {plain.processes} processes at once"))
    if run is not None and run.served.mean > 0:
        for what, ratio in ratios(run, plain).items():
            rows.append((f"CPU / {what}", f"{ratio:.2f}"))
        if run.served.mean < 0.99:
            rows.append(("", "the run served less than was offered: the ratios flatter it"))
    return _columns(rows)


def ratios(run: Run, floor: Floor) -> dict[str, float]:
    """CPU of a run over each floor, by what people call it."""
    floors = {
        "bare floor, same pace": floor.paced_bare_ms,
        "plain code, same pace": floor.paced_plain_ms,
        "bare floor, in one go": floor.bare_ms,
        "plain code, in one go": floor.plain_ms,
    }
    return {what: run.total_cpu_ms / ms for what, ms in floors.items()}


def step_text(run: Run, held: bool) -> str:
    """One step of a search, in a line."""
    p95 = "-" if run.latency is None else f"{run.latency.p95:.0f} ms"
    return (
        f"{run.cameras:>4} cameras: {run.served.mean:.1%} served, p95 {p95}, {run.cores:.2f} cores, "
        f"{run.other_cores:.2f} used by others: {'held' if held else 'not held'}"
    )


def verdict_text(found: Sequence[Verdict]) -> str:
    """Claims and whether they hold."""
    return _columns([(v.claim, f"{'yes' if v.holds else 'NO'}: {v.figure}") for v in found])


def _columns(rows: Sequence[tuple[str, str]]) -> str:
    width = max((len(name) for name, _ in rows), default=0) + 2
    return "\n".join(f"{name:<{width}}{text}" for name, text in rows)


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "no results"
    return f"p50 {spread.p50:.1f} ms, p95 {spread.p95:.1f} ms, p99 {spread.p99:.1f} ms, max {spread.max:.0f} ms"


def _parts(values: Mapping[str, float], unit: str = "ms") -> str:
    return ", ".join(f"{role} {value:.1f} {unit}" for role, value in values.items())
