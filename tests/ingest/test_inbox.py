from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.channel import Message
from streamer.clock import FakeClock
from streamer.ingest.handover import Handover
from streamer.ingest.health import Health
from streamer.ingest.inbox import OUTCOMES, Ears, Inbox, Post
from streamer.ingest.spec import CameraSpec
from streamer.metrics import Metrics
from streamer.slots import SlotPool


@pytest.fixture
def desk():
    pool = SlotPool.create(4, 2, 24 * 16 * 3)
    frames, healths, metrics = [], [], Metrics()
    inbox = Inbox(Ears(metrics, FakeClock(), frames.append, healths.append))
    post = Post(CameraSpec("gate", "rtsp://10.0.0.1/a"), pool)
    yield inbox, post, frames, healths, metrics
    frames.clear()
    pool.close()


def handover(post, **change):
    generation = post.pool.write(1, np.full((16, 24, 3), 9, np.uint8))
    told = Handover(1, generation, 24, 16, 2, 5, captured_at=999.5, pts=3.0, gap_s=0.0, late_s=0.02)._replace(**change)
    return Message({"op": "frame", "pool": 4}, told.pack())


def test_how_late_each_frame_was_is_passed_on(desk):
    inbox, post, _, _, _ = desk
    late = []
    inbox._ears = replace(inbox._ears, on_late=late.append)
    assert inbox.frame(post, handover(post, late_s=0.3))
    assert not inbox.frame(post, handover(post, late_s=-1.0))
    assert late == [0.3]


def test_a_frame(desk):
    inbox, post, frames, _, metrics = desk
    assert inbox.frame(post, handover(post))
    (frame,) = frames
    assert (frame.camera, frame.session, frame.index, frame.pts) == ("gate", 2, 5, 3.0)
    assert frame.time == 1_800_000_000.0 - 0.5
    assert frame.pixels.shape == (16, 24, 3)
    assert frame.pixels.max() == 9
    assert (frame.slot.pool, frame.slot.slot) == (4, 1)
    assert post.session == 2
    assert metrics.value("streamer_camera_last_frame_timestamp_seconds", camera="gate") == frame.time


@pytest.mark.parametrize(
    "change",
    [
        {"slot": 2},
        {"slot": 2**64 - 1},
        {"generation": 0},
        {"generation": 77},
        {"width": 25},
        {"width": 2**32 - 1, "height": 2**32 - 1},
        {"width": 0},
        {"captured_at": 1e9},
        {"captured_at": float("nan")},
        {"pts": float("inf")},
        {"gap_s": float("nan")},
        {"late_s": float("nan")},
        {"late_s": float("inf")},
        {"late_s": -1.0},
        {"session": 2**64 - 1},
    ],
)
def test_a_frame_that_makes_no_sense_is_refused_and_counted(desk, change):
    inbox, post, frames, _, metrics = desk
    assert not inbox.frame(post, handover(post, **change))
    assert frames == []
    assert metrics.value("streamer_frames_total", camera="gate", stage="slot", outcome="refused") == 1


@pytest.mark.parametrize("body", [b"", b"1", bytes(1000)])
def test_a_frame_that_is_no_record_is_refused_and_counted(desk, body):
    inbox, post, frames, _, metrics = desk
    assert not inbox.frame(post, Message({"op": "frame", "pool": 4}, body))
    assert frames == []
    assert metrics.value("streamer_frames_total", camera="gate", stage="slot", outcome="refused") == 1


def test_health_is_counted_and_passed_on(desk):
    inbox, post, _, healths, metrics = desk

    def hear(session, state, cause=None):
        inbox.health(post, Message({"health": Health("other", session, state, cause).header()}))

    hear(1, "connecting")
    hear(1, "live")
    hear(1, "live", "packet_loss")
    hear(2, "live", "clock_jump")
    hear(2, "lost", "stalled")
    hear(2, "connecting", "stalled")
    hear(3, "live")
    assert {h.camera for h in healths} == {"gate"}
    assert metrics.value("streamer_sessions_total", camera="gate") == 3
    assert metrics.value("streamer_reconnects_total", camera="gate", reason="clock_jump") == 1
    assert metrics.value("streamer_reconnects_total", camera="gate", reason="stalled") == 1
    assert metrics.value("streamer_reconnects_total", camera="gate", reason="packet_loss") == 0
    assert post.session == 3


@pytest.mark.parametrize(
    "given_health",
    [
        None,
        3,
        {},
        {"camera": "x"},
        {**Health("g", 1, "live").header(), "cause": "zz"},
        Health("g", 1 << 60, "live").header(),
    ],
)
def test_health_that_makes_no_sense_is_not_passed_on(desk, given_health):
    inbox, post, _, healths, _ = desk
    inbox.health(post, Message({"health": given_health}))
    assert healths == []


def test_counts(desk):
    inbox, post, _, _, metrics = desk
    counts = {"decode/ok": 15, "bytes_received": 250_000, "packets_lost": 2, "slot/no_slot": 1}
    inbox.counts(post, Message({"counts": counts}))
    inbox.counts(post, Message({"counts": {"decode/ok": 5}}))
    assert metrics.value("streamer_frames_total", camera="gate", stage="decode", outcome="ok") == 20
    assert metrics.value("streamer_received_bytes_total", camera="gate") == 250_000
    assert metrics.value("streamer_packets_lost_total", camera="gate") == 2


# Hypothesis takes words out of the code under test, so it does find the few that are right
_WRONG = st.text().filter(lambda name: name not in (*OUTCOMES, "bytes_received", "packets_lost"))


@given(st.dictionaries(_WRONG, st.one_of(st.integers(), st.floats(), st.text(), st.none())))
def test_no_reader_can_make_up_labels_or_numbers(counts):
    metrics = Metrics()
    inbox = Inbox(Ears(metrics, FakeClock(), lambda f: None, lambda h: None))
    pool = SlotPool.create(1, 1, 3)
    before = metrics.render()
    inbox.counts(Post(CameraSpec("g", "x"), pool), Message({"counts": counts}))
    inbox.counts(Post(CameraSpec("g", "x"), pool), Message({"counts": [1]}))
    pool.close()
    assert metrics.render().count(b"\n") == before.count(b"\n")
