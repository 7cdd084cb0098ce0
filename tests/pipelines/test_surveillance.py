"""The surveillance story on actors: the real tracker and rules, a fake model, a lossless camera."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pipelines.surveillance import Surveillance
from streamer.camera import Camera, Watching
from streamer.events import Event, IncidentBook
from streamer.places import Places
from streamer.types import Detections, Frame
from streamer.watch import watch
from tests.acting import LABELS, YARD, Actor, frame, sight, stands, times, walks

SETTINGS = {"detector": "d", "intrusion": {"zones": ["yard"]}, "loitering": {"zones": ["yard"], "min_seconds": 6}}


async def story(
    actors: Sequence[Actor],
    at: Sequence[float],
    settings: dict[str, object] = SETTINGS,
    unknown: Callable[[float], bool] = lambda t: False,
) -> list[Event]:
    async def ask(model: str, now: Frame) -> Detections:
        assert model == "d"
        await asyncio.sleep(0)
        return Detections.unknown(LABELS) if unknown(now.time) else sight(actors, now.time)

    camera = Camera("gate", Places.build(zones=YARD), Watching(wait_for_gap=False))
    pipeline = Surveillance.model_validate(settings).bind(ask)
    found: list[Event] = []

    async def listen() -> None:
        async for event in watch(camera, "surveillance", pipeline, IncidentBook()):
            found.append(event)

    task = asyncio.create_task(listen())
    for i, t in enumerate(at):
        await camera.offer(frame(t, i))
    camera.close()
    await task
    return found


def said(events: list[Event]) -> list[tuple[str, str, float]]:
    return [(event.kind, event.state, round(event.time, 1)) for event in events]


async def test_both_rules_tell_their_part_of_one_visit() -> None:
    found = await story([stands(0.6, 0.8, 1, 9)], times(0, 16, 5))
    assert said(found) == [
        ("intrusion", "begin", 2.0),
        ("loitering", "begin", 7.0),
        ("intrusion", "end", 11.2),
        ("loitering", "end", 13.2),
    ]
    assert {event.id for event in found} == {
        "gate-surveillance-intrusion-1000-1",
        "gate-surveillance-loitering-1000-1",
    }
    assert all(event.session == 1 and event.frame_index is not None for event in found)
    assert [event.ended for event in found[2:]] == [9.0, 9.0]


async def test_nothing_enabled_says_nothing() -> None:
    assert await story([stands(0.6, 0.8, 0, 9)], times(0, 10, 5), {"detector": "d"}) == []


async def test_what_is_open_at_the_end_is_ended() -> None:
    found = await story([stands(0.6, 0.8, 0, 5)], times(0, 5, 5))
    assert said(found) == [("intrusion", "begin", 1.0), ("intrusion", "end", 5.0)]
    assert found[-1].detail["reason"] == "end"


async def test_a_long_gap_ends_incidents_and_starts_afresh() -> None:
    found = await story([stands(0.6, 0.8, 0, 30)], times(0, 3, 5) + times(20, 23, 5))
    assert said(found)[:3] == [
        ("intrusion", "begin", 1.0),
        ("intrusion", "end", 3.0),
        ("intrusion", "begin", 21.0),
    ]
    assert found[1].detail["reason"] == "gap"
    assert found[2].started == 20.0


async def test_a_short_gap_does_not() -> None:
    found = await story([stands(0.6, 0.8, 0, 30)], times(0, 3, 5) + times(7.5, 9, 5))
    assert said(found)[:2] == [("intrusion", "begin", 1.0), ("loitering", "begin", 7.7)]


async def test_a_dead_model_ends_nothing() -> None:
    found = await story([stands(0.6, 0.8, 0, 60)], times(0, 40, 5), unknown=lambda t: t > 3.0)
    assert said(found) == [("intrusion", "begin", 1.0), ("intrusion", "end", 40.0)]
    assert found[-1].detail["reason"] == "end"


async def test_passers_by_outside_of_the_zone_are_nobodys_business() -> None:
    assert await story([walks([(0, 0.05, 0.45), (10, 0.95, 0.45)])], times(0, 12, 5)) == []
