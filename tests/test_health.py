"""The vigil: debounce, recovery, causes, pictures, overload and degradation, on a clock that is moved by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.clock import FakeClock
from streamer.events import Event, IncidentBook
from streamer.health import EVERYWHERE, Vigil, VigilSettings
from streamer.ingest.health import Health
from streamer.metrics import Metrics


class Watchman:
    """A vigil, its clock and its metrics, judged every half second as the engine does."""

    def __init__(self, **changes: Any):
        self.clock, self.metrics = FakeClock(), Metrics()
        self.vigil = Vigil(VigilSettings(**changes), self.metrics, self.clock)
        self.vigil.set_cameras({"gate": 5.0})
        self.started = self.clock.time()
        self.events: list[Event] = []

    def hear(self, state: str, cause: str | None = None, picture: str = "ok", detail: str = "", camera: str = "gate"):
        self.vigil.hear(
            Health(camera, 1, state, cause, detail, self.clock.monotonic(), picture=picture)  # type: ignore[arg-type]
        )

    async def wait(self, seconds: float, served: int = 0, dropped: int = 0) -> list[Event]:
        """Let time pass, with that many frames every half second."""
        new: list[Event] = []
        for _ in range(round(seconds * 2)):
            await self.clock.advance(0.5)
            self.metrics.frames.labels("gate", "analyze", "ok").inc(served)
            self.metrics.frames.labels("gate", "mailbox", "superseded").inc(dropped)
            new += self.vigil.judge()
        self.events += new
        return new


def said(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.kind, event.state) for event in events]


async def test_a_camera_that_never_comes_is_offline_after_the_debounce() -> None:
    watchman = Watchman()
    assert await watchman.wait(9.5) == []
    (event,) = await watchman.wait(0.5)
    assert (event.kind, event.state, event.camera, event.pipeline) == ("camera_offline", "begin", "gate", "system")
    assert event.started == pytest.approx(watchman.started)
    assert event.severity == "critical"
    assert event.confidence == 1.0
    assert event.detail["words"] == "nothing was heard of it since the start"
    assert await watchman.wait(60) == []


async def test_the_cause_is_told_and_survives_connecting_again() -> None:
    watchman = Watchman()
    watchman.hear("live")
    await watchman.wait(30)
    assert watchman.events == []
    lost_at = watchman.clock.time()
    watchman.hear("lost", "stalled", detail="no frame for 15.0 s")
    await watchman.wait(2)
    watchman.hear("connecting")
    (event,) = await watchman.wait(8)
    assert event.started == pytest.approx(lost_at)
    assert event.detail == {
        "cause": "stalled",
        "words": "no decoded video frame for too long",
        "detail": "no frame for 15.0 s",
    }
    health = watchman.vigil.health("gate")
    assert health is not None
    assert (health.state, health.cause) == ("connecting", "stalled")


async def test_recovery_needs_a_while_and_tells_when_it_was() -> None:
    watchman = Watchman()
    await watchman.wait(12)
    watchman.hear("live")
    back_at = watchman.clock.time()
    assert await watchman.wait(2.5) == []
    (end,) = await watchman.wait(1)
    assert (end.kind, end.state) == ("camera_offline", "end")
    assert end.ended == pytest.approx(back_at)


async def test_flapping_is_one_incident() -> None:
    watchman = Watchman()
    await watchman.wait(12)
    for _ in range(10):
        watchman.hear("live")
        await watchman.wait(2)
        watchman.hear("lost", "ended")
        await watchman.wait(4)
    assert said(watchman.events) == [("camera_offline", "begin")]


async def test_a_blink_is_nothing() -> None:
    watchman = Watchman()
    watchman.hear("live")
    for _ in range(5):
        watchman.hear("lost", "ended")
        await watchman.wait(5)
        watchman.hear("live")
        await watchman.wait(5)
    assert watchman.events == []


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=12))
def test_offline_begins_and_ends_alternate_whatever_happens(steps: list[tuple[bool, int]]) -> None:
    import asyncio

    async def play() -> list[str]:
        watchman = Watchman()
        for live, halves in steps:
            watchman.hear("live" if live else "lost", None if live else "stalled")
            await watchman.wait(halves / 2)
        return [event.state for event in watchman.events]

    states = asyncio.run(play())
    assert states == (["begin", "end"] * len(states))[: len(states)]


async def test_blind_seconds_and_up_are_counted() -> None:
    watchman = Watchman()
    await watchman.wait(4)
    assert watchman.metrics.value("streamer_camera_blind_seconds_total", camera="gate") == pytest.approx(4.0)
    watchman.hear("live")
    assert watchman.metrics.value("streamer_camera_up", camera="gate") == 1
    await watchman.wait(4)
    assert watchman.metrics.value("streamer_camera_blind_seconds_total", camera="gate") == pytest.approx(4.0)
    watchman.hear("live", "frozen", "frozen")
    assert watchman.metrics.value("streamer_camera_up", camera="gate") == 0
    watchman.hear("lost", "stalled")
    assert watchman.metrics.value("streamer_camera_up", camera="gate") == 0


@pytest.mark.parametrize(
    ("picture", "kind"),
    [
        ("frozen", "camera_frozen"),
        ("black", "camera_tampered"),
        ("covered", "camera_tampered"),
        ("defocused", "camera_tampered"),
        ("moved", "camera_tampered"),
    ],
)
async def test_a_bad_picture_is_an_incident_and_its_recovery_the_end(picture: str, kind: str) -> None:
    watchman = Watchman()
    watchman.hear("live", picture, picture)
    (begin,) = await watchman.wait(5)
    assert (begin.kind, begin.state, begin.detail["cause"]) == (kind, "begin", picture)
    watchman.hear("live")
    assert said(await watchman.wait(5)) == [(kind, "end")]


async def test_a_frozen_camera_that_goes_offline_stays_frozen_until_it_is_seen_again() -> None:
    watchman = Watchman()
    watchman.hear("live", "frozen", "frozen")
    await watchman.wait(1)
    watchman.hear("lost", "ended")
    assert said(await watchman.wait(15)) == [("camera_offline", "begin")]
    watchman.hear("live")
    assert said(await watchman.wait(5)) == [("camera_frozen", "end"), ("camera_offline", "end")]


async def test_from_frozen_to_black_is_one_end_and_one_begin() -> None:
    watchman = Watchman()
    watchman.hear("live", "frozen", "frozen")
    await watchman.wait(1)
    watchman.hear("live", "black", "black")
    assert sorted(said(await watchman.wait(1))) == [("camera_frozen", "end"), ("camera_tampered", "begin")]


async def test_from_covered_to_black_is_one_incident() -> None:
    watchman = Watchman()
    watchman.hear("live", "covered", "covered", detail="5 % of the usual view is recognized")
    (begin,) = await watchman.wait(1)
    assert begin.detail["detail"] == "5 % of the usual view is recognized"
    assert begin.detail["words"].startswith("nothing of the usual view")
    watchman.hear("live", "black", "black")
    assert said(await watchman.wait(1)) == []
    watchman.hear("live")
    assert said(await watchman.wait(1)) == [("camera_tampered", "end")]


@pytest.mark.parametrize(("picture", "up"), [("covered", 0), ("black", 0), ("moved", 1), ("defocused", 1)])
async def test_a_camera_that_still_sees_something_is_up(picture: str, up: int) -> None:
    watchman = Watchman()
    watchman.hear("live", picture, picture)
    assert watchman.metrics.value("streamer_camera_up", camera="gate") == up


async def test_overload_begins_after_a_full_window_and_ends_after_a_quiet_one() -> None:
    watchman = Watchman()
    watchman.hear("live")
    assert await watchman.wait(7.5, served=4, dropped=1) == []
    (begin,) = await watchman.wait(2.5, served=4, dropped=1)
    assert (begin.kind, begin.camera, begin.severity) == ("overloaded", EVERYWHERE, "warning")
    assert begin.detail["dropped_per_s"] > 0
    assert watchman.vigil.overloaded
    assert watchman.metrics.value("streamer_overloaded") == 1
    assert await watchman.wait(10, served=5) == []
    assert said(await watchman.wait(15, served=5)) == [("overloaded", "end")]
    assert watchman.metrics.value("streamer_overloaded") == 0


@pytest.mark.parametrize(("served", "dropped"), [(5, 0), (20, 1)])
async def test_a_few_dropped_frames_are_no_overload(served: int, dropped: int) -> None:
    watchman = Watchman()
    watchman.hear("live")
    assert await watchman.wait(60, served, dropped) == []


async def test_a_burst_of_drops_is_no_overload() -> None:
    watchman = Watchman()
    watchman.hear("live")
    await watchman.wait(20, served=5)
    await watchman.wait(0.5, dropped=5)
    assert await watchman.wait(30, served=5) == []


async def test_what_is_dropped_while_models_load_is_no_overload() -> None:
    watchman = Watchman()
    watchman.hear("live")
    assert await watchman.wait(30, dropped=5) == []
    assert await watchman.wait(30, served=5) == []


async def test_standing_still_after_overload_ends_it() -> None:
    watchman = Watchman()
    watchman.hear("live")
    await watchman.wait(20, served=1, dropped=4)
    assert said(watchman.events) == [("overloaded", "begin")]
    assert said(await watchman.wait(30)) == [("overloaded", "end")]


@pytest.mark.parametrize(("fps", "overloaded"), [(None, True), (5.0, True), (30.0, False)])
async def test_what_decoding_sheds_counts_only_as_far_as_it_was_due(fps: float | None, overloaded: bool) -> None:
    watchman = Watchman()
    watchman.vigil.hear(Health("gate", 1, "live", fps=fps))
    for _ in range(20):
        watchman.metrics.frames.labels("gate", "decode", "shed_nonref").inc(2)
        await watchman.wait(1, served=5)
    assert said(watchman.events) == ([("overloaded", "begin")] if overloaded else [])


async def test_frames_that_are_dropped_for_other_reasons_are_no_overload() -> None:
    watchman = Watchman()
    watchman.hear("live")
    for _ in range(20):
        watchman.metrics.frames.labels("gate", "decode", "corrupt").inc(50)
        await watchman.wait(1, served=5)
    assert watchman.events == []


async def test_what_was_open_before_a_restart_ends_only_when_it_is_over() -> None:
    before = Watchman()
    (begun,) = await before.wait(10)
    after = Watchman()
    after.vigil.resume(begun)
    after.vigil.set_cameras({"gate": 5.0})
    assert await after.wait(30) == []
    after.hear("live")
    assert said(await after.wait(5)) == [("camera_offline", "end")]


async def test_what_was_open_before_a_restart_of_a_camera_that_is_gone_ends_at_once() -> None:
    before = Watchman()
    (begun,) = await before.wait(10)
    after = Watchman()
    after.vigil.set_cameras({"door": 5.0})
    after.vigil.resume(begun)
    (end,) = await after.wait(0.5)
    assert (end.kind, end.state, end.camera, end.detail["reason"]) == ("camera_offline", "end", "gate", "restart")


async def test_degraded_parts_come_and_go_each_for_itself() -> None:
    watchman = Watchman()
    watchman.hear("live")
    watchman.metrics.degraded_parts.update({"worker", "reader 1"})
    begins = await watchman.wait(1)
    assert [(event.kind, event.state, event.detail["part"]) for event in begins] == [
        ("degraded", "begin", "reader 1"),
        ("degraded", "begin", "worker"),
    ]
    watchman.metrics.degraded_parts.discard("worker")
    assert [(event.state, event.detail["part"]) for event in await watchman.wait(1)] == [("end", "worker")]
    book = IncidentBook()
    named = [book.enter(event) for event in watchman.events]
    assert all(event is not None for event in named)
    assert len(book) == 1


async def test_without_alerts_it_counts_but_says_nothing() -> None:
    watchman = Watchman(alerts=False)
    watchman.metrics.degraded_parts.add("worker")
    assert await watchman.wait(30, served=1, dropped=9) == []
    assert watchman.metrics.value("streamer_camera_blind_seconds_total", camera="gate") == pytest.approx(30.0)


async def test_cameras_that_left_are_not_heard_and_those_that_return_start_afresh() -> None:
    watchman = Watchman()
    watchman.hear("live", "frozen", "frozen")
    await watchman.wait(1)
    assert said(watchman.events) == [("camera_frozen", "begin")]
    watchman.vigil.set_cameras({})
    watchman.hear("lost", "stalled")
    assert watchman.vigil.health("gate") is None
    assert await watchman.wait(30) == []
    watchman.vigil.set_cameras({"gate": 5.0})
    watchman.hear("live", "frozen", "frozen")
    assert said(await watchman.wait(1)) == [("camera_frozen", "begin")]


async def test_cameras_are_judged_each_for_itself() -> None:
    watchman = Watchman()
    watchman.vigil.set_cameras({"gate": 5.0, "door": 5.0})
    watchman.hear("live")
    assert [(event.camera, event.state) for event in await watchman.wait(12)] == [("door", "begin")]


@pytest.mark.parametrize(
    "wrong", [{"offline_seconds": -1}, {"overload_share": 0}, {"overload_share": 1}, {"offline": 3}]
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        VigilSettings(**wrong)


async def test_a_stream_that_runs_away_is_told_with_its_cause_and_so_is_its_end() -> None:
    watchman = Watchman()
    watchman.hear("live")
    await watchman.wait(5)
    ran_at = watchman.clock.time()
    words = "over twice the 15 frames/s that are announced"
    watchman.hear("live", "runaway", picture="runaway", detail=words)
    assert watchman.metrics.value("streamer_camera_up", camera="gate") == 0
    assert await watchman.wait(2.5) == []
    (event,) = await watchman.wait(0.5)
    assert (event.kind, event.state, event.pipeline, event.severity) == (
        "camera_runaway",
        "begin",
        "system",
        "critical",
    )
    assert event.detail == {
        "cause": "runaway",
        "words": "far more frames arrive than the stream announces",
        "detail": words,
    }
    assert event.started == pytest.approx(ran_at)
    assert await watchman.wait(60) == []
    calm_at = watchman.clock.time()
    watchman.hear("live")
    assert await watchman.wait(2.5) == []
    (end,) = await watchman.wait(0.5)
    assert (end.kind, end.state) == ("camera_runaway", "end")
    assert end.ended == pytest.approx(calm_at)


async def test_a_rate_that_flaps_is_one_incident() -> None:
    watchman = Watchman()
    for _ in range(8):  # judged each second anew by the reader
        watchman.hear("live", "runaway", picture="runaway")
        await watchman.wait(1)
        watchman.hear("live")
        await watchman.wait(1)
    assert watchman.events == []
    watchman.hear("live", "runaway", picture="runaway")
    await watchman.wait(4)
    for _ in range(8):
        watchman.hear("live")
        await watchman.wait(1)
        watchman.hear("live", "runaway", picture="runaway")
        await watchman.wait(2)
    assert said(watchman.events) == [("camera_runaway", "begin")]


async def test_a_runaway_that_goes_offline_stays_what_it_was() -> None:
    watchman = Watchman()
    watchman.hear("live", "runaway", picture="runaway")
    await watchman.wait(4)
    watchman.hear("lost", "refused", picture="runaway")
    await watchman.wait(11)
    watchman.hear("live", "runaway", picture="runaway")
    await watchman.wait(4)
    kinds = [("camera_runaway", "begin"), ("camera_offline", "begin"), ("camera_offline", "end")]
    assert said(watchman.events) == kinds
