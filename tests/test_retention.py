from __future__ import annotations

import os
from dataclasses import replace

import pytest

from streamer import attachments, ledger, retention
from streamer.retention import OutboxSettings
from streamer.store import Store, why_path
from tests.alerting import EPOCH, alert

DAY = 86400.0


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as opened:
        yield opened


async def enter(store, name, age_s=0.0, picture=0, done=True, **more):
    """An alert of that age, with a picture of so many bytes, delivered or still waiting."""
    path = None
    made = alert(name, time=EPOCH - age_s, **more)
    if picture:
        path = store.snapshot_path(made.id)
        path.write_bytes(b"x" * picture)
        os.utime(path, (EPOCH - age_s, EPOCH - age_s))
    made = replace(made, created_at=EPOCH - age_s, snapshot=path)
    await store.write(lambda c: ledger.enter(c, made, True, {"list": EPOCH + DAY}))
    if done:
        await store.write(lambda c: ledger.mark(c, ledger.recent(c, store.snapshots, 1)[0], "delivered", EPOCH))
    return path


async def kept(store) -> list[str]:
    return [
        row[0] for row in await store.read(lambda c: c.execute("SELECT incident FROM alerts ORDER BY seq").fetchall())
    ]


async def sweep(store, limit=10**9):
    return await store.write(lambda c: retention.sweep(c, store.snapshots, limit, EPOCH + 200))


async def test_old_alerts_go_with_their_pictures_and_waiting_ones_stay(store):
    old = await enter(store, "old", 8 * DAY, picture=10)
    await enter(store, "new", 1 * DAY, picture=10)
    waiting = await enter(store, "waiting", 8 * DAY, picture=10, done=False)
    tidied = await store.write(lambda c: retention.tidy(c, OutboxSettings(), EPOCH))
    assert (tidied.forgotten, await kept(store)) == (1, ["new", "waiting"])
    assert await sweep(store) == (1, 0)
    assert not old.exists()
    assert waiting.exists()


async def test_count_bound_keeps_the_newest(store):
    for number in range(5):
        await enter(store, f"n{number}")
    await store.write(lambda c: retention.tidy(c, OutboxSettings(max_alerts=2), EPOCH))
    assert await kept(store) == ["n3", "n4"]


async def test_long_incident_still_gets_its_end(store):
    begun = alert("long").event
    await store.save_incident(begun)
    await enter(store, "long", 100 * DAY)
    await enter(store, "short", 100 * DAY)
    await store.write(lambda c: retention.tidy(c, OutboxSettings(), EPOCH))
    assert await kept(store) == []
    for name, expected in (("long", None), ("short", "unbegun")):
        end = alert(name, "end")
        assert await store.write(lambda c, end=end: ledger.enter(c, end, True, {"list": EPOCH + DAY})) is expected


async def test_picture_bound_takes_the_oldest_and_waiting_alerts_last(store):
    waiting = await enter(store, "waiting", 300, picture=100, done=False)
    older = await enter(store, "older", 200, picture=100)
    newer = await enter(store, "newer", 100, picture=100)
    assert await sweep(store, 250) == (1, 0)
    assert [path.exists() for path in (waiting, older, newer)] == [True, False, True]
    assert await sweep(store, 50) == (2, 1)
    letter = await store.read(lambda c: ledger.head(c, "list", store.snapshots))
    assert (letter.alert.event.id, letter.alert.snapshot) == ("waiting", None)


async def test_orphans_go_but_not_at_once_and_nothing_else(store):
    young, old = store.snapshots / "young.jpg", store.snapshots / "old.jpg"
    for path, age in ((young, 10), (old, 1000)):
        path.write_bytes(b"x")
        os.utime(path, (EPOCH + 200 - age, EPOCH + 200 - age))
    (store.snapshots / "folder").mkdir()
    outside = store.dir / "outside.jpg"
    outside.write_bytes(b"x")
    (store.snapshots / "link.jpg").symlink_to(outside)
    assert await sweep(store) == (1, 0)
    assert young.exists()
    assert not old.exists()
    assert outside.exists()
    assert (store.snapshots / "folder").exists()


async def test_expiry_leaves_dead_letters(store):
    await enter(store, "a", done=False)
    tidied = await store.write(lambda c: retention.tidy(c, OutboxSettings(), EPOCH + 2 * DAY))
    assert tidied.expired == [("list", "a:begin")]
    (letter,) = await store.read(lambda c: ledger.letters(c, store.snapshots, ledger.DEAD))
    assert (letter.status, letter.error) == ("expired", "too old")


async def test_clips_have_a_bound_of_their_own_and_half_written_ones_go(store):
    async def film(name, age_s, size):
        made = alert(name, time=EPOCH - age_s)
        path = store.clip_path(made.id)
        path.write_bytes(b"x" * size)
        os.utime(path, (EPOCH - age_s, EPOCH - age_s))
        made = replace(made, created_at=EPOCH - age_s, clip=path)
        await store.write(lambda c: ledger.enter(c, made, True, {"list": EPOCH + DAY}))
        await store.write(lambda c: attachments.attach_clip(c, made.id, True))
        return path

    old, new = await film("old", 500, 100), await film("new", 400, 100)
    half = store.clips / ".new.mp4.77.tmp"
    half.write_bytes(b"x")
    os.utime(half, (EPOCH - 300, EPOCH - 300))
    assert await store.write(lambda c: retention.sweep(c, store.clips, 150, EPOCH, "clip")) == (2, 1)
    assert [path.name for path in store.clips.iterdir()] == [new.name]
    assert not old.exists()
    letters = ledger.list_letters(store.dir)
    assert [(letter.alert.clip, letter.alert.clip_ready) for letter in letters] == [(None, False), (new, True)]


async def test_what_explains_a_clip_stays_and_goes_with_it(store):
    made = replace(alert("kept", time=EPOCH - 500), created_at=EPOCH - 500)
    made = replace(made, clip=store.clip_path(made.id))
    await store.write(lambda c: ledger.enter(c, made, True, {"list": EPOCH + DAY}))
    await store.write(lambda c: attachments.attach_clip(c, made.id, True))
    kept, stray = why_path(made.clip), store.clips / "gone-why.png"
    for path in (made.clip, kept, stray):
        path.write_bytes(b"x" * 100)
        os.utime(path, (EPOCH - 400, EPOCH - 400))
    assert await store.write(lambda c: retention.sweep(c, store.clips, 1000, EPOCH, "clip")) == (1, 0)
    assert not stray.exists()
    assert kept.exists()
    await store.write(lambda c: retention.sweep(c, store.clips, 0, EPOCH, "clip"))
    assert list(store.clips.iterdir()) == []
