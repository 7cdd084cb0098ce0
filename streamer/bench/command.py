"""`streamer bench`: floor, run, floor again; or the search for capacity and what comes beyond it.

The door for the command line: `add_arguments` says what can be given, `bench` does it. Prints as it goes; with `--json`
one object at the end, and nothing else on stdout.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamer import log
from streamer.bench import capacity, floor, table, trial
from streamer.bench.content import prepare
from streamer.bench.figures import Run
from streamer.bench.load import Load, parse_size
from streamer.errors import InputError, StreamerError
from streamer.inference.plans import cpu_count
from streamer.models.registry import card_of, resolve

SEARCH_SECONDS = 15.0
OVERLOAD_SECONDS = 60.0
_DEMO_SECONDS = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `streamer bench`."""
    add = parser.add_argument
    add("--cameras", type=int, default=4, metavar="N", help="simulated cameras (default 4)")
    add("--size", default="1280x720", metavar="WxH", help="size of their pictures (default 1280x720)")
    add("--fps", type=float, default=15.0, help="frames a second that each sends (default 15)")
    add("--analyze-fps", type=float, default=5.0, metavar="FPS", help="frames a second that are analysed (default 5)")
    add("--model", default="motion", metavar="FILE", help="model file or name (default: the built-in motion detector)")
    add("--device", default="auto", help="as `inference.device` in a site file (default auto)")
    add("--precision", default="f32", choices=("f32", "auto"), help="as `inference.precision` (default f32)")
    add("--seconds", type=float, metavar="S", help="length of the measured window (default 30; 15 while searching)")
    add("--warmup", type=float, default=5.0, metavar="S", help="seconds before the window (default 5)")
    add("--video", type=Path, metavar="FILE", help="what the cameras show, re-encoded once (default: a drawn scene)")
    add("--rtsp", nargs="+", metavar="URL", help="real cameras instead of simulated ones")
    add("--find-capacity", action="store_true", help="search the most cameras that are held, then overload")
    add("--overload", type=float, default=2.0, metavar="X", help="after the search, run X times as many; 0: do not")
    add("--with-demo", action="store_true", help="also time `streamer demo` to its first analysed frame")
    add("--no-floor", action="store_true", help="skip the measurement of the floor")
    add("--rules", action="store_true", help="only what tracker and rules cost a frame, and their memory over a week")
    add("--tracks", type=int, default=20, metavar="N", help="with --rules: things in the picture (default 20)")
    add("--compare-clip", metavar="MODEL", help="only this behaviour model, streamed against sliding clips")
    add("--data", type=Path, metavar="FOLDER", help="with --compare-clip: labeled clips, for the accuracy of each")
    add("--label", metavar="LABEL", help="with --data: the label that is looked for (default: the model's last)")
    add("--clips", type=int, metavar="N", help="with --data: only so many of each label")
    add("--batches", action="store_true", help="only what --model costs on --device by batch size, beside the CPU")
    add("--json", action="store_true", help="print one JSON object")


def load_of(given: argparse.Namespace) -> Load:
    """The load that the arguments describe. Raises InputError."""
    urls = tuple(given.rtsp or ())
    if urls and given.find_capacity:
        raise InputError(
            "bench: --find-capacity needs simulated cameras, for it changes their number; leave out --rtsp"
        )
    for url in urls:
        log.secrets.add_url(url)
    file = resolve(given.model, Path())
    card_of(file, "detection")
    return Load(
        cameras=len(urls) or given.cameras,
        size=parse_size(given.size),
        fps=given.fps,
        analyze_fps=given.analyze_fps,
        model=str(file),
        seconds=given.seconds or (SEARCH_SECONDS if given.find_capacity else 30.0),
        warmup_s=given.warmup,
        video=given.video,
        urls=urls,
        device=given.device,
        precision=given.precision,
    )


def bench(given: argparse.Namespace) -> None:
    """Run the bench and print what it finds.

    Raises:
        InputError: what was given cannot be used.
        StreamerError: the measured daemon, the simulator or the floor failed.
    """
    if given.rules:
        from streamer.bench import rules

        costs = rules.measure(given.tracks, given.analyze_fps)
        print(json.dumps(costs.to_json()) if given.json else costs.to_text())
        return
    if given.compare_clip:
        _compare_clip(given)
        return
    if given.batches:
        from streamer.bench import batches

        measured = batches.measure(given.model, given.device, given.precision, given.video)
        print(json.dumps(measured.to_json()) if given.json else measured.to_text())
        return
    load = load_of(given)
    say = (lambda text: None) if given.json else (lambda text: print(text, flush=True))
    found = _Bench(load, say).run(given)
    if given.json:
        print(json.dumps(found))


