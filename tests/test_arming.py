"""Armed and disarmed: what counts when, over restarts, and who is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from streamer.alerts import AlertPolicy, AlertSettings, Suppressed
from streamer.arming import SITE, Arming
from streamer.clock import FakeClock, settle
from streamer.errors import InputError, StoreError
from streamer.metrics import Metrics
from streamer.sinks.sink import Alert, SinkSettings
from streamer.store import Store
from tests.alerting import event


class House:
    """An arming with its store and what was told."""

    def __init__(self, folder: Path):
        self.store = Store(folder).open()
        self.clock, self.metrics = FakeClock(), Metrics()
        self.told: list[Mapping[str, bool]] = []
        self.arming = self.made()

    def made(self) -> Arming:
        arming = Arming(self.store, self.metrics, self.clock)
        arming.told = self.told.append
        return arming

    async def restart(self) -> Arming:
        self.arming = self.made()
        await self.arming.load()
        self.arming.set_cameras(["gate", "yard"])
        return self.arming


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path / "data")
    await house.restart()
    yield house
    house.store.close()


async def test_everything_is_armed_at_first(house: House) -> None:
    assert house.arming.covers("gate")
    assert house.arming.switches == {SITE: True, "gate": True, "yard": True}
    assert house.metrics.value("streamer_armed", camera="*") == 1
    assert house.metrics.value("streamer_armed", camera="gate") == 1


async def test_one_camera_and_the_site(house: House) -> None:
    await house.arming.set("gate", False, "http")
    assert (house.arming.covers("gate"), house.arming.covers("yard")) == (False, True)
    assert house.metrics.value("streamer_armed", camera="gate") == 0
    await house.arming.set(SITE, False, "http")
    assert not house.arming.covers("yard")
    assert house.arming.switches == {SITE: False, "gate": False, "yard": True}
    await house.arming.set(SITE, True, "http")
    assert (house.arming.covers("gate"), house.arming.covers("yard")) == (False, True)
    assert house.told[-1] == {SITE: True, "gate": False, "yard": True}


async def test_a_restart_changes_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.arming.set("gate", False, "sink home")
    again = await house.restart()
    assert not again.covers("gate")
    assert again.switch("gate").changed_by == "sink home"
    assert again.switch("gate").changed_at == house.clock.time()
    assert "disarmed since before this start: camera gate" in caplog.text
    assert house.metrics.value("streamer_armed", camera="gate") == 0


async def test_the_switch_of_a_camera_that_goes_and_comes_back_stays(house: House) -> None:
    await house.arming.set("gate", False, "http")
    house.arming.set_cameras(["yard"])
    assert "gate" not in house.arming.switches
    with pytest.raises(InputError, match="there is no camera 'gate'; there are: yard"):
        await house.arming.set("gate", True, "http")
    house.arming.set_cameras(["gate", "yard"])
    assert not house.arming.covers("gate")


async def test_what_cannot_be_written_does_not_count(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.store.close()
    with pytest.raises(StoreError):
        await house.arming.set(SITE, False, "http")
    assert house.arming.covers("gate")
    house.arming.obey("home", SITE, False)
    await settle(50)
    assert "sink home wanted the site disarmed: storage folder" in caplog.text
    house.store.open()


async def test_a_command_of_a_sink_is_carried_out(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house.arming.obey("home", "gate", False)
    async with asyncio.timeout(10):
        while house.arming.covers("gate"):  # noqa: ASYNC110 - the store has a thread of its own
            await asyncio.sleep(0.01)
    assert "camera gate: disarmed by sink home" in caplog.text
    house.arming.obey("home", "nowhere", False)
    await settle(50)
    assert "there is no camera 'nowhere'" in caplog.text


async def test_many_at_once_end_as_the_last_one_wanted(house: House) -> None:
    await asyncio.gather(*(house.arming.set(SITE, bool(i % 2), "http") for i in range(11)))
    assert not house.arming.covers("gate")
    assert not (await house.restart()).covers("gate")


async def test_what_counts_for_an_event_is_what_held_when_it_happened(house: House) -> None:
    before = house.clock.time() - 5
    await house.arming.set(SITE, False, "http")
    assert house.arming.covers("gate", before)
    assert not house.arming.covers("gate", house.clock.time())
    await house.clock.advance(100)
    await house.arming.set(SITE, True, "http")
    again = await house.restart()  # an open incident that began while disarmed is not told of by a restart
    assert not again.covers("gate", house.clock.time() - 1)
    assert again.covers("gate", house.clock.time())


async def test_disarmed_events_are_suppressed_and_the_systems_never(house: House) -> None:
    policy = AlertPolicy(AlertSettings(), {"log": SinkSettings(type="list")}, house.arming.covers)
    now = house.clock.time() + 1
    assert isinstance(policy.decide(event(time=now)), Alert)
    await house.arming.set("gate", False, "http")
    told = policy.decide(event(time=now))
    assert isinstance(told, Suppressed)
    assert told.reason == "disarmed"
    assert isinstance(policy.decide(event(time=now, camera="yard")), Alert)
    assert isinstance(policy.decide(event(time=now, state="end")), Alert), "what was told of before is ended"
    await house.arming.set(SITE, False, "http")
    assert isinstance(policy.decide(event(time=now, pipeline="system", kind="camera_offline")), Alert)
