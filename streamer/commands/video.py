"""`streamer probe` and `replay`: one look at a camera, and a site over recordings."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamer.config import Site, load_site
from streamer.errors import InputError, SourceError
from streamer.faults import nearest
from streamer.inference.local import LocalModels
from streamer.pipeline import Pipeline
from streamer.replay import Recording, Report, Signals


def probe(given: argparse.Namespace) -> int:
    """Print what a camera sends; status 1 if no picture came."""
    from streamer.ingest.probe import probe as look

    if not 1 <= given.seconds <= 3600:
        raise InputError(f"probe: --seconds must be 1 to 3600, got {given.seconds:g}")
    report = look(given.url, given.seconds, given.transport)
    print(report.to_text())
    return 0 if report.works else 1


def replay(given: argparse.Namespace) -> None:
    """Watch recordings, write the events, and say what would have alerted."""
    site = load_site(given.config, "replay")
    videos = videos_of(given.video, site, "replay")
    if given.out is not None and not given.out.absolute().parent.is_dir():
        raise InputError(f"replay: --out {given.out}: no such folder {given.out.absolute().parent}")
    report = asyncio.run(play(site, videos, "replay", given.signals))
    if given.out is not None:
        _write(given.out, report)
    print(report.summary())
    events = f"{len(report.events)} events"
    print(f"{events} in {given.out}" if given.out else f"{events}; --out FILE writes them")


async def play(
    site: Site,
    videos: Mapping[str, Path],
    task: str,
    signals: Path | None = None,
    beside: Mapping[str, Pipeline] | None = None,
) -> Report:
    """Watch recordings with the pipelines of a site, and with another one beside them for some cameras.

    The progress bar says which task it is.
    """
    from streamer.alerts import AlertPolicy
    from streamer.replay import replay as watch

    told = _signals(site, videos, signals)  # may refuse: before anything is loaded

    pipelines = {camera: {name: site.pipelines[name] for name in site.cameras[camera].pipelines} for camera in videos}
    for camera, pipeline in (beside or {}).items():
        pipelines[camera][""] = pipeline  # no configured one can be called that
    asked = {model for group in pipelines.values() for pipeline in group.values() for model in pipeline.models()}
    async with LocalModels([site.models[name] for name in sorted(asked)], site.inference) as models:
        recordings = []
        for camera, video in videos.items():
            sizes = [models.input_size(model) for p in pipelines[camera].values() for model in p.models()]
            size = max((w for w, _ in sizes), default=416), max((h for _, h in sizes), default=416)
            settings = site.cameras[camera]
            recordings.append(Recording(camera, video, settings.analyze_fps, size, settings.places, pipelines[camera]))
        with progress(recordings, task) as advance:
            return await watch(recordings, models, AlertPolicy(site.alerts, site.sinks), advance, told)


def _signals(site: Site, cameras: Iterable[str], file: Path | None) -> Signals:
    """What replay knows of traffic signals: the lamps, and the recorded feeds of a file."""
    from streamer.signals.board import Board
    from streamer.signals.recording import Recording as Feeds
    from streamer.signals.recording import read_recording

    board = Board(site.signals)
    board.set_cameras({camera: site.signals_of(camera) for camera in cameras})
    return Signals(board, None if file is None else Feeds(board, read_recording(file, site.signals)))


def videos_of(texts: Sequence[str], site: Site, command: str, option: str = "--video") -> dict[str, Path]:
    """The files that arguments of the form CAMERA=FILE name, by camera. Raises InputError in the command's name."""
    found: dict[str, Path] = {}
    for text in texts:
        camera, equals, file = text.partition("=")
        if not equals or not file:
            raise InputError(f"{command}: {option} needs CAMERA=FILE, got {text!r}")
        if camera not in site.cameras:
            hint = nearest(camera, site.cameras) or f"; there are: {', '.join(site.cameras)}"
            raise InputError(f"{command}: {site.name} has no camera {camera!r}{hint}")
        if camera in found:
            raise InputError(f"{command}: {option} names a camera twice; one recording a camera")
        found[camera] = Path(file)
        if not found[camera].is_file():
            raise InputError(f"{command}: {option[2:]} of camera {camera!r}: no such file {file}")
    return found


def _write(path: Path, report: Report) -> None:
    """The whole file or none: whoever compares runs must not find half of one."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in report.lines())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"replay: {path} cannot be written: {error.strerror}") from error


@contextmanager
def progress(recordings: Sequence[Recording], task: str) -> Iterator[Callable[[float], None] | None]:
    """A bar over the seconds of all recordings, on stderr, when that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    total = sum(_seconds(recording) for recording in recordings)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task(task, total=total or None)
        yield lambda done: bar.update(row, completed=done)


def _seconds(recording: Recording) -> float:
    from streamer.sources.file import FileSource

    try:
        return FileSource(recording.video, recording.analyze_fps, *recording.size).duration_s
    except SourceError:
        return 0.0  # the replay itself will say what is wrong
