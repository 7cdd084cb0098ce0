from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamer import ledger
from streamer.clock import FakeClock, settle
from streamer.commands import delivery
from streamer.errors import SinkBusy, SinkError, SinkRejected, StoreError
from streamer.metrics import Metrics
from streamer.outbox import Outbox, OutboxSettings
from streamer.sinks.sink import SinkSettings
from streamer.store import Store
from tests.alerting import EPOCH, ListSink, alert, down
from tests.servers import Receiver, flaky

ROOT = Path(__file__).resolve().parent.parent


class Bench:
    """An outbox on a fake clock, with its store."""

    def __init__(self, store: Store, sinks: dict[str, ListSink], **options):
        self.store = store
        self.sinks = sinks
        self.clock = FakeClock(epoch=EPOCH)
        self.metrics = Metrics()
        self.outbox = Outbox(store, sinks, OutboxSettings(**options), self.metrics, self.clock)
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.task = asyncio.create_task(self.outbox.run())
        await self.quiet()

    async def quiet(self) -> None:
        """Until the store's thread and all tasks have nothing left to do at this time of the fake clock."""
        for _ in range(12):
            await settle()
            await self.store.read(lambda c: None)
        await settle()

    async def advance(self, seconds: float, step: float = 1.0) -> None:
        """Move the clock on, but never past a sleeper that has not done its work yet.

        The store has a real thread. If the clock went on while it works, a task would do at the end of a step what was
        due within it, and measure its next pause from there: an attempt two steps late, whenever the machine is slow.
        """
        await self.quiet()
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 1e-9:
            await self.clock.advance(min(step, left, self.clock.due_s))
            await self.quiet()

    async def put(self, *names: str, **more) -> list[bool]:
        return [await self.outbox.put(alert(name, sinks=tuple(self.sinks), **more)) for name in names]

    async def end(self) -> None:
        await self.outbox.stop(0.0)
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})


@asynccontextmanager
async def bench(folder: Path, *names: str, **options):
    sinks = {name: ListSink(name) for name in names or ("list",)}
    with Store(folder) as store:
        made = Bench(store, sinks, **options)
        await made.start()
        try:
            yield made
        finally:
            await made.end()


async def test_written_first_then_delivered_in_order(tmp_path):
    async with bench(tmp_path) as b:
        b.sinks["list"].fault = down
        assert await b.put("a", "b", "c") == [True] * 3
        assert [letter.alert.id for letter in ledger.list_letters(tmp_path)] == ["a:begin", "b:begin", "c:begin"]
        await b.quiet()
        assert b.sinks["list"].sent == []
        b.sinks["list"].fault = lambda alert: None
        await b.advance(3)
        assert b.sinks["list"].ids == ["a:begin", "b:begin", "c:begin"]
        assert b.metrics.value("streamer_alerts_total", sink="list", outcome="delivered") == 3
        assert ledger.list_letters(tmp_path) == []


async def test_delivered_alert_is_what_was_put(tmp_path):
    async with bench(tmp_path) as b:
        given = alert("a", captured_at=b.clock.monotonic() - 0.5)
        await b.outbox.put(given)
        await b.quiet()
        (got,) = b.sinks["list"].sent
        assert (got.id, got.event, got.text, got.severity) == (given.id, given.event, given.text, given.severity)
        assert got.created_at == b.clock.time()
        assert b.metrics.value("streamer_alert_seconds_sum", sink="list") == pytest.approx(0.5)


async def test_same_alert_twice_is_sent_once(tmp_path):
    async with bench(tmp_path) as b:
        assert await b.put("a", "a") == [True, False]
        await b.quiet()
        assert b.sinks["list"].ids == ["a:begin"]
        assert b.metrics.value("streamer_alerts_suppressed_total", reason="duplicate") == 1


async def test_backoff_grows_to_five_minutes_with_jitter(tmp_path, rare_upkeep):
    async with bench(tmp_path) as b:
        sink, attempts = b.sinks["list"], []
        sink.fault = lambda alert: (attempts.append(b.clock.monotonic()), down())
        await b.put("a")
        await b.advance(1500, step=600.0)
        pauses = [later - earlier for earlier, later in pairwise(attempts)]
        for pause, expected in zip(pauses, (1, 2, 5, 10, 30, 60, 120, 300, 300), strict=False):
            assert 0.8 * expected <= pause <= 1.2 * expected + 0.001
        assert len(pauses) >= 8
        assert len({round(pause / expected, 3) for pause, expected in zip(pauses, (1, 2, 5, 10), strict=False)}) > 1
        (letter,) = ledger.list_letters(tmp_path)
        assert (letter.attempts, letter.error) == (len(attempts), "the receiver is down")
        assert "the receiver is down" in delivery.describe(letter)


