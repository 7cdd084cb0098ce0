import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from streamer.channel import pair
from streamer.ingest.handover import Handover
from streamer.ingest.health import Health
from streamer.ingest.lane import Lane, hung
from streamer.ingest.session import Analyzed
from streamer.ingest.spec import CameraSpec, Limits
from streamer.ingest.timeline import Moment
from streamer.slots import SlotPool


@pytest.fixture
def lane():
    ours, theirs = pair()
    from streamer.channel import Channel

    other = Channel(theirs)
    pool = SlotPool.create(3, 2, 8 * 6 * 3)
    yield Lane(CameraSpec("gate", "rtsp://10.0.0.1/a"), Limits(), 0, pool, ours), other, pool
    ours.close()
    other.close()
    pool.close()


def analyzed(index, session=1):
    pixels = np.full((6, 8, 3), index, np.uint8)
    begun = time.monotonic() - 0.25, time.thread_time()
    return Analyzed(session, index, Moment(5.0, 0.0), 2.0, 0.5, pixels, *begun, f"frame {index}")


def test_a_slot_goes_out_and_comes_back(lane):
    camera, engine, pool = lane
    assert camera.deliver(analyzed(1)) == "ok"
    assert camera.deliver(analyzed(2)) == "ok"
    assert camera.deliver(analyzed(3)) == "no_slot"
    first, second = engine.drain()
    assert first.header == {"op": "frame", "pool": 3}
    told = Handover.unpack(first.body)
    assert told.late_s == pytest.approx(0.25, abs=0.2)
    assert told == Handover(
        0, 2, width=8, height=6, session=1, frame_index=1, captured_at=5.0, pts=2.0, gap_s=0.5, late_s=told.late_s
    )
    later = Handover.unpack(second.body)
    assert pool.view(later.slot, later.generation, 8, 6).max() == 2
    camera.free(0)
    assert camera.deliver(analyzed(4)) == "ok"


def test_work_for_a_picture_is_not_waiting(lane):
    camera, engine, _ = lane
    picture = analyzed(1)
    assert camera.deliver(replace(picture, cpu_at=picture.cpu_at - 0.2)) == "ok"
    assert camera.deliver(replace(picture, cpu_at=picture.cpu_at - 9.0)) == "ok"
    worked, only_worked = (Handover.unpack(message.body).late_s for message in engine.drain())
    assert worked == pytest.approx(0.05, abs=0.04)
    assert only_worked == 0.0


def test_an_engine_that_does_not_listen_costs_no_slot(lane):
    camera, engine, _ = lane
    camera._channel.send = lambda header, body: False
    assert camera.deliver(analyzed(1)) == "engine_busy"
    del camera._channel.send
    assert camera.deliver(analyzed(2)) == "ok"
    assert camera.deliver(analyzed(3)) == "ok"
    assert len(engine.drain()) == 2


def test_health_waits_until_it_fits_and_keeps_its_order(lane):
    camera, engine, _ = lane
    camera._channel.send = lambda header: False
    camera.tell(Health("gate", 1, "connecting"))
    camera.tell(Health("gate", 1, "live"))
    del camera._channel.send
    camera.retell()
    camera.retell()
    assert [m.header["health"]["state"] for m in engine.drain()] == ["connecting", "live"]


def test_two_threads_that_tell_at_once_tell_each_thing_once(lane):
    camera, engine, _ = lane
    send, helpers = camera._channel.send, []

    def send_while_another_retells(header):
        if not helpers:
            helpers.append(threading.Thread(target=camera.retell))
            helpers[0].start()
            helpers[0].join(0.1)  # without a lock it is through by then, and has told what we are telling
        return send(header)

    camera._channel.send = send_while_another_retells
    camera.tell(Health("gate", 1, "connecting"))
    helpers[0].join(5)
    assert [m.header["health"]["state"] for m in engine.drain()] == ["connecting"]


def test_counts_are_told_once(lane):
    camera, _, _ = lane
    camera.capture.counts.decoded = 7
    camera.memory.drops["slot", "no_slot"] = 2
    news = camera.news()
    assert news == {"decode/ok": 7, "slot/no_slot": 2}
    camera.reported(news)
    assert camera.news() == {}
    camera.capture.counts.decoded = 9
    assert camera.news() == {"decode/ok": 2}


def test_evidence_of_the_nearest_picture_of_the_session(lane):
    camera, _, _ = lane
    assert camera.find(1, 1) is None
    for index in range(6):
        camera.deliver(analyzed(index))
    assert camera.find(1, 4).frame == "frame 4"
    assert camera.find(1, 0).frame == "frame 3"
    assert camera.find(1, 99).frame == "frame 5"
    assert camera.find(2, 4) is None


def stuck(busy_since, aborted_at=None, opening=False):
    calls = []
    capture = SimpleNamespace(
        busy_since=busy_since, aborted_at=aborted_at, opening=opening, abort=lambda: calls.append(1), calls=calls
    )
    return SimpleNamespace(name="gate", capture=capture, captures=[capture])


@pytest.mark.parametrize(
    ("camera", "at", "shaken", "lost"),
    [
        (stuck(None), 1000, 0, None),
        (stuck(990), 1000, 0, None),
        (stuck(980), 1000, 1, None),
        (stuck(980, opening=True), 1000, 0, None),
        (stuck(960, opening=True), 1000, 1, None),
        (stuck(980, aborted_at=995), 1000, 0, None),
        (stuck(980, aborted_at=985), 1000, 0, "gate"),
        (stuck(990, aborted_at=985), 1000, 0, None),
    ],
)
def test_watchdog(camera, at, shaken, lost):
    assert hung(iter([camera]), Limits(), at) == lost
    assert len(camera.capture.calls) == shaken