def _compare_clip(given: argparse.Namespace) -> None:
    from streamer.bench import clips
    from streamer.training.stream import behaviour_file

    if given.clips is not None and given.clips < 1:
        raise InputError(f"bench: --clips must be at least 1, got {given.clips}")
    found = clips.compare(behaviour_file(given.compare_clip), given.data, given.label, given.clips)
    print(json.dumps(found.to_json()) if given.json else found.to_text())


@dataclass(slots=True)
class _Bench:
    load: Load
    say: Callable[[str], None]

    def run(self, given: argparse.Namespace) -> dict[str, Any]:
        """Everything that was asked for, as plain values."""
        load, say = self.load, self.say
        say(table.headline(load))
        stream = None if load.urls else prepare(load)
        source = load.urls[0] if stream is None else stream
        found: dict[str, Any] = {"load": _plain(load), "help_s": help_seconds()}
        say(f"`streamer --help` takes {found['help_s']:.2f} s")
        if given.with_demo:
            found["demo_first_frame_s"] = demo_seconds()
            say(f"`streamer demo` analyses its first frame {found['demo_first_frame_s']:.1f} s after its start")
        floors = [] if given.no_floor else [self._floor(source)]
        run: Run | None
        if given.find_capacity and stream is not None:
            found["capacity"], run = self._capacity(stream, floors, given.overload)
        else:
            say(f"running for {load.warmup_s + load.seconds:g} s ...")
            run = trial.run(load, stream)
            say(table.run_text(run))
            found["run"] = run.to_json()
        if floors:
            floors.append(self._floor(source))
            both = floor.between(*floors)
            say(table.floor_text(floors, run, both))
            found["floor"] = {"before": floors[0].to_json(), "after": floors[1].to_json(), "mean": both.to_json()}
            if run is not None:
                found["ratios"] = {what: round(ratio, 3) for what, ratio in table.ratios(run, both).items()}
        return found

    def _floor(self, source: Path | str) -> floor.Floor:
        self.say("measuring the floor ...")
        return floor.measure(self.load, source, self.load.model)

    def _capacity(self, stream: Path, floors: list[floor.Floor], overload: float) -> tuple[dict[str, Any], Run | None]:
        def measure(cameras: int) -> Run:
            run = trial.run(replace(self.load, cameras=cameras), stream)
            self.say(table.step_text(run, capacity.holds(run)))
            return run

        guess = capacity.guess_cameras(cpu_count(), floors[0].plain_ms) if floors else self.load.cameras
        limit = capacity.find(measure, guess)
        self.say(f"capacity: {limit.cameras} cameras")
        found = limit.to_json()
        if limit.run is not None:
            self.say(table.run_text(limit.run))
        if overload > 0 and limit.cameras > 0:
            cameras = max(limit.cameras + 1, round(limit.cameras * overload))
            over = trial.run(replace(self.load, cameras=cameras, seconds=OVERLOAD_SECONDS), stream)
            verdicts = capacity.verdicts(over, limit.run)
            self.say(f"\noverload: {cameras} cameras for {OVERLOAD_SECONDS:g} s")
            self.say(table.run_text(over))
            self.say(table.verdict_text(verdicts))
            found["overload"] = over.to_json()
            found["verdicts"] = [{"claim": v.claim, "figure": v.figure, "holds": v.holds} for v in verdicts]
        return found, limit.run


def help_seconds() -> float:
    """How long `streamer --help` takes: the best of three. Raises StreamerError when it fails."""

    def once() -> float:
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "streamer", "--help"], capture_output=True, check=False, timeout=60
        )
        if done.returncode != 0:
            raise StreamerError(f"bench: `streamer --help` failed with status {done.returncode}")
        return time.monotonic() - begun

    return round(min(once() for _ in range(3)), 3)


def demo_seconds() -> float:
    """How long `streamer demo` takes to its first analysed frame, as it says itself. Raises StreamerError."""
    with tempfile.TemporaryDirectory(prefix="streamer-bench-demo-") as folder:
        options = ["--seconds", f"{_DEMO_SECONDS:g}", "--port", "0", "--folder", folder]
        done = subprocess.run(
            [sys.executable, "-m", "streamer", "demo", *options],
            capture_output=True,
            check=False,
            timeout=120,
            text=True,
        )
    said = re.search(r"first frame analyzed ([\d.]+) s", done.stdout)
    if said is None:
        raise StreamerError(f"bench: `streamer demo` analysed no frame within {_DEMO_SECONDS:g} s")
    return float(said[1])


def _plain(load: Load) -> dict[str, Any]:
    """The load without addresses: they may hold passwords."""
    return {
        "cameras": load.cameras,
        "size": list(load.size),
        "fps": load.fps,
        "analyze_fps": load.analyze_fps,
        "model": load.model,
        "seconds": load.seconds,
        "warmup": load.warmup_s,
        "video": None if load.video is None else str(load.video),
        "real_cameras": bool(load.urls),
        "device": load.device,
        "precision": load.precision,
    }
