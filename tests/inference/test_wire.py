"""Batches and detections as messages."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.channel import MAX_BYTES, Message
from streamer.inference.batcher import Batch
from streamer.inference.lane import Request
from streamer.inference.wire import STALE, pack_batch, pack_results, unpack_results
from streamer.types import Detections, Frame, Scores, SlotRef

LABELS = tuple(f"label {i}" for i in range(80))


def random_detections(rng, n):
    return Detections(
        rng.random((n, 4)).astype(np.float32), rng.random(n).astype(np.float32), rng.integers(0, 80, n), LABELS
    )


def over(results, batch=7):
    """Send results over the wire."""
    back, seconds = [], None
    for header, body in pack_results(batch, results, 0.25):
        assert len(body) < MAX_BYTES - 2048
        assert header["batch"] == batch
        assert seconds is None
        back += unpack_results(Message(header, body), Detections.unknown(LABELS))
        seconds = header["seconds"]
    assert seconds == 0.25
    return back


@given(seed=st.integers(0, 10**6), sizes=st.lists(st.none() | st.integers(0, 40), max_size=20))
def test_any_results_arrive_as_they_are(seed, sizes):
    rng = np.random.default_rng(seed)
    results = [None if n is None else random_detections(rng, n) for n in sizes]
    for sent, got in zip(results, over(results), strict=True):
        if sent is None:
            assert got is None
            continue
        assert np.array_equal(sent.boxes, got.boxes)
        assert np.array_equal(sent.confidence, got.confidence)
        assert np.array_equal(sent.label_ids, got.label_ids)
        assert got.label_ids.dtype == np.int64
        assert got.labels == LABELS
        assert got.known


def test_large_batches_travel_in_parts():
    rng = np.random.default_rng(0)
    results = [random_detections(rng, 300) for _ in range(256)]
    results[100] = None
    assert len(list(pack_results(1, results, 0.25))) > 10
    back = over(results)
    assert len(back) == 256
    assert back[100] is None
    assert all(np.array_equal(a.boxes, b.boxes) for a, b in zip(results, back, strict=True) if a is not None)


def test_more_than_a_message_holds_is_cut_to_the_strongest():
    many = random_detections(np.random.default_rng(0), 8000)
    (back,) = over([many])
    assert 4000 < len(back) < 8000
    assert np.array_equal(back.boxes, many.boxes[: len(back)])


@pytest.mark.parametrize(
    ("counts", "body"),
    [([2], b"x" * 24), ([1], b""), ([1], np.array([0, 0, 0, 0, 0, 80], np.int32).tobytes()), ([-5, 1], b"x" * 23)],
    ids=["short", "empty", "label", "negative"],
)
def test_nonsense_is_refused(counts, body):
    with pytest.raises(ValueError, match=r"need|labels"):
        unpack_results(Message({"counts": counts}, body), Detections.unknown(LABELS))


def test_answers_of_a_model_with_other_labels_are_of_no_use():
    (header, body), *_ = pack_results(1, [random_detections(np.random.default_rng(0), 3), None], 0.1)
    assert header["labels"] == 80
    assert unpack_results(Message(header, body), Detections.unknown(("one", "two"))) == [None, None]


def test_stale_is_no_count_of_detections():
    assert STALE < 0
    header, body = next(iter(pack_results(1, [None], 0.1)))
    assert header["counts"] == [STALE]
    assert body == b""


async def test_a_batch_names_its_slots():
    pixels = np.zeros((234, 416, 3), np.uint8)
    frame = Frame("gate", 3, 17, 12.5, 99.0, pixels, slot=SlotRef(4, 2, 8))
    request = Request(frame, 0.0)
    header = pack_batch(Batch(5, "detector", (request,), 0.0))
    assert header == {
        "op": "run",
        "batch": 5,
        "model": "detector",
        "items": [("gate", 3, 12.5, 4, 2, 8, 416, 234)],
    }


# --- scores ---

NAMES = ("normal", "fight", "fall")
CARD = {"fight": 0.4}
NO_SCORES = Scores.unknown(NAMES, CARD)


@given(
    seed=st.integers(0, 10**6),
    marks=st.lists(
        st.none() | st.tuples(st.booleans(), st.sampled_from(["", "start", "cut"])), min_size=1, max_size=256
    ),
)
def test_any_scores_arrive_as_they_are(seed, marks):
    rng = np.random.default_rng(seed)
    results = [
        None if mark is None else Scores(rng.random(3).astype(np.float32), NAMES, True, mark[0], _detail(mark[1]))
        for mark in marks
    ]
    ((header, body),) = pack_results(7, results, 0.25)
    assert len(body) < MAX_BYTES - 2048
    header = json.loads(json.dumps(header))
    assert (header["batch"], header["seconds"]) == (7, 0.25)
    for sent, got in zip(results, unpack_results(Message(header, body), NO_SCORES), strict=True):
        if sent is None:
            assert got is None
            continue
        assert np.array_equal(sent.values, got.values)
        assert got.values.dtype == np.float32
        assert (got.known, got.warm, got.detail, got.labels) == (True, sent.warm, sent.detail, NAMES)
        assert got.thresholds == CARD, "the engine reads the card itself"


def _detail(reset):
    return {"reset": reset} if reset else {}


def test_scores_of_a_model_that_was_replaced_are_of_no_use():
    scores = Scores(np.zeros(3, np.float32), NAMES)
    ((header, body),) = pack_results(1, [scores, None], 0.1)
    assert list(unpack_results(Message(header, body), Scores.unknown(("one",)))) == [None, None]
    assert list(unpack_results(Message(header, body), Detections.unknown(NAMES))) == [None, None]
    (header, body), *_ = pack_results(1, [random_detections(np.random.default_rng(0), 3)], 0.1)
    assert list(unpack_results(Message(header, body), NO_SCORES)) == [None]


def test_scores_whose_bytes_do_not_agree_are_nonsense():
    header = {"marks": [[True, ""], None], "labels": 3}
    with pytest.raises(ValueError, match="1 x 3 scores need 12 bytes, got 8"):
        unpack_results(Message(header, b"x" * 8), NO_SCORES)
