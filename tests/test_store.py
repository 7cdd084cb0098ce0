from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from streamer import database
from streamer.errors import StoreError
from streamer.events import Moment
from streamer.store import Store, dump_event, load_event
from tests.alerting import event


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "data") as opened:
        yield opened


def test_durability_settings(store):
    connection = database.connect(store.dir)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()


def test_event_survives_as_it_was():
    known = event(
        key=("yard", 7, ("a", 1)),
        sinks=("ops",),
        captured_at=12.5,
        ended=1.0,
        pts=3.5,
        moments=(Moment(1.5, (0.1, 0.2, 0.3, 0.4)),),
    )
    assert load_event(dump_event(known)) == known


def test_event_with_numpy_and_odd_values():
    odd = event(key=(np.int64(3),), detail={"score": np.float32(0.5), "zones": {"b", "a"}, "at": object})
    back = load_event(dump_event(odd))
    assert back.key == (3,)
    assert back.detail["score"] == 0.5
    assert back.detail["zones"] == ["a", "b"]


async def test_open_incidents(store):
    await store.save_incident(event("b"))
    await store.save_incident(event("a"))
    await store.save_incident(event("a", zone="other"))
    assert [(e.id, e.zone) for e in await store.open_incidents()] == [("a", "other"), ("b", "yard")]
    await store.drop_incident("a")
    await store.drop_incident("never there")
    assert [e.id for e in await store.open_incidents()] == ["b"]


async def test_failed_work_leaves_nothing(store):
    def half(c):
        c.execute("INSERT INTO open_incidents VALUES ('x', '{}')")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        await store.write(half)
    assert await store.open_incidents() == []
    await store.save_incident(event("y"))
    assert len(await store.open_incidents()) == 1


async def test_full_disk_is_told_and_leaves_nothing(store):
    pages = (await store.read(lambda c: c.execute("PRAGMA page_count").fetchone()))[0]
    await store.read(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 1}").fetchone())
    with pytest.raises(StoreError, match=r"storage folder .*: the disk is full \(.* MiB free\); nothing was stored"):
        await store.save_incident(event("big", detail={"text": "x" * 50_000}))
    assert await store.open_incidents() == []
    await store.read(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
    await store.save_incident(event("big", detail={"text": "x" * 50_000}))
    assert [e.id for e in await store.open_incidents()] == ["big"]


def test_second_daemon_is_refused_with_the_pid(store, tmp_path):
    with pytest.raises(StoreError, match=rf"in use by another streamer \(pid {os.getpid()}\)"):
        Store(store.dir).open()
    Store(tmp_path / "other").open().close()


def test_lock_ends_with_its_process(tmp_path):
    code = "import sys, time; from pathlib import Path; from streamer.store import Store\n"
    code += "s = Store(Path(sys.argv[1])).open(); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match=rf"pid {child.pid}"):
            Store(tmp_path).open()
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    Store(tmp_path).open().close()


async def test_closed_store_says_so(tmp_path):
    store = Store(tmp_path).open()
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.open_incidents()


def test_damaged_file(tmp_path):
    (tmp_path / database.DATABASE).write_bytes(b"this is no database, certainly " * 100)
    with pytest.raises(StoreError, match=r"streamer\.sqlite is damaged"):
        Store(tmp_path).open()


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory"):
        Store(tmp_path / "file" / "data").open()


def older(folder, version):
    """A storage folder as an older version left it: with one alert that was begun and not yet delivered."""
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / database.DATABASE, isolation_level=None)
    for script in database.MIGRATIONS[:version]:
        connection.executescript(script)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute(
        "INSERT INTO alerts (id, incident, state, camera, pipeline, kind, severity, event_at, created_at, event, text,"
        " ready) VALUES ('i:begin', 'i', 'begin', 'gate', 'p', 'intrusion', 'warning', 5, 6, ?, 'text', 1)",
        (dump_event(event("i")),),
    )
    connection.executemany(
        "INSERT INTO deliveries (alert, sink, status, expires_at, changed_at) VALUES (1, ?, 'pending', 9e9, 6)",
        [("log",), ("ops",)],
    )
    connection.close()


async def test_older_schema_is_migrated_with_its_data(tmp_path):
    older(tmp_path / "data", 1)
    with pytest.raises(StoreError, match="schema 1 is older than 4; start the daemon once"):
        database.connect(tmp_path / "data")
    with Store(tmp_path / "data") as store:
        rows = await store.read(lambda c: c.execute("SELECT id, audience, begun_at FROM incidents").fetchall())
        assert rows == [("i", '["log","ops"]', 6.0)]
        assert (await store.read(lambda c: c.execute("PRAGMA user_version").fetchone())) == (4,)
    Store(tmp_path / "data").open().close()


def test_failed_migration_leaves_the_old_version(tmp_path, monkeypatch):
    older(tmp_path / "data", 1)
    broken = (database.MIGRATIONS[0], database.MIGRATIONS[1] + "; CREATE TABLE incidents (twice TEXT);")
    monkeypatch.setattr(database, "MIGRATIONS", broken)
    with pytest.raises(StoreError, match="already exists"):
        Store(tmp_path / "data").open()
    connection = sqlite3.connect(tmp_path / "data" / database.DATABASE)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'incidents'").fetchone() == (0,)
    connection.close()


def test_newer_schema_is_refused_untouched(tmp_path):
    Store(tmp_path).open().close()
    connection = sqlite3.connect(tmp_path / database.DATABASE)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"schema 99 is newer than this streamer's 4; upgrade streamer"):
        Store(tmp_path).open()
    with pytest.raises(StoreError, match="newer"):
        database.connect(tmp_path)


def test_commands_without_a_storage_folder(tmp_path):
    with pytest.raises(StoreError, match=r"no streamer\.sqlite"):
        database.connect(tmp_path)


def test_snapshot_paths_stay_in_their_folder(store):
    names = ["gate-s-intrusion-1:begin", "../../etc/passwd:begin", "a/b:begin", "a_b:begin", "ä" * 300, ".hidden"]
    paths = [store.snapshot_path(name) for name in names]
    assert all(path.parent == store.snapshots and not path.name.startswith(".") for path in paths)
    assert len({path.name for path in paths}) == len(names)
    assert all(len(path.name.encode()) < 255 for path in paths)
