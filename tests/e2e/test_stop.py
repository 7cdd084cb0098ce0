"""How the daemon ends: in order, in time, with nothing lost, whoever is down at that moment."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import time

import pytest

from tests import sites
from tests.running import Daemon, wait_for
from tests.servers import Receiver

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

STOP_S = 4.0


def staying(port, cameras, receiver=None, **more):
    """A site whose incidents stay open, for nobody is let go."""
    sinks = {"log": {"type": "jsonl", "path": "alerts.jsonl"}}
    if receiver is not None:
        sinks["hook"] = {"type": "webhook", "url": receiver.url, "allow_private": True}
    watch = {"use": "surveillance", "detector": "motion", "intrusion": sites.intrusion(leave_seconds=60)}
    values = sites.site(port, {"east": cameras.url("east")}, sinks=sinks, stop_seconds=STOP_S)
    return values | {"pipelines": {"watch": watch}} | more


def wait_for_begin(daemon, folder):
    """Wait until an incident is open and told."""
    wait_for(lambda: daemon.alive and sites.of_kind(folder / "alerts.jsonl", "intrusion"), 30, daemon.tail)


def deliveries(folder):
    """Of every alert of the outbox: (id, sink) and status."""
    with contextlib.closing(sqlite3.connect(folder / "data" / "streamer.sqlite")) as database:
        found = database.execute("SELECT alerts.id, sink, status FROM alerts JOIN deliveries ON alert = seq")
        return {(alert, sink): status for alert, sink, status in found}


def open_incidents(folder):
    with contextlib.closing(sqlite3.connect(folder / "data" / "streamer.sqlite")) as database:
        return [json.loads(text)["kind"] for (text,) in database.execute("SELECT event FROM open_incidents")]


def judge_log(daemon):
    said = daemon.log.read_text()
    assert "Traceback" not in said, said
    assert "never retrieved" not in said, said
    assert "was destroyed" not in said, said


def test_sigterm_ends_what_is_open_and_delivers_it(tmp_path, free_port, cameras):
    with sites.receiving(Receiver()) as receiver:
        path = sites.write(tmp_path / "site.yaml", staying(free_port, cameras, receiver))
        with Daemon(path, free_port) as daemon:
            wait_for_begin(daemon, tmp_path)
            pids, begun = sites.family(daemon), time.monotonic()
            assert len(pids) >= 3
            assert daemon.stop() == 0
            assert time.monotonic() - begun < STOP_S + 1.0
    assert sites.gone(pids)
    begins = sites.of_kind(tmp_path / "alerts.jsonl", "intrusion")
    ends = sites.of_kind(tmp_path / "alerts.jsonl", "intrusion", "end")
    assert {row["id"] for row in begins} == {row["id"] for row in ends}
    assert {row["detail"]["reason"] for row in ends} == {"stop"}
    assert set(deliveries(tmp_path).values()) == {"delivered"}
    assert sorted(receiver.keys()) == sorted(row["alert"]["id"] for row in begins + ends)
    assert open_incidents(tmp_path) == []
    judge_log(daemon)


@pytest.mark.parametrize("trouble", ["500", "silent"])
def test_nothing_is_lost_when_the_webhook_is_down_meanwhile(tmp_path, free_port, cameras, trouble):
    silent = sites.Silent()
    with sites.receiving(Receiver(500)) as receiver, silent:
        values = staying(free_port, cameras, receiver)
        if trouble == "silent":
            values["sinks"]["hook"]["url"] = silent.url
        path = sites.write(tmp_path / "site.yaml", values)
        with Daemon(path, free_port) as daemon:
            wait_for_begin(daemon, tmp_path)
            begun = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - begun < STOP_S + 1.0
        judge_log(daemon)
        owed = {
            alert for (alert, sink), status in deliveries(tmp_path).items() if (sink, status) == ("hook", "pending")
        }
        assert {alert.rpartition(":")[2] for alert in owed} == {"begin", "end"}
        values["sinks"]["hook"]["url"] = receiver.url
        values["cameras"] = {"night": sites.camera(cameras.url("night"))}
        receiver.answer = 200
        with Daemon(sites.write(path, values), free_port) as daemon:
            wait_for(lambda: daemon.alive and owed <= set(receiver.keys()), 20, daemon.tail)
        assert len(receiver.keys()) == len(set(receiver.keys()))
        # its own order is kept: no end before its begin
        keys = receiver.keys()
        for key in owed:
            incident, _, state = key.rpartition(":")
            assert state == "begin" or keys.index(f"{incident}:begin") < keys.index(key)


def test_ctrl_c_and_impatience(tmp_path, free_port, cameras):
    """SIGINT reaches all children too; pressing again, and again, changes nothing."""
    path = sites.write(tmp_path / "site.yaml", staying(free_port, cameras))
    with Daemon(path, free_port) as daemon:
        wait_for_begin(daemon, tmp_path)
        pids = sites.family(daemon)
        daemon.press_ctrl_c()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ProcessLookupError):
                daemon.signal(number)
        assert daemon.stop() == 0
    assert sites.gone(pids)
    ends = sites.of_kind(tmp_path / "alerts.jsonl", "intrusion", "end")
    assert {row["detail"]["reason"] for row in ends} == {"stop"}
    judge_log(daemon)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_starts(tmp_path, free_port, cameras, number):
    """The page answers before the models are loaded: that is when it is told to stop."""
    path = sites.write(tmp_path / "site.yaml", staying(free_port, cameras))
    with Daemon(path, free_port) as daemon:
        pids = sites.family(daemon)
        daemon.signal(number)
        assert daemon.stop() == 0
    assert sites.gone(pids)
    judge_log(daemon)


def test_open_connections_to_the_page_do_not_delay_it(tmp_path, free_port, cameras):
    path = sites.write(tmp_path / "site.yaml", staying(free_port, cameras))
    with Daemon(path, free_port) as daemon, sites.hanging_on(free_port, 3):
        begun = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begun < STOP_S + 1.0
    judge_log(daemon)
