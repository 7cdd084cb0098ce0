"""From what a teacher sees picture by picture to labels: what holds over time is true, what flashes up is not.

Boxes of neighbouring pictures are linked to tracks. A track that was surely seen several times vouches for its weak
boxes and for short misses between them; a weak box that stands alone is neither an example nor a counter-example, and
what moves although the teacher knows nothing of it may be anything: both are left out of the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from streamer.models.opencv import opencv
from streamer.training.views import Boxes, Pixels, Seen, overlap

_SURE, _FAINT = 0.42, 0.12
"""A box alone counts from the first; one whose track vouches for it from the second."""
_SMALL_WIDTH = 320
"""Pixels of the pictures in which motion is looked for."""
_CONTRAST = 20.0
"""Of 255: how much a pixel must differ from the usual."""
_LEAST_AREA = 0.002
"""Of the picture: smaller changes are noise."""


@dataclass(slots=True)
class _Track:
    box: Boxes
    last: int
    mass: Boxes
    """Confidence a label, summed."""
    velocity: Boxes = field(default_factory=lambda: np.zeros(4))
    seen: dict[int, tuple[Boxes, float]] = field(default_factory=dict)
    """By the number of the picture: box and confidence."""


def link(seen: Sequence[Seen], fps: float) -> list[tuple[list[tuple[int, Boxes]], list[Boxes]]]:
    """The labels of consecutive pictures.

    Args:
        seen: by picture.
        fps: pictures a second; misses of up to one second are bridged.

    Returns:
        By picture: (label, box) of what is there, and boxes of which nothing is known; pixels.
    """
    reach = max(2, round(fps))
    tracks: list[_Track] = []
    for number, found in enumerate(seen):
        _extend(tracks, found, number, reach)
    labels: list[tuple[list[tuple[int, Boxes]], list[Boxes]]] = [([], []) for _ in seen]
    for track in tracks:
        _write(track, labels)
    return labels


def _extend(tracks: list[_Track], found: Seen, number: int, reach: int) -> None:
    sure = found.scores.max(axis=1) if len(found.scores) else np.zeros(0)
    alive = [track for track in tracks if number - track.last <= reach]
    pairs: list[tuple[float, int, int]] = []
    if alive and len(sure):
        ahead = np.array([track.box + track.velocity * (number - track.last) for track in alive])
        shared = overlap(ahead, found.boxes)
        for i, track in enumerate(alive):
            for j in np.flatnonzero(shared[i] > 0.25):
                if (track.mass.argmax() == 0) == (found.scores[j].argmax() == 0):
                    pairs.append((float(shared[i, j] + 0.1 * sure[j]), i, int(j)))
    used: set[int] = set()
    taken: set[int] = set()
    for _, old, new in sorted(pairs, reverse=True):
        if old not in used and new not in taken:
            used.add(old)
            taken.add(new)
            _follow(alive[old], found.boxes[new], found.scores[new], number)
    for new, box in enumerate(found.boxes):
        if new not in taken:
            tracks.append(_Track(box, number, found.scores[new].copy(), seen={number: (box, float(sure[new]))}))


def _follow(track: _Track, box: Boxes, scores: Boxes, number: int) -> None:
    step = ((box[:2] + box[2:]) - (track.box[:2] + track.box[2:])) / 2 / (number - track.last)
    track.velocity = 0.5 * track.velocity + 0.5 * np.concatenate([step, step])
    track.box, track.last = box, number
    track.mass = track.mass + scores
    track.seen[number] = (box, float(scores.max()))


def _write(track: _Track, labels: list[tuple[list[tuple[int, Boxes]], list[Boxes]]]) -> None:
    numbers = sorted(track.seen)
    sure = np.array([track.seen[number][1] for number in numbers])
    moving_past = sure.max() > 0.6 and (sure > 0.5).sum() >= 2 and len(numbers) >= 4
    # what always stands there needs a sure sight, too: a blanket is a weak person for hours
    vouched = moving_past or (len(numbers) >= 10 and sure.mean() > 0.35 and sure.max() > 0.6)
    label = int(track.mass.argmax())
    for at, number in enumerate(numbers):
        box, score = track.seen[number]
        if score >= _SURE or (vouched and score >= _FAINT):
            labels[number][0].append((label, box))
        else:
            labels[number][1].append(box)
        if at + 1 == len(numbers):
            continue
        after, next_score = track.seen[numbers[at + 1]]
        for missed in range(number + 1, numbers[at + 1]):
            between = box + (after - box) * (missed - number) / (numbers[at + 1] - number)
            if vouched and min(score, next_score) > 0.3:
                labels[missed][0].append((label, between))
            else:
                labels[missed][1].append(between)


def moving(images: Sequence[Pixels]) -> list[Boxes]:
    """Where something moves in pictures of a camera that stands still: boxes (n, 4) as fractions, by picture.

    Nothing in a picture of which almost half differs from the median of all: that camera moves. A change of the whole
    picture's light is taken off before.
    """
    cv2 = opencv()
    height = round(_SMALL_WIDTH * images[0].shape[0] / images[0].shape[1])
    small = [cv2.resize(image, (_SMALL_WIDTH, height), interpolation=cv2.INTER_AREA) for image in images]
    usual = np.median(np.stack(small[:: max(1, len(small) // 60)]), axis=0)
    boxes = []
    for picture in small:
        change = picture - usual
        change = np.abs(change - np.median(change, axis=(0, 1))).max(axis=2)
        stirred = cv2.GaussianBlur(change.astype(np.float32), (0, 0), 1.5) > _CONTRAST
        if stirred.mean() >= 0.45:
            boxes.append(np.zeros((0, 4)))
            continue
        mask = cv2.morphologyEx(stirred.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((15, 15), np.uint8))
        _, _, found, _ = cv2.connectedComponentsWithStats(mask)
        found = found[1:].astype(np.float64)
        found = found[found[:, 4] > _LEAST_AREA * stirred.size]
        corners = np.c_[found[:, :2], found[:, :2] + found[:, 2:4]]
        boxes.append(corners / [_SMALL_WIDTH, height, _SMALL_WIDTH, height])
    return boxes


def unexplained(motion: Boxes, known: Boxes) -> Boxes:
    """Of the boxes of motion (n, 4), those less than half covered by what is known (m, 4)."""
    left = []
    for box in motion:
        cell = np.zeros((64, 64), bool)
        for other in known:
            place = np.clip((other.reshape(2, 2) - box[:2]) / np.maximum(box[2:] - box[:2], 1e-9) * 64, 0, 64).astype(
                int
            )
            cell[place[0, 1] : place[1, 1], place[0, 0] : place[1, 0]] = True
        if cell.mean() < 0.5:
            left.append(box)
    return np.array(left).reshape(-1, 4)
