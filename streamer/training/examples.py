"""Labelled pictures for a detector's training: out of videos by a teacher, out of the simulator by its truth.

The pictures of a file are always the same ones (`sources.file` samples as the live path does); what the teacher says of
them is kept in a folder, because it takes long: a change of the file, the teacher or the footage's settings asks anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer import log
from streamer.errors import SourceError
from streamer.sources.file import FileSource
from streamer.training.detectionrecipe import Footage
from streamer.training.labelled import IGNORED, Labels
from streamer.training.linking import link, moving, unexplained
from streamer.training.views import Looks, Seen, Teacher

logger = log.get(__name__)
_MOST = 3600
"""Pictures that the teacher looks at in one file; longer ones end there."""
_SEVERAL = 0.3
"""Of the picture: a box of motion that is larger may hold more than one thing."""


@dataclass(slots=True)
class Examples:
    """Pictures, their labels, and how often each is to be shown."""

    pictures: list[NDArray[np.uint8]] = field(default_factory=list)
    """RGB."""
    labels: list[Labels] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Files that could not be read, with the reason."""

    def __len__(self) -> int:
        return len(self.pictures)

    def add(self, pictures: list[NDArray[np.uint8]], labels: list[Labels], weight: float) -> None:
        """The pictures of one file; many of one file count less each, and those where nothing is count little."""
        for picture, known in zip(pictures, labels, strict=True):
            self.pictures.append(picture)
            self.labels.append(known)
            seen = bool((known.classes >= 0).any())
            self.weights.append(weight * (1.0 if seen else 0.35) / len(pictures) ** 0.5)


class Collector:
    """Makes examples of videos.

    Args:
        teacher: who labels.
        labels: the classes of the result; the teacher has the same.
        key: what identifies the teacher, for the notes that are kept.
        notes: folder of what the teacher said.
    """

    def __init__(self, teacher: Teacher, labels: tuple[str, ...], key: str, notes: Path):
        self._teacher = teacher
        self._labels = labels
        self._key = key
        self._notes = notes

    def collect(self, part: Footage, file: Path, into: Examples, told: Callable[[str], None]) -> None:
        """Add the pictures of one file; an unreadable file is noted and skipped."""
        try:
            source = FileSource(file, part.fps, *part.box)
            images = [pixels for _, (_, _, pixels) in zip(range(_MOST), source, strict=False)]
        except SourceError as error:
            into.skipped.append(f"{file}: {error}")
            return
        if not images:
            into.skipped.append(f"{file}: no pictures")
            return
        if part.moving:
            known = _by_motion(images, self._labels.index(part.moving), part.moving_least)
            picked = [i for i, labels in enumerate(known) if len(labels.classes) or i % (4 * part.every) == 0]
        else:
            known = self._by_teacher(images, part, file)
            picked = list(
                range(min(1, len(images) - 1) if len(images) <= 2 * part.every else 0, len(images), part.every)
            )
        into.add([images[i] for i in picked], [known[i] for i in picked], part.weight)
        told(f"{file.name}: {len(picked)} pictures, {sum(int((known[i].classes >= 0).sum()) for i in picked)} boxes")

    def _by_teacher(self, images: list[NDArray[np.uint8]], part: Footage, file: Path) -> list[Labels]:
        seen = self._seen(images, part, file)
        motion = moving(images)
        labels = []
        for image, stirs, (known, faint) in zip(images, motion, link(seen, part.fps), strict=True):
            size = np.array([image.shape[1], image.shape[0]] * 2, np.float64)
            sure = np.array([box for _, box in known]).reshape(-1, 4) / size
            weak = np.array(faint).reshape(-1, 4) / size
            unknown = np.concatenate([weak, unexplained(stirs, np.concatenate([sure, weak]))])
            classes = [label for label, _ in known] + [IGNORED] * len(unknown)
            labels.append(Labels(np.concatenate([sure, unknown]), np.array(classes, np.int64)))
        return labels

    def _seen(self, images: list[NDArray[np.uint8]], part: Footage, file: Path) -> list[Seen]:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        asked = f"{self._key} {content} {part.fps} {part.box} {part.sides} {part.turned}"
        note = self._notes / f"{file.stem}-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
        if note.is_file():
            said: list[Any] = json.loads(note.read_text())
            empty = np.zeros((0, len(self._labels)))
            return [Seen(np.array(b).reshape(-1, 4), np.array(s) if s else empty) for b, s in said]
        looks = Looks(part.sides, part.turned)
        seen = [self._teacher.look(image, looks) for image in images]
        self._notes.mkdir(parents=True, exist_ok=True)
        rows = [(np.round(one.boxes, 2).tolist(), np.round(one.scores, 4).tolist()) for one in seen]
        draft = note.with_suffix(".part")
        draft.write_text(json.dumps(rows))
        draft.replace(note)
        return seen


def _by_motion(images: list[NDArray[np.uint8]], label: int, least: tuple[float, float]) -> list[Labels]:
    """All that moves and is large enough is of one label; what is smaller, or may be several, is unknown."""
    found = []
    for boxes in moving(images):
        sides = boxes[:, 2:] - boxes[:, :2]
        one = (sides > least).all(axis=1) & (sides.prod(axis=1) < _SEVERAL)
        found.append(Labels(boxes, np.where(one, label, IGNORED).astype(np.int64)))
    return found
