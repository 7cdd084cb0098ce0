"""How batches and detections travel between the client and its worker; both sides of the form in one file.

Arrays go as raw bytes behind a JSON header, never pickled. A reply that would be too long for one message is sent in
parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from streamer.channel import MAX_BYTES, Message
from streamer.inference.batcher import Batch
from streamer.types import Detections

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


def pack_results(batch_id: int, results: Sequence[Detections | None], exec_s: float) -> Iterator[tuple[Any, bytes]]:
    """Header and body of each message that answers a batch."""
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


def unpack_results(message: Message, labels: tuple[str, ...]) -> list[Detections | None]:
    """The results in one message.

    Raises:
        ValueError: counts and bytes do not agree.
    """
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
