"""`streamer data split|import`: make lists and folders of clips."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from streamer.commands.telling import print_some, progress
from streamer.errors import InputError
from streamer.training.samples import SPLITS, Sample, read_samples, write_samples


def split(given: argparse.Namespace) -> None:
    """Write lists whose parts share no source or camera."""
    from streamer.training.folds import apportion

    samples = read_samples(given.data)
    by: Callable[[Sample], str] = (lambda s: s.camera) if given.by == "camera" else (lambda s: s.source)
    without = sum(not by(sample) for sample in samples)
    if without:
        raise InputError(f"data split: {without} of {len(samples)} samples name no {given.by}; add that column")
    if given.folds is not None:
        if given.folds < 2:
            raise InputError(f"data split: --folds must be at least 2, got {given.folds}")
        fold = apportion(samples, [1 / given.folds] * given.folds, given.seed, by)
        for number in range(given.folds):
            out = given.out.with_name(f"{given.out.stem}-{number + 1}{given.out.suffix or '.csv'}")
            parts = ["test" if at == number else "train" for at in fold]
            _write_split(out, samples, parts, by, given)
        return
    shares = _shares(given.shares)
    parts = [SPLITS[at] for at in apportion(samples, shares, given.seed, by)]
    _write_split(given.out, samples, parts, by, given)


def import_clips(given: argparse.Namespace) -> None:
    """Make a data folder of clips and segments from elsewhere."""
    from streamer.training.collect import collect, renamed

    names = {}
    for text in given.label:
        old, equals, new = text.partition("=")
        if not equals or not old:
            raise InputError(f"data import: --label needs OLD=NEW, got {text!r}")
        names[old] = new.strip()
    samples = renamed(read_samples(given.data), names)
    with progress("import") as advance:
        found = collect(samples, given.out, given.mode, advance)
    print_some(f"skipped {line}" for line in found.skipped)
    how = ", ".join(f"{count} {word}" for word, count in sorted(found.how.items()))
    classes = ", ".join(f"{label} {count}" for label, count in sorted(Counter(s.label for s in found.samples).items()))
    print(f"{given.out}: {len(found.samples)} samples ({classes}); {how}; {len(found.skipped)} skipped")


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if len(shares) != len(SPLITS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-3:
        raise InputError(
            f"data split: --shares must be three fractions of {', '.join(SPLITS)} with sum 1, got {text!r}"
        )
    return shares


def _write_split(
    out: Path, samples: Sequence[Sample], parts: Sequence[str], by: Callable[[Sample], str], given: argparse.Namespace
) -> None:
    write_samples(out, [replace(sample, split=part) for sample, part in zip(samples, parts, strict=True)])
    told = []
    for part in [name for name in SPLITS if name in parts]:
        inside = [sample for sample, at in zip(samples, parts, strict=True) if at == part]
        classes = ", ".join(f"{label} {n}" for label, n in sorted(Counter(s.label for s in inside).items()))
        told.append(f"{part} {len(inside)} of {len({by(sample) for sample in inside})} {given.by}s ({classes})")
    print(f"{out}: {'; '.join(told)}")