@pytest.fixture
def rare_upkeep(monkeypatch):
    """Hours of the fake clock in seconds: upkeep would wake each five."""
    monkeypatch.setattr("streamer.outbox._CHECK_S", 600.0)


def chokes_on(*incidents):
    """A fault of the receiver on these incidents only."""

    def fault(alert):
        if alert.event.id in incidents:
            raise SinkError("500 Internal Server Error")

    return fault


async def test_an_alert_that_the_receiver_chokes_on_steps_aside(tmp_path, rare_upkeep):
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]
        sink.fault = chokes_on("poison")
        await b.put("poison", "a", "b")
        await b.advance(800, step=600.0)  # 1 + 2 + 5 + 10 + 30 + 60 + 120 s and a fifth
        assert sink.tried[:7] == ["poison:begin"] * 7
        assert sink.ids == ["a:begin", "b:begin"]
        (letter,) = ledger.list_letters(tmp_path)
        assert (letter.alert.id, letter.status, letter.error) == (
            "poison:begin",
            "pending",
            "500 Internal Server Error",
        )
        # who comes now does not wait for it
        await b.put("c")
        await b.quiet()
        assert sink.ids[-1] == "c:begin"
        heads = await b.outbox.heads()
        assert heads["list"].error == "500 Internal Server Error", "the page still says what is wrong"
        # and it is not forgotten: every hour at least
        before = sink.tried.count("poison:begin")
        await b.advance(6 * 3600, step=600.0)
        assert 5 <= sink.tried.count("poison:begin") - before <= 12
        sink.fault = lambda alert: None
        await b.advance(1.2 * 3600 + 60, step=600.0)
        assert sink.ids[-1] == "poison:begin"
        assert ledger.list_letters(tmp_path) == []


async def test_nothing_passes_an_alert_of_its_own_incident(tmp_path, rare_upkeep):
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]
        sink.fault = chokes_on("poison")
        await b.put("poison", "a")
        await b.put("poison", state="update")
        await b.put("poison", "a", state="end")
        await b.advance(3000, step=600.0)
        assert sink.ids == ["a:begin", "a:end"]
        assert set(sink.tried) == {"poison:begin", "a:begin", "a:end"}
        sink.fault = lambda alert: None
        await b.advance(3 * 3600, step=600.0)
        told = [alert.event.state for alert in sink.sent if alert.event.id == "poison"]
        assert told == ["begin", "update", "end"]


async def test_an_outage_condemns_nobody(tmp_path, rare_upkeep):
    """All fail alike, some so often that they step aside; when the sink is back, all are there at once, in order."""
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]
        sink.fault = down
        names = [f"n{number}" for number in range(6)]
        await b.put(*names)
        await b.advance(3600, step=600.0)
        tried = Counter(sink.tried)
        assert tried["n0:begin"] > 8
        assert sum(tried.values()) <= 60, "the receiver is not hammered"
        sink.fault = lambda alert: None
        await b.advance(361, step=600.0)
        assert sorted(sink.ids) == [f"{name}:begin" for name in names]


async def test_a_restart_forgives(tmp_path, rare_upkeep):
    async with bench(tmp_path) as b:
        b.sinks["list"].fault = down
        await b.put("a", "b")
        await b.advance(1200, step=600.0)
    async with bench(tmp_path) as b:
        assert b.sinks["list"].ids == ["a:begin", "b:begin"], "a new daemon tries all of them, in order"


async def test_how_often_it_may_fail_is_set_by_the_sink(tmp_path):
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]
        sink.settings = SinkSettings(type="list", step_aside_after=2)
        sink.fault = chokes_on("poison")
        await b.put("poison", "a")
        await b.advance(3)
        assert sink.tried[:3] == ["poison:begin", "poison:begin", "a:begin"]


