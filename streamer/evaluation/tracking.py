"""Tracks against labeled boxes: HOTA, IDF1 and MOTA of a camera's detector and tracker on a recording.

The recording runs through the replay with a pipeline that only detects and follows, at the rate that is asked for;
boxes that the detector saw in a frame are compared with the labels of that very frame, and labels of frames that are
not analysed do not count. The measures are those of the `trackers` library, which follow TrackEval.

Sources: Luiten et al., HOTA, IJCV 2021; Ristani et al., IDF1, ECCV-W 2016; Bernardin and Stiefelhagen, CLEAR, 2008.
Labels: MOT challenge text, one box a line: frame (from 1), id, left, top, width, height in pixels[, considered, class].
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.camera import Camera
from streamer.errors import InputError
from streamer.events import Event
from streamer.pipeline import Detector, Pipeline
from streamer.readings import Reading
from streamer.tracker import Tracker

PEOPLE = ("person", "motion")
_MATCH_IOU = 0.5
"""Overlap from which a box is the labeled one, for IDF1 and MOTA: the field's habit. HOTA averages over 0.05-0.95."""
_COLUMNS = 6

Boxes = NDArray[np.float64]
"""float64 (n, 5): id, left, top, width, height in pixels."""


@dataclass(frozen=True, slots=True)
class Measures:
    """How well tracks follow the labels; shares, 0..1."""

    analyze_fps: float
    frames: int
    """Analysed frames that have labels."""
    hota: float
    deta: float
    """Of HOTA, the part of detection."""
    assa: float
    """Of HOTA, the part of association."""
    idf1: float
    mota: float
    id_switches: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; names are a public contract (docs/evaluation.md)."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


class Follow(Pipeline):
    """Detects and follows, and keeps every track that was seen."""

    detector: Detector
    """The model that is measured."""
    labels: tuple[str, ...] = PEOPLE
    """Classes that the labels are of."""
    found: dict[float, Any] = {}
    """By capture time: Boxes, but in fractions of the frame."""

    async def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
        """See Pipeline."""
        tracker = Tracker()
        async for frame in camera.frames():
            tracks = tracker.update(await self.detector(frame), frame.time).seen()
            wanted = np.array([tracks.label(i) in self.labels for i in range(len(tracks))], np.bool_)
            x1, y1, x2, y2 = tracks.boxes[wanted].astype(np.float64).T
            self.found[frame.time] = np.stack([tracks.track_ids[wanted], x1, y1, x2 - x1, y2 - y1], axis=1)
            yield Reading("tracks", "picture", len(x1))


def load_boxes(path: Path) -> dict[int, Boxes]:
    """Read labeled boxes in MOT text, those that are to be considered and of class 1 (people), by frame.

    Raises:
        InputError: it cannot be read, or is not of the form.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    frames: dict[int, list[list[float]]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = [float(value) for value in line.replace(";", ",").rstrip(",").split(",")]
        except ValueError:
            raise InputError(f"{path}:{number}: not all of it is numbers: {line[:60]!r}") from None
        if len(values) < _COLUMNS or not np.isfinite(values[:_COLUMNS]).all() or values[0] < 1 or min(values[4:6]) <= 0:
            needed = "frame (from 1), id, left, top, width, height, with a size above 0"
            raise InputError(f"{path}:{number}: needs {needed}: {line[:60]!r}")
        considered = len(values) <= _COLUMNS or values[_COLUMNS] != 0
        of_people = len(values) <= _COLUMNS + 1 or values[_COLUMNS + 1] in (1, -1)
        if considered and of_people:
            frames.setdefault(int(values[0]), []).append(values[1:_COLUMNS])
    if not frames:
        raise InputError(f"{path}: holds no labeled box")
    return {frame: np.array(rows) for frame, rows in frames.items()}


def measure(
    labels: Mapping[int, Boxes], found: Mapping[float, Boxes], fps: float, size: tuple[int, int], analyze_fps: float
) -> Measures:
    """Compare tracks with labels, from the first labeled frame to the last.

    Args:
        labels: by number of the frame in the file, from 1.
        found: tracks by capture time in seconds, in fractions of the frame.
        fps: frames a second of the file.
        size: width and height that the labels are in, pixels.
        analyze_fps: of the replay, for the record.

    Raises:
        InputError: no analysed frame has labels.
    """
    first, last = min(labels), max(labels)
    numbers = {time: round(time * fps) + 1 for time in found}
    times = [time for time in sorted(found) if first <= numbers[time] <= last]
    if not any(numbers[time] in labels for time in times):
        raise InputError(f"evaluate: of {len(found)} analysed frames none is labeled (frames {first} to {last})")
    scale = np.array([1.0, size[0], size[1], size[0], size[1]])
    true = [labels.get(numbers[time], np.zeros((0, 5))) for time in times]
    return _measures(true, [found[time] * scale for time in times], analyze_fps)


def _measures(true: list[Boxes], told: list[Boxes], analyze_fps: float) -> Measures:
    from trackers.eval import evaluate_mot_sequence

    if not any(len(boxes) for boxes in told):
        return Measures(analyze_fps, len(true), 0.0, 0.0, 0.0, 0.0, 0.0, 0)
    with tempfile.TemporaryDirectory(prefix="streamer-tracks-") as folder:
        paths = [Path(folder) / name for name in ("labels.txt", "tracks.txt")]
        for path, frames in zip(paths, (true, told), strict=True):
            rows = (
                f"{number},{int(box[0])},{','.join(f'{value:.4f}' for value in box[1:])},1,1,1\n"
                for number, boxes in enumerate(frames, 1)
                for box in boxes
            )
            path.write_text("".join(rows))
        found = evaluate_mot_sequence(*paths, metrics=["CLEAR", "HOTA", "Identity"], threshold=_MATCH_IOU)
    hota, identity, clear = found.HOTA, found.Identity, found.CLEAR
    return Measures(
        analyze_fps,
        len(true),
        float(hota.HOTA),
        float(hota.DetA),
        float(hota.AssA),
        float(identity.IDF1),
        float(clear.MOTA),
        int(clear.IDSW),
    )


def table(found: Mapping[str, list[Measures]]) -> str:
    """One line a camera and rate."""
    lines = [f"{'tracks':<18}{'fps':>6}{'frames':>8}{'HOTA':>8}{'DetA':>8}{'AssA':>8}{'IDF1':>8}{'MOTA':>8}{'IDSW':>6}"]
    for camera, rows in found.items():
        for row in rows:
            shares = "".join(f"{100 * value:>8.1f}" for value in (row.hota, row.deta, row.assa, row.idf1, row.mota))
            lines.append(f"{camera:<18}{row.analyze_fps:>6g}{row.frames:>8}{shares}{row.id_switches:>6}")
    return "\n".join(lines)
