"""How batches and answers travel between the client and its worker; both sides of the form in one file.

Arrays go as raw bytes behind a JSON header, never pickled. A reply that would be too long for one message is sent in
parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from streamer.channel import MAX_BYTES, Message
from streamer.inference.batcher import Batch
from streamer.types import Answer, Detections, Scores

_BYTES_EACH = 24  # four corners, confidence, label: six times four bytes
_ROOM = MAX_BYTES // _BYTES_EACH - 512
"""Detections in one message, leaving room for the header."""
STALE = -1
"""Count of a frame whose slot had moved on."""


def pack_batch(batch: Batch) -> dict[str, Any]:
    """The header of a request to run a batch."""
    items = []
    for request in batch.requests:
        frame, slot = request.frame, request.frame.slot
        assert slot is not None
        items.append((frame.camera, frame.session, frame.time, slot.pool, slot.slot, slot.generation, *frame.size))
    return {"op": "run", "batch": batch.id, "model": batch.model, "items": items}


def pack_results(batch_id: int, results: Sequence[Answer | None], exec_s: float) -> Iterator[tuple[Any, bytes]]:
    """Header and body of each message that answers a batch."""
    if any(isinstance(result, Scores) for result in results):
        yield _pack_scores(batch_id, results, exec_s)
        return
    yield from _pack_detections(batch_id, [None if isinstance(r, Scores) else r for r in results], exec_s)


def unpack_results(message: Message, unknown: Answer) -> Sequence[Answer | None]:
    """The results in one message.

    Args:
        message: from the worker.
        unknown: the answer of nobody for the model that was asked; says what kind of answers it gives.

    Raises:
        ValueError: counts and bytes do not agree.
    """
    if "marks" not in message.header:
        return _unpack_detections(message, () if isinstance(unknown, Scores) else unknown.labels)
    return _unpack_scores(message, unknown)


def _pack_scores(batch_id: int, results: Sequence[Answer | None], exec_s: float) -> tuple[Any, bytes]:
    """One message: a batch has 256 frames at most, and a model few labels."""
    known = [result for result in results if isinstance(result, Scores)]
    header = {
        "op": "done",
        "batch": batch_id,
        "marks": [_mark(result) for result in results],
        "labels": len(known[0].labels),
        "seconds": exec_s,
    }
    return header, np.stack([result.values for result in known]).astype(np.float32).tobytes()


def _mark(result: Answer | None) -> tuple[bool, str] | None:
    """Whether scores are warm, and why the memory behind them began anew; None for a stale frame."""
    return (result.warm, result.detail.get("reset", "")) if isinstance(result, Scores) else None


def _unpack_scores(message: Message, unknown: Answer) -> list[Answer | None]:
    marks, width = message.header["marks"], message.header["labels"]
    if not isinstance(unknown, Scores) or width != len(unknown.labels):
        return [None] * len(marks)  # of the model that had this name before a reload
    known = [mark for mark in marks if mark is not None]
    if len(message.body) != len(known) * width * 4:
        raise ValueError(f"{len(known)} x {width} scores need {len(known) * width * 4} bytes, got {len(message.body)}")
    rows = iter(np.frombuffer(message.body, np.float32).reshape(len(known), width))
    return [None if mark is None else _scores(next(rows), mark, unknown) for mark in marks]


def _scores(values: Any, mark: Any, unknown: Scores) -> Scores:
    warm, reset = mark
    detail = {"reset": str(reset)} if reset else {}
    return Scores(values, unknown.labels, True, bool(warm), detail, unknown.thresholds)


def _pack_detections(batch_id: int, results: Sequence[Detections | None], exec_s: float) -> Iterator[tuple[Any, bytes]]:
    """Header and body of each message that answers a batch to a detector."""
    part: list[Detections | None] = []
    room = _ROOM
    for result in results:
        size = 0 if result is None else len(result)
        if size > _ROOM:
            assert result is not None
            result, size = result.pick(np.arange(_ROOM)), _ROOM  # strongest first; nobody sees 5,000 things
        if size > room or len(part) >= 256:
            yield _pack_part(batch_id, part, None)
            part, room = [], _ROOM
        part.append(result)
        room -= size
    yield _pack_part(batch_id, part, exec_s)


def _unpack_detections(message: Message, labels: tuple[str, ...]) -> list[Detections | None]:
    counts = message.header["counts"]
    if message.header.get("labels") not in (None, len(labels)):
        return [None] * len(counts)  # of the model that had this name before a reload
    total = sum(n for n in counts if n > 0)
    if len(message.body) != total * _BYTES_EACH:
        raise ValueError(f"{total} detections need {total * _BYTES_EACH} bytes, got {len(message.body)}")
    boxes = np.frombuffer(message.body, np.float32, total * 4).reshape(total, 4)
    confidence = np.frombuffer(message.body, np.float32, total, total * 16)
    label_ids = np.frombuffer(message.body, np.int32, total, total * 20).astype(np.int64)
    if total and not (label_ids.min() >= 0 and label_ids.max() < len(labels)):
        raise ValueError(f"labels {label_ids.min()}..{label_ids.max()} of {len(labels)}")
    results: list[Detections | None] = []
    at = 0
    for n in counts:
        if n == STALE:
            results.append(None)
        else:
            results.append(Detections(boxes[at : at + n], confidence[at : at + n], label_ids[at : at + n], labels))
            at += n
    return results


def _pack_part(batch_id: int, part: Sequence[Detections | None], exec_s: float | None) -> tuple[Any, bytes]:
    known = [result for result in part if result is not None and len(result)]
    header = {
        "op": "done",
        "batch": batch_id,
        "counts": [STALE if result is None else len(result) for result in part],
        "labels": len(known[0].labels) if known else None,
        "seconds": exec_s,  # None: more to come
    }
    body = b"".join(
        [
            *(np.ascontiguousarray(result.boxes, np.float32).tobytes() for result in known),
            *(np.ascontiguousarray(result.confidence, np.float32).tobytes() for result in known),
            *(result.label_ids.astype(np.int32).tobytes() for result in known),
        ]
    )
    return header, body