async def test_a_sink_that_asks_for_time_is_not_passed_by(tmp_path):
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]
        sink.settings = SinkSettings(type="list", step_aside_after=1)

        def busy(alert):
            raise SinkBusy("429", 50.0)

        sink.fault = busy
        await b.put("a", "b")
        await b.advance(49)
        assert sink.tried == ["a:begin"]


async def test_one_that_stepped_aside_expires_in_its_time(tmp_path):
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]
        sink.settings = SinkSettings(type="list", step_aside_after=1, expire_seconds=100)
        sink.fault = chokes_on("poison")
        await b.put("a", "poison")
        await b.advance(101)
        (letter,) = ledger.list_letters(tmp_path)
        assert letter.status == "expired"
        assert letter.alert.id == "poison:begin"
        assert await b.outbox.retry() == 1
        sink.fault = lambda alert: None
        await b.quiet()
        assert sink.ids == ["a:begin", "poison:begin"]


async def test_new_alerts_do_not_shorten_the_pause(tmp_path):
    async with bench(tmp_path) as b:
        b.sinks["list"].fault = down
        for number in range(20):
            await b.put(f"n{number}")
            await b.quiet()
        assert b.sinks["list"].tried == ["n0:begin"]


async def test_busy_sink_is_left_alone_as_long_as_it_asks(tmp_path):
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]

        def busy(alert):
            raise SinkBusy("429", 50.0)

        sink.fault = busy
        await b.put("a")
        await b.quiet()
        sink.fault = lambda alert: None
        await b.advance(49)
        assert sink.sent == []
        await b.advance(2)
        assert sink.ids == ["a:begin"]


async def test_sink_that_is_down_delays_only_itself(tmp_path):
    async with bench(tmp_path, "good", "bad", "late") as b:
        b.sinks["bad"].fault = down
        b.sinks["late"].open_fault = down
        await b.put("a", "b")
        await b.quiet()
        assert b.sinks["good"].ids == ["a:begin", "b:begin"]
        await b.advance(5)
        assert b.metrics.value("streamer_outbox_depth", sink="bad") == 2
        assert b.metrics.value("streamer_outbox_oldest_seconds", sink="bad") >= 5
        assert b.metrics.value("streamer_outbox_depth", sink="good") == 0
        b.sinks["bad"].fault = lambda alert: None
        b.sinks["late"].open_fault = lambda: None
        await b.advance(40)
        assert b.sinks["bad"].ids == b.sinks["late"].ids == ["a:begin", "b:begin"]
        assert b.metrics.value("streamer_outbox_depth", sink="bad") == 0


async def test_sink_with_a_bug_loses_nothing(tmp_path):
    async with bench(tmp_path) as b:
        b.sinks["list"].fault = lambda alert: {}["bug"]
        await b.put("a")
        await b.quiet()
        b.sinks["list"].fault = lambda alert: None
        await b.advance(2)
        assert b.sinks["list"].ids == ["a:begin"]


async def test_rejected_alert_is_a_dead_letter_and_the_next_goes_on(tmp_path):
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]

        def reject(alert):
            if alert.id == "a:begin":
                raise SinkRejected("answered 422")

        sink.fault = reject
        await b.put("a", "b")
        await b.quiet()
        assert sink.ids == ["b:begin"]
        (letter,) = await b.outbox.dead_letters()
        assert (letter.alert.id, letter.status, letter.error) == ("a:begin", "rejected", "answered 422")
        await b.advance(6)
        assert b.metrics.value("streamer_dead_letters", sink="list") == 1
        sink.fault = lambda alert: None
        assert await b.outbox.retry(["other"]) == 0
        assert await b.outbox.retry(["a:begin"]) == 1
        await b.quiet()
        assert sink.ids == ["b:begin", "a:begin"]
        assert await b.outbox.dead_letters() == []


async def test_retry_by_another_process_is_picked_up(tmp_path):
    async with bench(tmp_path) as b:
        b.sinks["list"].settings = SinkSettings(type="list", expire_seconds=1)
        b.sinks["list"].fault = down
        await b.put("a")
        await b.advance(3)
        assert [letter.status for letter in ledger.list_letters(tmp_path)] == ["expired"]
        b.sinks["list"].fault = lambda alert: None
        code = "import sys; from pathlib import Path; from streamer.ledger import retry_letters\n"
        code += "print(retry_letters(Path(sys.argv[1]), float(sys.argv[2])))"
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", code, str(tmp_path), str(b.clock.time())],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.strip() == "1", done.stderr
        await b.advance(6)
        assert b.sinks["list"].ids == ["a:begin"]


