"""`streamer data check|dedup|stats`: see what a data set holds before anything learns from it."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamer.commands.telling import print_some, progress
from streamer.errors import InputError, ModelError
from streamer.models import registry
from streamer.training.samples import Sample, read_samples, write_samples

_REST = "; --json has all"


def check(given: argparse.Namespace) -> int:
    """Print what is wrong with the clips; status 1 if nothing can be learnt from some of them."""
    from streamer.training.checkup import KINDS
    from streamer.training.checkup import check as examine

    samples = read_samples(given.data)
    looks = _looks(samples)
    findings = examine(samples, looks, given.least_seconds)
    report = _labels(given, samples, looks) if given.labels or given.probabilities else None
    if given.json:
        told: dict[str, Any] = {
            "samples": len(samples),
            "findings": [{"kind": f.kind, "what": f.what, "text": f.text, "skipped": f.skipped} for f in findings],
        }
        if report is not None:
            told["labels"] = _label_json(report)
        _print_json(told)
    else:
        by_kind = Counter(finding.kind for finding in findings)
        for kind in [kind for kind in KINDS if by_kind[kind]]:
            print(f"{KINDS[kind]}: {by_kind[kind]}")
            print_some((f"  {finding.what}: {finding.text}" for finding in findings if finding.kind == kind), _REST)
        skipped = sum(finding.skipped for finding in findings)
        print(f"{len(samples)} samples, {len(findings)} findings; {skipped} samples cannot be used")
        if report is not None:
            _print_labels(report)
    return 1 if any(finding.skipped for finding in findings) else 0


def dedup(given: argparse.Namespace) -> int:
    """Print near-duplicates, those of different labels first; status 1 if there are such."""
    from streamer.training.duplicates import FEWEST, cleaned, find
    from streamer.training.fingerprint import fingerprint
    from streamer.training.look import readable

    samples = read_samples(given.data)
    looks = _looks(samples)
    usable, unusable = readable(samples, looks)
    if not usable:
        raise InputError(f"data dedup: no picture could be decoded of any of {len(samples)} samples: see data check")
    embeddings, by = _embeddings(given.model, usable)
    with progress("compare") as advance:
        found = find(usable, [fingerprint(looks[s.file].within(s)) for s in usable], embeddings, advance)
    if given.out is not None:
        kept = cleaned(usable, found)
        write_samples(given.out, kept)
    if given.json:
        _print_json({
            "samples": len(samples), "unusable": len(unusable), "compared": found.compared,
            "candidates": found.candidates, "by": by,
            "pairs": [_pair_json(pair) for pair in found.pairs],
        })  # fmt: skip
        return 1 if any(pair.conflict for pair in found.pairs) else 0
    conflicts = [pair for pair in found.pairs if pair.conflict]
    leaks = [pair for pair in found.pairs if pair.leak and not pair.conflict]
    rest = [pair for pair in found.pairs if not pair.leak and not pair.conflict]
    for title, pairs in (
        ("copies with different labels, one of them is wrong", conflicts),
        ("of different sources, a split would put them on both sides", leaks),
        ("within one source", rest),
    ):
        if pairs:
            print(f"{title}: {len(pairs)}")
            print_some((f"  {pair.line()}" for pair in pairs), _REST)
    print(f"{len(usable)} samples compared by {by}; {len(unusable)} unreadable; {len(found.pairs)} pairs too alike")
    if embeddings is not None and len(usable) < FEWEST:
        print(f"embeddings say nothing of fewer than {FEWEST} samples: compared by hash only")
    if found.compared < found.candidates:
        print(f"only the nearest {found.compared} of {found.candidates} alike scenes were compared: run it by camera")
    if given.out is not None:
        print(
            f"{given.out}: {len(kept)} samples, {len(usable) - len(kept)} left out, sources that share a scene joined"
        )
    return 1 if conflicts else 0


def stats(given: argparse.Namespace) -> None:
    """Print what the data holds by class."""
    from streamer.training.light import BOUNDS, BUCKETS
    from streamer.training.statistics import statistics, table

    samples = read_samples(given.data)
    groups = statistics(samples, _looks(samples))
    if given.json:
        _print_json({"groups": [group.to_dict() for group in groups], "light_bounds": BOUNDS})
        return
    print(table(groups))
    light = f"{BUCKETS[0]} under a mean luma of {BOUNDS[0]:g}, {BUCKETS[2]} from {BOUNDS[1]:g}"
    print(f"light: {light}; gray: without color (infrared); motion: levels a pixel changes in 1/8 s")


def _looks(samples: Sequence[Sample]) -> dict[Path, Any]:
    from streamer.training.look import look_at_all

    with progress("look") as advance:
        return look_at_all(samples, advance)


def _embeddings(name: str | None, samples: Sequence[Sample]) -> tuple[Any, str]:
    """Embeddings by a named model, else by a shipped one, and what was compared by."""
    from streamer.training.encoder import Encoder, embed_all

    if name == "none":
        return None, "perceptual hash and movement"
    file = _encoder_file(name)
    if file is None:
        return None, "perceptual hash and movement only (no model is shipped: --model gives one for embeddings)"
    encoder = Encoder(file)
    with progress("embed") as advance:
        return embed_all(encoder, samples, advance), f"perceptual hash, movement and embeddings by {file.stem}"


def _encoder_file(name: str | None) -> Path | None:
    if name is not None:
        file = registry.resolve(name, Path())
        if file == registry.MOTION:
            raise ModelError("model motion: it has no network to embed clips by")
        return Path(file)
    shipped = [known.file for known in registry.models() if known.origin == "shipped" and known.card is not None]
    return next((file for file in shipped if file is not None and file.suffix == ".onnx"), None)


def _labels(given: argparse.Namespace, samples: Sequence[Sample], looks: dict[Path, Any]) -> Any:
    import numpy as np

    from streamer.training import labels
    from streamer.training.look import readable

    usable, _ = readable(samples, looks)
    if given.probabilities is not None:
        found, classes = labels.read_probabilities(given.probabilities, usable)
    else:
        features = labels.motion_features(usable, looks)
        if given.model is not None:
            features = np.hstack([features, _embeddings(given.model, usable)[0]])
        found, classes = labels.out_of_fold(usable, features)
    return labels.doubts(usable, found, classes)


def _print_labels(report: Any) -> None:
    from streamer.training.duplicates import name

    print(
        f"labels in doubt: {len(report.doubts)} of {report.judged} (out of fold {report.accuracy:.2f} right, guessing "
        f"{report.guessing:.2f}; the nearer these two, the less the doubts mean)"
    )
    print_some(
        f"  {name(d.sample)}: {d.sample.label} has probability {d.probability:.2f}, rather {d.instead}"
        for d in report.doubts
    )


def _label_json(report: Any) -> dict[str, Any]:
    rows = [
        {"file": str(d.sample.file), "start_s": d.sample.start_s, "label": d.sample.label, "instead": d.instead,
         "probability": d.probability, "score": d.score}
        for d in report.doubts
    ]  # fmt: skip
    return {"judged": report.judged, "accuracy": report.accuracy, "guessing": report.guessing, "doubts": rows}


def _pair_json(pair: Any) -> dict[str, Any]:
    def one(sample: Sample) -> dict[str, Any]:
        return {"file": str(sample.file), "start_s": sample.start_s, "label": sample.label, "source": sample.source}

    return {
        "kind": pair.kind, "conflict": pair.conflict, "leak": pair.leak, "mirrored": pair.mirrored,
        "bits": pair.bits, "agreement": pair.agreement, "cosine": pair.cosine,
        "samples": [one(pair.one), one(pair.other)],
    }  # fmt: skip


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False))
