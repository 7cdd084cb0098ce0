"""Samples: labeled stretches of video, read from a folder or a CSV file and written back as one.

Everything that learns, measures or cleans data starts here. Nothing is decoded: a file that cannot be read is found by
who decodes it, which counts and skips it.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from streamer import log
from streamer.errors import ConfigError, InputError

logger = log.get(__name__)
VIDEOS = frozenset(
    [
        *(".3gp", ".asf", ".avi", ".flv", ".gif", ".h264", ".h265", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov"),
        *(".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv"),
    ]
)
"""Suffixes by which a folder's clips are told from its other files."""
LISTS = ("clips.csv", "segments.csv")
"""The list of a data folder, the first that is there."""
SPLITS = ("train", "val", "test")
COLUMNS = ("file", "label", "source", "start", "end", "camera", "split")
_OTHER_NAMES = {"start_s": "start", "end_s": "end", "start_seconds": "start", "end_seconds": "end", "subject": "source"}
_LARGEST = 64 * 2**20  # bytes of a list
_SHOWN = 20  # faults told of one list


@dataclass(frozen=True, slots=True)
class Sample:
    """One labeled stretch of a video file."""

    file: Path
    label: str
    source: str
    """What shares a scene or a person: never parted between training and testing."""
    start_s: float = 0.0
    """Seconds from the file's first picture."""
    end_s: float | None = None
    """None: to the end of the file."""
    camera: str = ""
    split: str = ""
    """One of SPLITS, or nothing."""


def read_samples(path: Path) -> list[Sample]:
    """Read the samples of a data folder or of a list, in the list's order or by name.

    Args:
        path: a CSV file; a folder with `clips.csv` or `segments.csv`; or a folder with one folder a class. In a list,
            files are relative to its folder, times are seconds or h:mm:ss, and without a source each file is its own.
            In a class's folder, a folder is a source and a file that lies in none is its own.

    Raises:
        InputError: no such path, no clips, not of the form (ConfigError: with the faults of its rows), or none of the
            files is there. A few missing files are no error here: whoever decodes them counts them.
    """
    if path.is_dir():
        listed = next((path / name for name in LISTS if (path / name).is_file()), None)
        samples = _read_folder(path) if listed is None else _read_list(listed)
    elif path.is_file():
        samples = _read_list(path)
    else:
        raise InputError(f"{path}: no such folder or file")
    if not any(sample.file.is_file() for sample in samples):
        raise InputError(
            f"{path}: none of its {len(samples)} files is there, the first would be {samples[0].file}; "
            "paths are relative to the list's folder"
        )
    return samples


def write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Write a list that `read_samples` reads as the same samples; whole or not at all. Raises InputError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample in samples:
        end = "" if sample.end_s is None else repr(sample.end_s)
        start = repr(sample.start_s) if sample.start_s else ""
        where = os.path.relpath(sample.file.absolute(), path.absolute().parent)
        writer.writerow([where, sample.label, sample.source, start, end, sample.camera, sample.split])
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text.getvalue(), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def samples_hash(samples: Iterable[Sample]) -> str:
    """SHA-256 of the data as hex: of the files' bytes and what the list says, whatever their order, names and folder.

    Raises InputError if a file cannot be read.
    """
    rows = sorted(
        f"{file_hash(s.file)}|{s.label}|{s.source}|{s.start_s!r}|{s.end_s!r}|{s.camera}|{s.split}" for s in samples
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes as hex; read once in a process unless the file changes. Raises InputError."""
    try:
        state = path.stat()
        return _hash(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


@lru_cache(maxsize=65536)
def _hash(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_folder(folder: Path) -> list[Sample]:
    samples = []
    for label in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")):
        for file in sorted(label.rglob("*")):
            inside = file.relative_to(label)
            if file.suffix.lower() in VIDEOS and not any(part.startswith(".") for part in inside.parts):
                alone = len(inside.parts) == 1
                source = f"{label.name}/{inside.stem}" if alone else "/".join(inside.parts[:-1])
                samples.append(Sample(file, label.name, source))
    if not samples:
        raise InputError(
            f"{folder}: no clips: needs {' or '.join(LISTS)}, or one folder a class with video files "
            f"({', '.join(sorted(VIDEOS)[:5])}, ...)"
        )
    return samples


def _read_list(path: Path) -> list[Sample]:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: more than {_LARGEST >> 20} MiB is no list of clips")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text in UTF-8 (byte {error.start})") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    reader.fieldnames = _header(reader.fieldnames or [], path)
    samples, faults = [], []
    try:
        for row in reader:
            if not any(row.values()):
                continue
            try:
                samples.append(_sample(row, path.parent))
            except ValueError as error:
                faults.append(f"{path}:{reader.line_num}: {error}")
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: no valid CSV: {error}") from error
    if faults:
        more = [f"{path}: and {len(faults) - _SHOWN} more faulty rows"] if len(faults) > _SHOWN else []
        raise ConfigError(faults[:_SHOWN] + more)
    if not samples:
        raise InputError(f"{path}: no clips: the list has a header and no rows")
    return samples


def _header(names: Sequence[str], path: Path) -> list[str]:
    """The columns by our names. A misspelled one is an error: without `source`, folds would leak and nobody notice."""
    columns = [_OTHER_NAMES.get(name.strip().lower(), name.strip().lower()) for name in names]
    for column in columns:
        if column not in COLUMNS:
            near = difflib.get_close_matches(column, set(COLUMNS) - set(columns), n=1, cutoff=0.7)
            if near:
                raise InputError(f"{path}:1: unknown column {column!r}; did you mean {near[0]!r}?")
            logger.info("%s: column %r is not used", path, column)
    twice = {column for column in columns if column in COLUMNS and columns.count(column) > 1}
    missing = {"file", "label"} - set(columns)
    if missing or twice:
        what = f"no column {min(missing)!r}" if missing else f"two columns mean {min(twice)!r}"
        raise InputError(f"{path}:1: {what}; the first line names the columns: {', '.join(COLUMNS)}")
    return columns


def _sample(row: dict[str, str | None], folder: Path) -> Sample:
    if None in row:
        raise ValueError("more fields than the header has columns")
    told = {key: (value or "").strip() for key, value in row.items()}
    for name in ("file", "label"):
        if not told[name]:
            raise ValueError(f"{name} is missing")
    start_s = seconds_of(told["start"]) if told.get("start") else 0.0
    end_s = seconds_of(told["end"]) if told.get("end") else None
    if end_s is not None and end_s <= start_s:
        raise ValueError(f"end must be after start, got {start_s:g} to {end_s:g}")
    split = told.get("split", "").lower()
    if split and split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    source = told.get("source") or Path(told["file"]).with_suffix("").as_posix()
    return Sample(folder / told["file"], told["label"], source, start_s, end_s, told.get("camera", ""), split)


def seconds_of(text: str) -> float:
    """Seconds from ``12.5``, ``1:02.5`` or ``1:00:02.5``. Raises ValueError."""
    total = 0.0
    for part in text.split(":"):
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0) or text.count(":") > 2:
            raise ValueError(f"a time must be seconds or h:mm:ss, got {text!r}")
        total = total * 60 + value
    return total