async def test_expiry_is_per_sink_and_counts_while_down(tmp_path):
    async with bench(tmp_path, "short", "long") as b:
        b.sinks["short"].settings = SinkSettings(type="list", expire_seconds=100)
        for sink in b.sinks.values():
            sink.fault = down
        await b.put("a")
        await b.advance(130)
        statuses = {letter.sink: letter.status for letter in ledger.list_letters(tmp_path)}
        assert statuses == {"short": "expired", "long": "pending"}
        assert b.metrics.value("streamer_alerts_total", sink="short", outcome="expired") == 1
        b.sinks["long"].fault = lambda alert: None
        await b.advance(130)
        assert b.sinks["long"].ids == ["a:begin"]


async def test_cooldown_by_key_in_capture_time(tmp_path):
    async with bench(tmp_path) as b:
        options = {"cooldown_s": 30.0}
        assert await b.put("a", time=EPOCH, **options) == [True]
        assert await b.put("b", time=EPOCH + 29.9, **options) == [False]
        assert await b.put("c", time=EPOCH + 1, camera="yard", **options) == [True]
        assert await b.put("d", time=EPOCH + 1, kind="loitering", **options) == [True]
        assert await b.put("e", time=EPOCH + 1, pipeline="other", **options) == [True]
        assert await b.put("f", time=EPOCH + 30.1, **options) == [True]
        assert b.metrics.value("streamer_alerts_suppressed_total", reason="cooldown") == 1
        assert [(s.reason, s.event.id) for s in b.outbox.suppressed] == [("cooldown", "b")]


async def test_suppressed_incident_has_no_update_and_no_end(tmp_path):
    async with bench(tmp_path) as b:
        await b.put("a", "b", cooldown_s=30.0)
        results = [(await b.put(name, state=state))[0] for name in ("a", "b") for state in ("update", "end")]
        assert results == [True, True, False, False]
        await b.quiet()
        assert [i.split(":")[:2] for i in b.sinks["list"].ids] == [["a", "begin"], ["a", "update"], ["a", "end"]]
        assert b.metrics.value("streamer_alerts_suppressed_total", reason="unbegun") == 2


async def test_end_goes_only_to_those_that_the_begin_concerned(tmp_path):
    async with bench(tmp_path, "one", "two") as b:
        await b.outbox.put(alert("a", sinks=("one",)))
        assert await b.outbox.put(alert("a", "end", sinks=("one", "two")))
        await b.outbox.put(alert("b", sinks=("one",)))
        assert not await b.outbox.put(alert("b", "end", sinks=("two",)))
        await b.quiet()
        assert (b.sinks["one"].ids, b.sinks["two"].ids) == (["a:begin", "a:end", "b:begin"], [])


async def test_cooldown_is_given_back_if_no_sink_delivered(tmp_path):
    async with bench(tmp_path, "one", "two") as b:

        def reject(alert):
            raise SinkRejected("no")

        b.sinks["one"].fault = reject
        b.sinks["two"].fault = down
        await b.put("a", cooldown_s=600.0)
        await b.advance(5)
        assert await b.put("b", time=EPOCH + 5, cooldown_s=600.0) == [False]  # two may still deliver
        b.sinks["two"].fault = reject
        await b.advance(60)
        assert await b.put("c", time=EPOCH + 65, cooldown_s=600.0) == [True]


async def test_cooldown_and_dedupe_survive_a_restart(tmp_path):
    async with bench(tmp_path) as b:
        await b.put("a", cooldown_s=30.0)
    async with bench(tmp_path) as b:
        assert await b.put("b", time=EPOCH + 10, cooldown_s=30.0) == [False]
        assert await b.put("a", time=EPOCH + 90, cooldown_s=0.0) == [False]
        assert await b.put("a", state="end") == [True]


async def test_clock_that_stepped_back_does_not_silence(tmp_path):
    async with bench(tmp_path) as b:
        assert await b.put("a", time=EPOCH, cooldown_s=30.0) == [True]
        assert await b.put("b", time=EPOCH - 3600, cooldown_s=30.0) == [True]


