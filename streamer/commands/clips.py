"""`streamer evaluate --model`: a behaviour model on labeled clips, or on recordings with a truth."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.errors import InputError

if TYPE_CHECKING:
    from streamer.evaluation.alarms import Sweep, Watched
    from streamer.evaluation.clips import ClipEvaluation, Question
    from streamer.models.card import Card
    from streamer.training.stream import Streamed

_FASTEST = 60.0


def evaluate_model(given: argparse.Namespace) -> None:
    """Print how well a behaviour model does on clips (--data) or recordings (--video, --truth).

    Raises:
        InputError: what was given cannot be used.
        ModelError: the model cannot.
    """
    if given.config is not None:
        raise InputError("evaluate: --model goes without a configuration: what is evaluated is the model alone")
    if bool(given.model) == bool(given.folds):
        raise InputError("evaluate: --data needs either --model NAME|FILE or --folds RUN, with the models of its folds")
    if bool(given.data) == bool(given.video) or (given.folds and given.video):
        raise InputError("evaluate: a model needs --data FOLDER, or --video NAME=FILE with --truth FILE")
    if given.threshold is not None and not 0 < given.threshold <= 1:
        raise InputError(f"evaluate: --threshold must be above 0 and at most 1, got {given.threshold:g}")
    rates = given.analyze_fps or [None]
    if len(rates) > 1 or (rates[0] is not None and not 0 < rates[0] <= _FASTEST):
        raise InputError(f"evaluate: --model takes one --analyze-fps, above 0 and at most {_FASTEST:g}")
    if given.data is None:
        found, text = _recordings(given, rates[0])
    else:
        found, text = _clips(given, rates[0])
    print(json.dumps(found, ensure_ascii=False) if given.json else text)


def _clips(given: argparse.Namespace, fps: float | None) -> tuple[dict[str, Any], str]:
    from streamer.evaluation import folds
    from streamer.evaluation.clips import evaluate_clips, question
    from streamer.training.samples import read_samples, samples_hash
    from streamer.training.stream import Streamed, behaviour_card, behaviour_file

    samples = [it for it in read_samples(Path(given.data)) if given.split in (None, it.split)]
    if not samples:
        raise InputError(f"evaluate: {given.data}: no clip has the split {given.split!r}")
    parts = folds.parts(Path(given.folds), samples) if given.folds else [(behaviour_file(given.model), samples)]
    card = behaviour_card(parts[0][0])
    # the models of folds took their thresholds from the very clips that are to be tested
    least = 0.5 if given.folds and given.threshold is None else given.threshold
    asked = question(card, samples, given.label, given.background).at(least)
    streamed, scores_of = Streamed(), []
    with bar(len(samples), "evaluate") as advance:
        for file, tested in parts:
            folds.agree(parts[0][0], card, file, behaviour_card(file))
            done = len(streamed.samples) + len(streamed.skipped)
            part = _stream(file, tested, fps, advance, done)
            streamed.samples += part.samples
            streamed.scored += part.scored
            streamed.skipped += part.skipped
            scores_of.append({"model": str(file), "clips": len(part.samples)})
    told = {
        "model": str(parts[0][0]) if given.folds is None else str(given.folds),
        "data_sha256": samples_hash(streamed.samples),
        "analyze_fps": fps or card.fps,
        **({"folds": scores_of} if given.folds is not None else {}),
    }
    evaluation = evaluate_clips(card, asked, streamed, told)
    sweeps = _sweeps(card, asked, _as_recordings(asked, streamed), given.tolerance)
    return _joined(evaluation, sweeps)


def _joined(evaluation: ClipEvaluation, sweeps: Mapping[str, list[Sweep]]) -> tuple[dict[str, Any], str]:
    alarms = {label: it.to_json() for label, rows in sweeps.items() for it in rows}
    text = "\n\n".join([evaluation.to_text(), *(it.to_text() for rows in sweeps.values() for it in rows)])
    return {**evaluation.to_json(), "alarms": alarms}, text


def _recordings(given: argparse.Namespace, fps: float | None) -> tuple[dict[str, Any], str]:
    """The alarms of a model on whole recordings, against the truth."""
    from streamer.evaluation.alarms import KIND, Watched
    from streamer.evaluation.clips import Question, threshold_of
    from streamer.evaluation.truthfile import load_truth
    from streamer.training.samples import Sample
    from streamer.training.stream import behaviour_card, behaviour_file

    if given.truth is None:
        raise InputError("evaluate: --model with --video needs --truth FILE, as for a site; an empty one: all is false")
    videos = _named(given.video)
    truth = load_truth(given.truth)
    for row in (*truth.events, *truth.ignored):
        if row.camera not in videos:
            raise InputError(f"evaluate: {given.truth}: no --video {row.camera}=FILE; given: {', '.join(videos)}")
    file = behaviour_file(given.model)
    card = behaviour_card(file)
    kinds = list(dict.fromkeys(it.kind for it in truth.events if it.kind in card.labels))
    labels = [given.label] if given.label else kinds or list(card.thresholds) or [card.labels[-1]]
    if labels[0] not in card.labels:
        raise InputError(f"evaluate: the model has no label {labels[0]!r}; it knows {', '.join(card.labels)}")
    samples = [Sample(path, "", name) for name, path in videos.items()]
    with bar(len(samples), "evaluate") as advance:
        streamed = _stream(file, samples, fps, advance, 0)
    if streamed.skipped:
        raise InputError(f"evaluate: {streamed.skipped[0]}")
    truth.check_times({it.source: one.seconds for it, one in zip(streamed.samples, streamed.scored, strict=True)})
    asked = Question(tuple(labels), (), {label: threshold_of(card, label) for label in labels}).at(given.threshold)
    found: dict[str, Any] = {}
    texts = []
    for label in labels:
        watched = [
            Watched(it.source, one, tuple(e.start for e in truth.events if (e.camera, e.kind) == (it.source, label)))
            for it, one in zip(streamed.samples, streamed.scored, strict=True)
        ]
        ignored = [it.model_copy(update={"kind": KIND}) for it in truth.ignored if it.kind in (None, label)]
        (sweep,) = _sweeps(card, Question((label,), (), asked.thresholds), {label: watched}, given.tolerance, ignored)[
            label
        ]
        found[label] = sweep.to_json()
        texts.append(sweep.to_text())
    return {"alarms": found, "model": str(file), "tolerance_s": given.tolerance}, "\n\n".join(texts)


def _stream(
    file: Path, samples: Sequence[Any], fps: float | None, advance: Callable[[int], None], done: int
) -> Streamed:
    from streamer.training.stream import stream_samples

    return stream_samples(file, samples, fps, lambda now, total: advance(done + now))


def _as_recordings(asked: Question, streamed: Streamed) -> dict[str, list[Watched]]:
    """Each clip is a camera of its own, in which its label happens from the start."""
    from streamer.evaluation.alarms import Watched

    pairs = list(zip(streamed.samples, streamed.scored, strict=True))
    return {
        label: [
            Watched(f"clip {i}", one, (float(one.times[0]),) if it.label == label else ())
            for i, (it, one) in enumerate(pairs)
        ]
        for label in asked.labels
    }


def _sweeps(
    card: Card,
    asked: Question,
    watched: Mapping[str, list[Watched]],
    tolerance_s: float,
    ignored: Sequence[Any] = (),
) -> dict[str, list[Sweep]]:
    from streamer.evaluation.alarms import sweep

    return {
        label: [sweep(watched[label], card.labels, label, asked.thresholds[label], ignored, tolerance_s)]
        for label in asked.labels
    }


def _named(texts: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or not file or not name:
            raise InputError(f"evaluate: --video needs NAME=FILE, got {text!r}")
        if name in found:
            raise InputError(f"evaluate: --video names {name!r} twice")
        found[name] = Path(file)
        if not found[name].is_file():
            raise InputError(f"evaluate: video {name!r}: no such file {file}")
    return found


@contextmanager
def bar(total: int, task: str) -> Iterator[Callable[[int], None]]:
    """A bar over so many things, on stderr, when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        row = shown.add_task(task, total=total)
        yield lambda done: shown.update(row, completed=done)
