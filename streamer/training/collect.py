"""`streamer data import`: clips from anywhere become a data folder: one folder a class, and a list with their sources.

Whole files are copied as they are, segments are cut. A clip that cannot be read is counted and left out.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from streamer import log
from streamer.errors import InputError, SourceError
from streamer.training.cut import cut
from streamer.training.duplicates import name
from streamer.training.samples import LISTS, Sample, write_samples

logger = log.get(__name__)
Mode = Literal["copy", "link", "list"]
"""Copy whole files, link them where the file system can (else copy), or only list where they lie."""
_UNSAFE = re.compile(r"[^\w.+-]+")


@dataclass(slots=True)
class Collected:
    """What became of the clips."""

    samples: list[Sample] = field(default_factory=list)
    """As listed in the new folder."""
    how: Counter[str] = field(default_factory=Counter)
    """Samples by `copied`, `encoded`, `linked` or `listed`."""
    skipped: list[str] = field(default_factory=list)
    """Each clip that was left out, and why."""


def collect(
    samples: Sequence[Sample],
    out: Path,
    mode: Mode = "copy",
    progress: Callable[[int, int], None] | None = None,
) -> Collected:
    """Make a data folder.

    Args:
        samples: what to take.
        out: the folder; made if it is not there, refused if it has a list already.
        mode: see Mode; segments are cut unless it is `list`.
        progress: told (done, all).

    Raises:
        InputError: the folder cannot be used, or no clip could be read; the folder is then as it was.
    """
    if any((out / listed).exists() for listed in LISTS):
        raise InputError(f"data import: {out} has a list of clips already; name a new folder")
    new = not out.exists()
    found = Collected()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for done, sample in enumerate(samples):
            try:
                found.samples.append(_take(sample, out, mode, found))
            except SourceError as error:
                found.skipped.append(f"{name(sample)}: {error}")
            if progress is not None:
                progress(done + 1, len(samples))
    except OSError as error:
        raise InputError(f"data import: {error.filename or out} cannot be written: {error.strerror}") from error
    if not found.samples:
        if new:
            with contextlib.suppress(OSError):
                shutil.rmtree(out)
        why = found.skipped[0] if found.skipped else "there are none"
        raise InputError(f"data import: none of {len(samples)} clips could be read: {why}")
    write_samples(out / LISTS[0], found.samples)
    return found


def renamed(samples: Sequence[Sample], names: Mapping[str, str]) -> list[Sample]:
    """The samples with labels as `names` says; those mapped to nothing are left out.

    Raises InputError for a name that no sample has.
    """
    known = {sample.label for sample in samples}
    for label in names:
        if label not in known:
            raise InputError(
                f"data import: --label {label}=...: no sample has that label; there are {', '.join(sorted(known))}"
            )
    changed = [replace(sample, label=names.get(sample.label, sample.label)) for sample in samples]
    return [sample for sample in changed if sample.label]


def _take(sample: Sample, out: Path, mode: Mode, found: Collected) -> Sample:
    if not sample.file.is_file():
        raise SourceError("file", "no such file")
    if mode == "list":
        found.how["listed"] += 1
        return sample
    part = bool(sample.start_s) or sample.end_s is not None
    folder = out / (safe(sample.label))
    folder.mkdir(exist_ok=True)
    target = _free(folder, _stem(sample), ".mp4" if part else sample.file.suffix.lower())
    if part:
        found.how[cut(sample.file, target, sample.start_s, sample.end_s)] += 1
    else:
        found.how[_whole(sample.file, target, mode)] += 1
    return replace(sample, file=target, start_s=0.0, end_s=None)


def _whole(source: Path, target: Path, mode: Mode) -> str:
    if mode == "link":
        with contextlib.suppress(OSError):
            os.link(source.resolve(), target)
            return "linked"
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return "copied"


def safe(text: str) -> str:
    """A name that every file system takes."""
    return _UNSAFE.sub("_", text).strip("._") or "_"


def _stem(sample: Sample) -> str:
    span = f"_{round(sample.start_s * 1000):07d}" if sample.start_s or sample.end_s is not None else ""
    return f"{safe(sample.file.stem)}{span}"


def _free(folder: Path, stem: str, suffix: str) -> Path:
    """A path that is not taken."""
    number = 1
    path = folder / f"{stem}{suffix}"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path