async def test_snapshot_holds_an_alert_back_for_two_seconds_at_most(tmp_path):
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]
        path = b.store.snapshot_path("a:begin")
        path.write_bytes(b"jpeg")
        await b.outbox.put(alert("a"), expects_snapshot=True)
        await b.outbox.put(alert("b"), expects_snapshot=True)
        await b.outbox.put(alert("c"), expects_snapshot=True)
        await b.advance(1.0)
        assert sink.sent == []
        await b.outbox.attach("a:begin", path)
        await b.outbox.attach("b:begin", None)
        await b.quiet()
        assert [(a.id, a.snapshot) for a in sink.sent] == [("a:begin", path), ("b:begin", None)]
        await b.advance(1.0, step=0.5)
        assert sink.ids == ["a:begin", "b:begin", "c:begin"]
        await b.outbox.attach("c:begin", b.store.snapshot_path("c:begin"))


async def test_after_a_restart_nobody_waits_for_snapshots(tmp_path):
    async with bench(tmp_path) as b:
        await b.outbox.put(alert("a"), expects_snapshot=True)
        await b.outbox.put(alert("b"), expects_snapshot=True)
        b.store.snapshot_path("a:begin").write_bytes(b"jpeg")
    async with bench(tmp_path) as b:
        assert [(a.id, a.snapshot) for a in b.sinks["list"].sent] == [
            ("a:begin", b.store.snapshot_path("a:begin")),
            ("b:begin", None),
        ]


async def test_a_clip_follows_its_alert_and_later_messages_know_it(tmp_path):
    async with bench(tmp_path) as b:
        sink = b.sinks["list"]
        film = b.store.clip_path("a:begin")
        sink.fault = down
        await b.outbox.put(replace(alert("a"), clip=film))
        await b.quiet()
        (letter,) = ledger.list_letters(tmp_path)
        assert (letter.alert.clip, letter.alert.clip_ready) == (film, False)
        told = letter.alert.row()["alert"]["clip"]
        assert told == {"file": film.name, "path": "alerts/a%3Abegin/clip.mp4", "ready": False}
        await b.outbox.attach_clip("a:begin", True)
        sink.fault = lambda alert: None
        await b.advance(3)
        (got,) = sink.sent
        assert (got.clip, got.clip_ready) == (film, True)
        assert got.row()["alert"]["clip"]["ready"] is True


async def test_a_clip_that_never_came_is_not_promised_any_longer(tmp_path):
    async with bench(tmp_path) as b:
        b.sinks["list"].fault = down
        await b.outbox.put(replace(alert("a"), clip=b.store.clip_path("a:begin")))
        await b.outbox.attach_clip("a:begin", False)
        (letter,) = ledger.list_letters(tmp_path)
        assert letter.alert.row()["alert"]["clip"] is None


async def test_after_a_restart_a_clip_is_there_or_missing(tmp_path):
    async with bench(tmp_path) as b:
        b.sinks["list"].fault = down
        for name in ("a", "b"):
            await b.outbox.put(replace(alert(name), clip=b.store.clip_path(f"{name}:begin")))
        b.store.clip_path("a:begin").write_bytes(b"film")  # written, and then the daemon died
    async with bench(tmp_path) as b:
        found = [(a.id, a.clip is not None, a.clip_ready) for a in b.sinks["list"].sent]
        assert found == [("a:begin", True, True), ("b:begin", False, False)]


async def test_bound_gives_up_the_oldest_info_first_and_says_so(tmp_path, caplog):
    async with bench(tmp_path, max_waiting=3) as b:
        b.sinks["list"].fault = down
        for name, severity in (("w1", "warning"), ("i1", "info"), ("i2", "info"), ("c1", "critical")):
            await b.put(name, severity=severity)
        await b.put("c2", severity="critical")
        await b.put("c3", severity="critical")
        dead = [(letter.alert.id, letter.status) for letter in await b.outbox.dead_letters()]
        assert dead == [("w1:begin", "given_up"), ("i1:begin", "given_up"), ("i2:begin", "given_up")]
        assert b.metrics.value("streamer_alerts_total", sink="list", outcome="given_up") == 3
        assert "gave up 1 alerts (over 3 were waiting), the first is i1:begin" in caplog.text


