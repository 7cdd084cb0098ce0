"""`streamer evaluate`: a site's pipelines over recordings, against what really happens in them; or a model alone."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamer.commands.video import play, progress, videos_of
from streamer.config import Site, load_site
from streamer.errors import InputError, SourceError

_FASTEST = 60.0


def evaluate(given: argparse.Namespace) -> None:
    """Print how well events agree with the truth, and tracks with labeled boxes."""
    if given.model or given.data or given.folds:
        from streamer.commands.clips import evaluate_model

        return evaluate_model(given)
    _check(given)
    rates = given.analyze_fps or []
    site = load_site(given.config, "replay")
    videos = videos_of(given.video, site, "evaluate")
    found: dict[str, Any] = {}
    texts = []
    if given.truth is not None:
        evaluation = _events(_at_rate(site, rates[0] if rates else None), videos, given)
        found |= evaluation.to_json()
        texts.append(evaluation.to_text())
    if given.tracks:
        measured, text = _tracks(site, videos, videos_of(given.tracks, site, "evaluate", "--tracks"), rates)
        found["tracks"] = measured
        texts.append(text)
    print(json.dumps(found, ensure_ascii=False) if given.json else "\n\n".join(texts))


def _check(given: argparse.Namespace) -> None:
    """Refuse what makes no sense together. Raises InputError."""
    for name in ("label", "split", "background", "threshold"):
        if getattr(given, name):
            raise InputError(f"evaluate: --{name} goes with --model and --data")
    if given.config is None or not given.video:
        raise InputError("evaluate: needs a configuration and a recording: CONFIG --video CAMERA=FILE --truth FILE")
    if given.truth is None and not given.tracks:
        raise InputError("evaluate: nothing to compare with; give --truth FILE, --tracks CAMERA=FILE, or both")
    if not 0 <= given.tolerance <= 3600:
        raise InputError(f"evaluate: --tolerance must be 0 to 3600 seconds, got {given.tolerance:g}")
    rates = given.analyze_fps or []
    for rate in rates:
        if not 0 < rate <= _FASTEST:
            raise InputError(f"evaluate: --analyze-fps must be above 0 and at most {_FASTEST:g}, got {rate:g}")
    if given.truth is not None and len(rates) > 1:
        raise InputError("evaluate: --truth takes one --analyze-fps; several are for --tracks alone")


def _events(site: Site, videos: Mapping[str, Path], given: argparse.Namespace) -> Any:
    from streamer.evaluation.daylight import Daylight
    from streamer.evaluation.score import evaluate as score
    from streamer.evaluation.truthfile import load_truth

    truth = load_truth(given.truth)
    rules = {
        rule.kind
        for camera in videos
        for name in site.cameras[camera].pipelines
        for rule in site.pipelines[name].enabled_rules()
    }
    truth.check({camera: site.cameras[camera].places for camera in videos}, rules)
    truth.check_times(_lengths(videos))
    light = {camera: Daylight() for camera in videos}
    report = asyncio.run(play(site, videos, "evaluate", beside=light))
    truth.check_times(report.seconds)
    lines = {camera: light[camera].timeline(seconds) for camera, seconds in report.seconds.items()}
    return score(report, truth, given.tolerance, lines)


def _lengths(videos: Mapping[str, Path]) -> dict[str, float]:
    """Lengths by what the containers say, before an hour is spent on watching them; unknown ones are left out."""
    from streamer.sources.file import FileSource

    found = {}
    for camera, video in videos.items():
        with suppress(SourceError):  # the replay will say what is wrong
            found[camera] = FileSource(video, 1.0, 64, 64).duration_s
    return {camera: seconds for camera, seconds in found.items() if seconds > 0}


def _at_rate(site: Site, rate: float | None) -> Site:
    if rate is None:
        return site
    return replace(site, cameras={name: replace(it, analyze_fps=rate) for name, it in site.cameras.items()})


def _tracks(
    site: Site, videos: Mapping[str, Path], labels: Mapping[str, Path], rates: list[float]
) -> tuple[dict[str, Any], str]:
    from streamer.evaluation import tracking

    found: dict[str, list[tracking.Measures]] = {}
    for camera, path in labels.items():
        if camera not in videos:
            raise InputError(f"evaluate: --tracks {camera}={path}: --video gives no recording of that camera")
        boxes = tracking.load_boxes(path)
        models = [model for name in site.cameras[camera].pipelines for model in site.pipelines[name].detectors()]
        if not models:
            raise InputError(f"evaluate: no pipeline of camera {camera!r} has a detector that could be followed")
        for rate in rates or [site.cameras[camera].analyze_fps]:
            found.setdefault(camera, []).append(
                asyncio.run(_follow(site, camera, videos[camera], models[0], boxes, rate))
            )
    return {camera: [row.to_json() for row in rows] for camera, rows in found.items()}, tracking.table(found)


async def _follow(site: Site, camera: str, video: Path, model: str, boxes: Any, rate: float) -> Any:
    from streamer.alerts import AlertPolicy
    from streamer.evaluation import tracking
    from streamer.inference.local import LocalModels
    from streamer.replay import Recording, replay
    from streamer.sources.file import FileSource

    source = FileSource(video, rate, 64, 64)
    pipeline = tracking.Follow.model_validate({"detector": model})
    async with LocalModels([site.models[model]], site.inference) as models:
        size = models.input_size(model)
        recording = Recording(camera, video, rate, size, site.cameras[camera].places, {"follow": pipeline})
        with progress([recording], f"tracks {rate:g} fps") as advance:
            await replay([recording], models, AlertPolicy(site.alerts), advance)
    return tracking.measure(boxes, pipeline.found, source.fps, source.source_size, rate)
