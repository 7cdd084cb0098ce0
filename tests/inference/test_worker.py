"""The worker's own turns, without a process around it."""

import os
import threading

import numpy as np
import pytest

from streamer import channel
from streamer.channel import Channel, Message
from streamer.errors import StreamerError
from streamer.inference.settings import InferenceSettings
from streamer.inference.wire import STALE, unpack_results
from streamer.inference.worker import Worker
from streamer.models.card import load_card
from streamer.slots import SlotPool
from streamer.types import Detections
from tests.models.tiny import LABELS, picture

NOBODY = Detections.unknown(LABELS)


@pytest.fixture
def ends():
    ours, sock = channel.pair()
    theirs = Channel(sock)
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def pool():
    pool = SlotPool.create(5, 2, 64 * 64 * 3)
    yield pool
    pool.close()


def setup(tiny, **changes):
    entry = {
        "name": "tiny",
        "file": str(tiny.file),
        "confidence": None,
        "iou": None,
        "sha256": load_card(tiny.file).content_sha256,
    }
    settings = InferenceSettings(device="onnxruntime", streams=1).model_dump(mode="json")
    return {"op": "setup", "log": {}, "settings": settings, "models": [{**entry, **changes}]}


def show(pool):
    fd = os.dup(pool.fd)
    return {"op": "pool", "pool": pool.pool_id, "slots": pool.slots, "slot_bytes": pool.slot_bytes}, [fd]


def run(item, batch=1, model="tiny"):
    return {"op": "run", "batch": batch, "model": model, "items": [item]}


@pytest.fixture
def worker(ends, tiny, pool, monkeypatch):
    monkeypatch.setattr("streamer.log.setup", lambda **_: None)  # the root logger is pytest's
    ours, theirs = ends
    worker = Worker(theirs)
    worker._obey(Message(setup(tiny)))
    (ready,) = ours.drain()
    assert ready.header["op"] == "ready"
    assert ready.header["streams"] == 1
    assert ready.header["seconds"]["tiny"] > 0
    header, fds = show(pool)
    worker._change_pools(Message(header, b"", tuple(fds)))
    return worker


def test_it_serves_until_the_channel_ends(ends, tiny, pool, monkeypatch):
    monkeypatch.setattr("streamer.log.setup", lambda **_: None)
    ours, theirs = ends
    generation = pool.write(0, picture((2, 3)))
    thread = threading.Thread(target=Worker(theirs).run)
    thread.start()
    ours.send(setup(tiny))
    assert ours.receive(30).header["op"] == "ready"
    header, fds = show(pool)
    ours.send(header, fds=fds)
    ours.send(run(["gate", 1, 0.0, 5, 0, generation, 64, 64]))
    done = ours.receive(10)
    (found,) = unpack_results(done, NOBODY)
    assert np.allclose(found.boxes * 8, [[2, 3, 3, 4]], atol=1e-4)
    assert done.header["seconds"] > 0
    ours.send({"op": "ping"})
    assert ours.receive(10).header == {"op": "pong"}
    ours.close()
    thread.join(10)
    assert not thread.is_alive()
    os.close(fds[0])


def test_stale_slots_unknown_pools_and_impossible_sizes(worker, ends, pool):
    ours, _ = ends
    generation = pool.write(1, picture((1, 1)))
    good = ["gate", 1, 0.0, 5, 1, generation, 64, 64]
    for spoilt in (
        [5, 1, generation + 2, 64, 64],
        [99, 1, generation, 64, 64],
        [5, 7, generation, 64, 64],
        [5, 1, 0, 64, 64],
        [5, 1, generation, 6400, 64],
    ):
        worker._obey(Message(run(["gate", 1, 0.0, *spoilt])))
        (answer,) = ours.drain()
        assert unpack_results(answer, NOBODY) == [None]
    worker._obey(Message({**run(good), "items": [good, ["gate", 1, 0.0, 99, 1, 2, 64, 64], good]}))
    (answer,) = ours.drain()
    assert [None if r is None else len(r) for r in unpack_results(answer, NOBODY)] == [1, None, 1]


def test_a_slot_that_moves_on_while_it_is_read_is_stale(worker, ends, pool):
    ours, _ = ends
    generation = pool.write(1, picture((1, 1)))
    loaded = worker._models["tiny"][1]
    real = loaded.run

    def overtaken(pictures):
        found = real(pictures)
        pool.write(1, picture((2, 2)))
        return found

    loaded.run = overtaken
    worker._obey(Message(run(["gate", 1, 0.0, 5, 1, generation, 64, 64])))
    (answer,) = ours.drain()
    assert unpack_results(answer, NOBODY) == [None]


def test_a_batch_that_fails_is_reported_and_the_next_one_runs(worker, ends, pool):
    ours, _ = ends
    generation = pool.write(1, picture((1, 1)))
    item = ["gate", 1, 0.0, 5, 1, generation, 64, 64]
    loaded = worker._models["tiny"][1]
    real = loaded.run
    loaded.run = lambda pictures: 1 / 0
    worker._obey(Message(run(item, batch=8)))
    loaded.run = real
    worker._obey(Message(run(item, batch=9)))
    worker._obey(Message(run(item, batch=10, model="absent")))
    failed, done, absent = ours.drain()
    assert failed.header == {"op": "error", "batch": 8, "error": "ZeroDivisionError: division by zero"}
    assert done.header["op"] == "done"
    assert absent.header["op"] == "done", "it was asked before the engine heard that the model is gone"
    assert absent.header["counts"] == [STALE]


def test_models_that_stay_are_not_loaded_again(worker, ends, tiny):
    ours, _ = ends
    before = worker._models["tiny"][1]
    worker._obey(Message(setup(tiny)))
    assert worker._models["tiny"][1] is before
    (ready,) = ours.drain()
    assert ready.header["seconds"] == {}
    worker._obey(Message(setup(tiny, confidence=0.9)))
    assert worker._models["tiny"][1] is not before
    worker._obey(Message({**setup(tiny), "models": []}))
    assert worker._models == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"file": "/absent.onnx"}, "no such file"), ({"sha256": "0"}, "replaced while it was being loaded")],
)
def test_a_model_that_cannot_be_loaded_is_said_and_the_old_ones_stay(worker, ends, tiny, changes, words):
    ours, _ = ends
    worker._obey(Message(setup(tiny, name="other", **changes)))
    (failed,) = ours.drain()
    assert failed.header["op"] == "failed"
    assert words in failed.header["error"]
    assert set(worker._models) == {"tiny"}


def test_pools_are_replaced_and_dropped(worker, pool):
    header, fds = show(pool)
    first = worker._pools[5]
    worker._change_pools(Message(header, b"", tuple(fds)))
    assert worker._pools[5] is not first
    assert first.fd == -1
    worker._change_pools(Message({"op": "drop_pool", "pool": 5}))
    assert worker._pools == {}
    worker._change_pools(Message({"op": "drop_pool", "pool": 5}))


def test_answers_wait_for_room_and_are_not_lost(worker, ends):
    ours, _ = ends
    filler = bytes(60_000)
    sent = 0
    while worker._pipe.send({"n": sent}, filler):
        sent += 1
    thread = threading.Thread(target=worker._reply, args=({"op": "last"}, filler))
    thread.start()
    received = [ours.receive(10).header for _ in range(sent + 1)]
    thread.join(10)
    assert received[-1] == {"op": "last"}
    ours.close()
    worker._reply({"op": "nobody listens"})  # returns


def test_an_unknown_order_is_an_error(worker):
    with pytest.raises(StreamerError, match="unknown message 'dance'"):
        worker._obey(Message({"op": "dance"}))
