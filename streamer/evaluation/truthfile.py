"""Reads truth from JSON and CSV; see docs/evaluation.md for the form.

Strict: an unknown key or column is an error, and all faults of a file are told at once, each with its place. The only
I/O is reading the file.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from streamer.errors import ConfigError, InputError
from streamer.evaluation.truth import Ignored, Row, TrueCount, TrueEvent, Truth
from streamer.faults import nearest

_LARGEST = 64 * 2**20  # bytes
_KEYS = ("events", "counts", "ignore", "kinds")
COLUMNS = ("camera", "kind", "start", "end", "zone", "line", "label", "direction", "count", "place", "ignore")
"""What the columns of a CSV may be called, in any order."""

_R = TypeVar("_R", bound=Row)


def load_truth(path: Path) -> Truth:
    """Read a truth file; ``.csv`` is CSV, all else JSON.

    Raises:
        InputError: it cannot be read, or is not of the form (ConfigError: with all faults of its rows).
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: more than {_LARGEST >> 20} MiB; a truth file has some lines an hour")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text in UTF-8 (byte {error.start})") from error
    return parse_csv(text, str(path)) if path.suffix.lower() == ".csv" else parse_json(text, str(path))


def parse_json(text: str, name: str) -> Truth:
    """A truth from JSON; `name` stands for the file in messages. Raises InputError."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{name}:{error.lineno}:{error.colno}: no valid JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{name}: no valid JSON: nested too deeply") from error
    if not isinstance(data, dict):
        raise InputError(f"{name}: must be an object with the lists {', '.join(_KEYS)}")
    for key, value in data.items():
        if key not in _KEYS:
            raise InputError(f"{name}: unknown key {key!r}{nearest(key, _KEYS) or '; known: ' + ', '.join(_KEYS)}")
        if not isinstance(value, list):
            raise InputError(f"{name}: {key} must be a list")
    kinds = data.get("kinds", [])
    if not all(isinstance(kind, str) for kind in kinds):
        raise InputError(f"{name}: kinds must be a list of words")
    faults: list[str] = []

    def rows(key: str, form: type[_R]) -> tuple[_R, ...]:
        return _rows(form, ((f"{name}: {key}[{i}]", it) for i, it in enumerate(data.get(key, []))), faults)

    truth = Truth(name, rows("events", TrueEvent), rows("counts", TrueCount), rows("ignore", Ignored), tuple(kinds))
    if faults:
        raise ConfigError(faults)
    return truth


def parse_csv(text: str, name: str) -> Truth:
    """A truth from CSV with a header; a row with a count is a count, one with ``ignore`` is left out of the score.

    Raises InputError.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = [column.strip() for column in reader.fieldnames or []]
    reader.fieldnames = header
    for column in header:
        if column not in COLUMNS:
            hint = nearest(column, COLUMNS) or f"; known: {', '.join(COLUMNS)}"
            raise InputError(f"{name}:1: unknown column {column!r}{hint}")
    if "camera" not in header:
        raise InputError(f"{name}:1: no column 'camera'; the first line names the columns: {', '.join(COLUMNS)}")
    events, counts, ignored = list[tuple[str, Any]](), list[tuple[str, Any]](), list[tuple[str, Any]]()
    faults: list[str] = []
    for line in reader:
        where = f"{name}:{reader.line_num}"
        if None in line:
            faults.append(f"{where}: more fields than the {len(header)} columns of the header")
            continue
        row = {key: value.strip() for key, value in line.items() if value and value.strip()}
        left_out = row.pop("ignore", "no")
        if left_out not in ("yes", "no"):
            faults.append(f"{where}: ignore must be yes or no, got {left_out!r}")
        elif row:
            (ignored if left_out == "yes" else counts if "count" in row else events).append((where, row))
    found = _rows(TrueEvent, events, faults), _rows(TrueCount, counts, faults), _rows(Ignored, ignored, faults)
    if faults:
        raise ConfigError(faults)
    return Truth(name, *found)


def _rows(form: type[_R], rows: Iterable[tuple[str, Any]], faults: list[str]) -> tuple[_R, ...]:
    good = []
    for where, row in rows:
        try:
            good.append(form.model_validate(row))
        except ValidationError as error:
            faults += [f"{where}: {_words(form, detail)}" for detail in error.errors(include_url=False)]
    return tuple(good)


def _words(form: type[Row], detail: Any) -> str:
    """One of pydantic's complaints in our words."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = list(form.model_fields)
        return f"unknown key {key!r}{nearest(key, known) or '; known: ' + ', '.join(known)}"
    if detail["type"] == "missing":
        return f"{key} is missing"
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    if not key:
        return f"must be an object, got {detail['input']!r}"
    message = detail["msg"].removeprefix("Input should be ").removeprefix("Input ")
    return f"{key} must be {message}, got {detail['input']!r}"
