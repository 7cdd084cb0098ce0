from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from streamer.clock import FakeClock, settle
from streamer.errors import SinkError
from streamer.sinks.alertmanager import AlertmanagerSettings
from tests.alerting import EPOCH, alert


@pytest.fixture
async def sink(receiver, tmp_path):
    url = f"http://127.0.0.1:{receiver.port}/am/"
    made = AlertmanagerSettings(url=url, allow_private=True, labels={"site": "north"}).build("am", tmp_path)
    made.clock = FakeClock(epoch=EPOCH)
    await made.open()
    yield made
    await made.close()


def rows(receiver):
    return [request.json() for request in receiver.requests]


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def test_begin_fires_and_end_resolves(sink, receiver):
    await sink.send(alert("a", text="someone"))
    await sink.send(alert("a", "end", time=EPOCH + 5, ended=EPOCH + 4))
    (begin,), (end,) = rows(receiver)
    assert receiver.requests[0].path == "/am/api/v2/alerts"
    assert (
        begin["labels"]
        == end["labels"]
        == {
            "site": "north",
            "alertname": "intrusion",
            "camera": "gate",
            "pipeline": "surveillance",
            "severity": "warning",
            "zone": "yard",
        }
    )
    assert begin["annotations"]["summary"] == "someone"
    assert epoch(begin["startsAt"]) == pytest.approx(EPOCH - 1.2)
    assert epoch(begin["endsAt"]) == pytest.approx(EPOCH + 240)
    assert epoch(end["endsAt"]) == pytest.approx(EPOCH + 4)


async def test_labels_hold_nothing_unbounded(sink, receiver):
    await sink.send(alert("a", track_id=123))
    await sink.send(alert("b", track_id=456, confidence=0.1))
    assert rows(receiver)[0][0]["labels"] == rows(receiver)[1][0]["labels"]


async def test_resolved_only_when_the_last_of_equal_labels_has_ended(sink, receiver):
    await sink.send(alert("a"))
    await sink.send(alert("b"))
    await sink.send(alert("a", "end", ended=EPOCH))
    await sink.send(alert("b", "end", ended=EPOCH))
    ends = [epoch(row[0]["endsAt"]) for row in rows(receiver)]
    assert ends == pytest.approx([EPOCH + 240] * 3 + [EPOCH])


async def test_moment_ends_after_its_start(sink, receiver):
    await sink.send(alert("a", started=EPOCH))
    await sink.send(alert("a", "end", started=EPOCH, ended=EPOCH))
    assert rows(receiver)[1][0]["endsAt"] > rows(receiver)[1][0]["startsAt"]


async def test_open_incidents_are_repeated_and_survive_a_restart(sink, receiver, caplog):
    sink.resume([alert("a")])
    task = asyncio.create_task(sink.run())
    await settle()
    for number in range(1, 3):
        receiver.answer = 500 if number == 1 else 200
        await sink.clock.advance(60)
        while len(receiver.requests) < number or not sink.clock.sleeping:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # real sockets beside a fake clock
    assert rows(receiver)[1][0]["annotations"]["incident"] == "a"
    assert epoch(rows(receiver)[1][0]["endsAt"]) == pytest.approx(EPOCH + 120 + 240)
    assert "open incidents not repeated" in caplog.text
    await sink.send(alert("a", "end", ended=EPOCH))
    await sink.clock.advance(60)
    await settle()
    assert len(receiver.requests) == 3
    task.cancel()


async def test_failed_end_stays_open(sink, receiver):
    await sink.send(alert("a"))
    receiver.answer = 500
    with pytest.raises(SinkError):
        await sink.send(alert("a", "end", ended=EPOCH))
    receiver.answer = 200
    await sink.send(alert("a", "end", ended=EPOCH))
    assert epoch(rows(receiver)[2][0]["endsAt"]) == EPOCH