async def test_full_disk_is_an_error_of_put_and_nothing_is_half_written(tmp_path):
    async with bench(tmp_path) as b:
        pages = (await b.store.read(lambda c: c.execute("PRAGMA page_count").fetchone()))[0]
        await b.store.read(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        with pytest.raises(StoreError, match="the disk is full"):
            await b.outbox.put(alert("a", detail={"text": "x" * 20_000}))
        await b.store.read(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
        assert await b.put("a") == [True]
        await b.quiet()
        assert b.sinks["list"].ids == ["a:begin"]


async def test_mark_that_fails_does_not_send_again(tmp_path):
    async with bench(tmp_path) as b:
        real, broken = b.store.write, True

        async def write(work):
            if broken and b.sinks["list"].tried:
                raise StoreError("the disk is full")
            return await real(work)

        b.store.write = write
        await b.put("a")
        await b.quiet()
        await b.advance(3)
        broken = False
        await b.advance(70, step=10)
        assert b.sinks["list"].tried == ["a:begin"]
        assert ledger.list_letters(tmp_path) == []


async def test_reload_touches_only_what_changed(tmp_path):
    async with bench(tmp_path, "same", "changed", "gone") as b:
        old = dict(b.sinks)
        b.outbox.announce({"gate": ["intrusion"]})
        await b.outbox.camera_state("gate", True)
        new = {
            "same": ListSink("same"),
            "changed": ListSink("changed", SinkSettings(type="list", min_severity="critical")),
            "added": ListSink("added"),
        }
        b.outbox.set_sinks(new)
        await b.quiet()
        await b.outbox.put(alert("a", sinks=("same", "changed", "gone", "added")))
        await b.quiet()
        assert (old["same"].ids, new["same"].ids) == (["a:begin"], [])
        assert (old["changed"].ids, new["changed"].ids) == ([], ["a:begin"])
        assert (old["gone"].ids, new["added"].ids) == ([], ["a:begin"])
        assert old["same"].closed == 0
        assert old["gone"].closed == old["changed"].closed == 1
        assert (new["added"].cameras, new["added"].states) == ({"gate": ["intrusion"]}, {"gate": True})


async def test_stop_sends_what_can_be_sent_and_keeps_the_rest(tmp_path):
    async with bench(tmp_path, "good", "bad") as b:
        b.sinks["bad"].fault = down
        await b.put("a", "b", "c")
        await b.outbox.stop(10.0)
        assert b.sinks["good"].ids == ["a:begin", "b:begin", "c:begin"]
        assert all(sink.closed for sink in b.sinks.values())
        assert {letter.sink for letter in ledger.list_letters(tmp_path)} == {"bad"}


async def test_sink_learns_after_a_restart_what_is_still_open(tmp_path):
    async with bench(tmp_path) as b:
        for name in ("a", "b", "c"):
            await b.store.save_incident(alert(name).event)
            await b.put(name)
        await b.put("b", state="end")
        await b.store.drop_incident("b")
        await b.store.drop_incident("c")  # ended, and nobody was told of it
        await b.quiet()
    async with bench(tmp_path) as b:
        assert [a.id for a in b.sinks["list"].resumed] == ["a:begin"]


async def test_idle_outbox_asks_only_for_the_version(tmp_path):
    async with bench(tmp_path) as b:
        await b.advance(8)
        asked = []
        real = b.store.read

        async def read(work):
            asked.append(work)
            return await real(work)

        b.store.read = read
        await b.clock.advance(30)
        for _ in range(5):
            await asyncio.sleep(0.01)
        b.store.read = real
        assert 1 <= len(asked) <= 7


async def test_recent_lists_newest_first(tmp_path):
    async with bench(tmp_path, "one", "two") as b:
        await b.put("a", "b")
        await b.quiet()
        recent = await b.outbox.recent(3)
        assert [(r.alert.id, r.sink) for r in recent] == [("b:begin", "one"), ("b:begin", "two"), ("a:begin", "one")]
        assert {r.status for r in recent} == {"delivered"}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_order_and_cooldown_hold_whatever_fails(tmp_path_factory, data):  # noqa: C901
    faults = data.draw(st.lists(st.sampled_from(("ok", "ok", "down", "busy", "reject")), min_size=5, max_size=40))
    steps = data.draw(st.lists(st.tuples(st.sampled_from("gy"), st.integers(0, 20)), min_size=1, max_size=15))
    async with bench(tmp_path_factory.mktemp("outbox"), "one", "two") as b:
        queue = list(faults)

        def fault(alert):
            kind = queue.pop(0) if queue else "ok"
            if kind == "down":
                down()
            if kind == "busy":
                raise SinkBusy("busy", 3.0)
            if kind == "reject":
                raise SinkRejected("no")

        for sink in b.sinks.values():
            sink.fault = fault
        accepted, at = [], EPOCH
        for number, (camera, wait) in enumerate(steps):
            at += wait
            name = f"{number:03d}"
            if (await b.put(name, time=at, camera=camera, cooldown_s=15.0))[0]:
                accepted.append((name, camera, at))
            await b.advance(wait, step=5)
        await b.advance(400, step=30)
        everyone_dead = Counter(letter.alert.event.id for letter in await b.outbox.dead_letters(1000))
        delivered = defaultdict(list)
        for sink in b.sinks.values():
            assert sink.ids == sorted(set(sink.ids)), "out of order or twice"
            assert {a.event.id for a in sink.sent} <= {name for name, _, _ in accepted}
        for name, _, _ in accepted:
            told = sum(f"{name}:begin" in sink.ids for sink in b.sinks.values())
            assert told + everyone_dead[name] == 2, "lost"
        for name, camera, time in accepted:
            if everyone_dead[name] < 2:
                delivered[camera].append(time)
        for times in delivered.values():
            assert all(later - earlier >= 15.0 for earlier, later in pairwise(times))


CHILD = """
import asyncio, sys, time
from pathlib import Path
from streamer.clock import SystemClock
from streamer.metrics import Metrics
from streamer.outbox import Outbox, OutboxSettings
from streamer import courier, ledger
from streamer.sinks.webhook import WebhookSettings
from streamer.store import Store
from tests.alerting import alert

courier.PAUSES_S = (0.01, 0.02)
folder, url, round_ = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

async def main():
    sink = WebhookSettings(url=url, allow_private=True).build("hook", folder)
    with Store(folder) as store:
        outbox = Outbox(store, {"hook": sink}, OutboxSettings(), Metrics(), SystemClock())
        asyncio.create_task(outbox.run())
        if round_ == "last":
            while any([count for count, _, _ in (await store.read(ledger.depths)).values()]):
                await asyncio.sleep(0.02)
            await outbox.stop(5)
            return
        for number in range(100000):
            made = alert(f"r{round_}n{number}", sinks=("hook",), time=time.time())
            await outbox.put(made)
            print(made.id, flush=True)  # the test learns of it only after the commit

asyncio.run(main())
"""


async def kill_rounds(folder: Path, rounds: int, seed: int) -> None:
    dice = random.Random(seed)
    committed: list[str] = []
    async with Receiver(answer=flaky(seed)) as receiver:

        async def child(name: str, lives_s: float | None) -> None:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CHILD, str(folder), receiver.url, name),
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            assert process.stdout is not None
            if lives_s is None:
                assert await asyncio.wait_for(process.wait(), 90) == 0
                return
            first = await asyncio.wait_for(process.stdout.readline(), 60)
            await asyncio.sleep(lives_s)
            process.kill()
            rest = await process.stdout.read()
            await process.wait()
            committed.extend(line.decode() for line in (first + rest).split(b"\n")[:-1])

        for number in range(rounds):
            await child(str(number), dice.uniform(0.0, 0.25))
        receiver.answer = 200
        await child("last", None)
        keys = receiver.keys()
    assert len(committed) >= rounds
    assert set(committed) <= set(keys), "a committed alert was lost"
    firsts = list(dict.fromkeys(keys))
    assert firsts == sorted(firsts, key=lambda key: tuple(map(int, key.removesuffix(":begin")[1:].split("n")))), "order"
    # at most one more than was heard of may have been committed in each round
    assert len(firsts) <= len(committed) + rounds
    bodies = defaultdict(set)
    for request in receiver.requests:
        bodies[request.headers["Idempotency-Key"]].add(request.body)
    assert all(len(found) == 1 for found in bodies.values()), "one key, two messages"


@pytest.mark.e2e
async def test_kill_at_random_moments_loses_nothing(tmp_path):
    await kill_rounds(tmp_path, 8, seed=5)


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.timeout(600)
async def test_kill_fifty_times_loses_nothing(tmp_path):
    await kill_rounds(tmp_path, 50, seed=6)
