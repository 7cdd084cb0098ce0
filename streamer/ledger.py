"""The statements behind the outbox: what is written about alerts and their deliveries, and in which order.

Plain functions over a connection, each meant to run inside one transaction of the store; no clock, no network. Called
by `outbox.py` on the store's thread, and by `streamer outbox` beside a running daemon. A delivery is `pending`,
`delivered`, or a dead letter: `rejected` (by the receiver), `expired` (too old) or `given_up` (by the size bound).
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamer.database import connect, transact
from streamer.events import SEVERITIES
from streamer.sinks.sink import Alert
from streamer.store import CLIPS, dump_event, load_event

Status = Literal["pending", "delivered", "rejected", "expired", "given_up"]
DEAD: tuple[Status, ...] = ("rejected", "expired", "given_up")
_DEAD = "('rejected', 'expired', 'given_up')"
_ALERT = "a.seq, a.id, a.event, a.severity, a.text, a.created_at, a.snapshot, a.ready, a.clip, a.clip_state"


@dataclass(frozen=True, slots=True)
class Letter:
    """One alert on its way to one sink."""

    seq: int
    """Order of entry; deliveries to a sink follow it."""
    sink: str
    alert: Alert
    ready: bool
    """False while it may still get its snapshot."""
    status: Status
    attempts: int
    expires_at: float
    """UTC epoch in seconds."""
    changed_at: float
    error: str | None


def enter(c: sqlite3.Connection, alert: Alert, ready: bool, expires_at: Mapping[str, float]) -> str | None:
    """Write an alert down, for all its sinks; the caller's transaction makes it durable.

    Args:
        c: inside a transaction.
        alert: as decided; an update or end goes only to sinks that its begin concerned.
        ready: False if a snapshot may follow.
        expires_at: UTC epoch by sink.

    Returns:
        None when it was written, else why not: duplicate, cooldown, unbegun or state.
    """
    event, sinks = alert.event, alert.sinks
    if c.execute("SELECT 1 FROM alerts WHERE id = ?", (alert.id,)).fetchone():
        return "duplicate"
    if event.state == "begin":
        if c.execute("SELECT 1 FROM incidents WHERE id = ?", (event.id,)).fetchone():
            return "duplicate"
        if _cooling(c, alert):
            return "cooldown"
        audience = json.dumps(list(alert.audience or sinks))
        c.execute("INSERT INTO incidents VALUES (?, ?, ?)", (event.id, audience, alert.created_at))
    else:
        row = c.execute("SELECT audience FROM incidents WHERE id = ?", (event.id,)).fetchone()
        if row is None:
            return "unbegun"
        told = json.loads(row[0])
        sinks = tuple(name for name in sinks if name in told)
        if not sinks:
            return "state"
    seq = c.execute(
        "INSERT INTO alerts (id, incident, state, camera, pipeline, kind, severity, event_at, created_at, event, text,"
        " snapshot, ready, clip, clip_state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(alert.id, event.id, event.state, event.camera, event.pipeline, event.kind, alert.severity, event.time),
            *(alert.created_at, dump_event(event), alert.text, _name(alert.snapshot), int(ready or not sinks)),
            *(_name(alert.clip), None if alert.clip is None else "expected"),
        ),
    ).lastrowid
    c.executemany(
        "INSERT INTO deliveries (alert, sink, status, expires_at, changed_at) VALUES (?, ?, 'pending', ?, ?)",
        [(seq, sink, expires_at[sink], alert.created_at) for sink in sinks],
    )
    return None


def _cooling(c: sqlite3.Connection, alert: Alert) -> bool:
    """Whether an alert of the same key is too near; one that no sink delivered, or will, gave its charge back.

    Distance in both directions: a clock that stepped back must not silence a camera until it has caught up.
    """
    event = alert.event
    return (
        c.execute(
            "SELECT 1 FROM alerts a WHERE camera = ? AND pipeline = ? AND kind = ? AND state = 'begin'"
            " AND event_at > ? AND event_at < ?"
            " AND (NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.seq)"
            f" OR EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.seq AND d.status NOT IN {_DEAD})) LIMIT 1",
            (
                *(event.camera, event.pipeline, event.kind),
                *(event.time - alert.cooldown_s, event.time + alert.cooldown_s),
            ),
        ).fetchone()
        is not None
    )


def head(c: sqlite3.Connection, sink: str, snapshots: Path, now: float = math.inf) -> Letter | None:
    """The next alert for a sink, in order of entry; those that stepped aside until later than `now` are passed.

    None passes an earlier one of its own incident: an end never comes before its begin.
    """
    where = (
        "d.sink = ? AND d.status = 'pending' AND d.retry_at <= ? AND NOT EXISTS (SELECT 1 FROM alerts b"
        " JOIN deliveries f ON f.alert = b.seq AND f.sink = d.sink AND f.status = 'pending'"
        " WHERE b.incident = a.incident AND b.seq < a.seq) ORDER BY d.alert LIMIT 1"
    )
    rows = _letters(c, snapshots, where, (sink, now))
    return rows[0] if rows else None


def next_retry(c: sqlite3.Connection, sink: str, now: float) -> float | None:
    """When the first of those that stepped aside is due again, UTC epoch; None if there are none."""
    found: float | None = c.execute(
        "SELECT min(retry_at) FROM deliveries WHERE sink = ? AND status = 'pending' AND retry_at > ?", (sink, now)
    ).fetchone()[0]
    return found


def recall(c: sqlite3.Connection, sink: str, seqs: Sequence[int] | None = None) -> None:
    """Those that stepped aside are due now (None: all)."""
    if seqs is None:
        c.execute("UPDATE deliveries SET retry_at = 0 WHERE sink = ? AND status = 'pending' AND retry_at > 0", (sink,))
        return
    c.executemany(
        "UPDATE deliveries SET retry_at = 0 WHERE alert = ? AND sink = ? AND status = 'pending'",
        [(seq, sink) for seq in seqs],
    )


def mark(
    c: sqlite3.Connection, letter: Letter, status: Status, at: float, error: str | None = None, retry_at: float = 0.0
) -> None:
    """Note what came of an attempt; `pending` notes a failure that will be tried again, not before `retry_at`."""
    c.execute(
        "UPDATE deliveries SET status = ?, attempts = attempts + ?, changed_at = ?, error = ?, retry_at = ?"
        " WHERE alert = ? AND sink = ?",
        (status, int(status not in ("expired", "given_up")), at, error, retry_at, letter.seq, letter.sink),
    )


def depths(c: sqlite3.Connection) -> dict[str, tuple[int, float, int]]:
    """By sink: how many wait, when the oldest was created (UTC epoch; 0 if none waits), and how many are dead."""
    waiting = {
        sink: (count, oldest)
        for sink, count, oldest in c.execute(
            "SELECT w.sink, w.count, a.created_at FROM (SELECT sink, count(*) AS count, min(alert) AS first"
            " FROM deliveries WHERE status = 'pending' GROUP BY sink) w JOIN alerts a ON a.seq = w.first"
        )
    }
    dead = dict(c.execute(f"SELECT sink, count(*) FROM deliveries WHERE status IN {_DEAD} GROUP BY sink").fetchall())
    return {sink: (*waiting.get(sink, (0, 0.0)), dead.get(sink, 0)) for sink in sorted({*waiting, *dead})}


def expire(c: sqlite3.Connection, now: float) -> list[tuple[str, str]]:
    """Turn what is too old into dead letters; (sink, alert id) of each."""
    rows = c.execute(
        "SELECT d.alert, d.sink, a.id FROM deliveries d JOIN alerts a ON a.seq = d.alert"
        " WHERE d.status = 'pending' AND d.expires_at <= ?",
        (now,),
    ).fetchall()
    return _bury(c, rows, "expired", now, "too old")


def give_up(c: sqlite3.Connection, limit: int, now: float) -> list[tuple[str, str]]:
    """Keep at most `limit` waiting deliveries: the least severe go first, and of those the oldest."""
    excess = c.execute("SELECT count(*) FROM deliveries WHERE status = 'pending'").fetchone()[0] - limit
    if excess <= 0:
        return []
    order = " ".join(f"WHEN '{name}' THEN {rank}" for rank, name in enumerate(SEVERITIES))
    rows = c.execute(
        "SELECT d.alert, d.sink, a.id FROM deliveries d JOIN alerts a ON a.seq = d.alert"
        f" WHERE d.status = 'pending' ORDER BY CASE a.severity {order} ELSE 9 END, d.alert LIMIT ?",
        (excess,),
    ).fetchall()
    return _bury(c, rows, "given_up", now, f"more than {limit} alerts were waiting")


def _bury(
    c: sqlite3.Connection, rows: list[tuple[int, str, str]], status: Status, now: float, why: str
) -> list[tuple[str, str]]:
    c.executemany(
        "UPDATE deliveries SET status = ?, changed_at = ?, error = coalesce(error || '; ', '') || ?"
        " WHERE alert = ? AND sink = ?",
        [(status, now, why, alert, sink) for alert, sink, _ in rows],
    )
    return [(sink, alert_id) for _, sink, alert_id in rows]


def forget(c: sqlite3.Connection, before: float, keep: int) -> int:
    """Delete alerts that nobody waits for: created before that time, and the oldest beyond `keep`; how many."""
    newest = c.execute("SELECT seq FROM alerts ORDER BY seq DESC LIMIT 1 OFFSET ?", (keep,)).fetchone()
    deleted = c.execute(
        "DELETE FROM alerts WHERE (created_at < ? OR seq <= ?)"
        " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = alerts.seq AND d.status = 'pending')",
        (before, newest[0] if newest else -1),
    ).rowcount
    c.execute("DELETE FROM incidents WHERE begun_at < ? AND id NOT IN (SELECT id FROM open_incidents)", (before,))
    return deleted


def open_alerts(c: sqlite3.Connection, sink: str, snapshots: Path) -> list[Alert]:
    """Begin alerts that a sink has, of incidents whose end it was not yet sent; oldest first."""
    where = (
        "d.sink = ? AND d.status = 'delivered' AND a.state = 'begin' AND NOT EXISTS (SELECT 1 FROM alerts e"
        " JOIN deliveries f ON f.alert = e.seq AND f.sink = d.sink AND f.status <> 'pending'"
        " WHERE e.incident = a.incident AND e.state = 'end')"
        " AND a.incident IN (SELECT id FROM open_incidents UNION SELECT incident FROM alerts p JOIN deliveries q"
        " ON q.alert = p.seq AND q.status = 'pending') ORDER BY d.alert"
    )
    return [letter.alert for letter in _letters(c, snapshots, where, (sink,))]


def letters(c: sqlite3.Connection, snapshots: Path, statuses: Sequence[Status], limit: int = 1000) -> list[Letter]:
    """Deliveries of these statuses, oldest first."""
    marks = ", ".join("?" * len(statuses))
    where = f"d.status IN ({marks}) ORDER BY d.alert, d.sink LIMIT ?"
    return _letters(c, snapshots, where, (*statuses, limit))


def recent(c: sqlite3.Connection, snapshots: Path, limit: int) -> list[Letter]:
    """The last deliveries of any status, newest first."""
    return _letters(c, snapshots, "true ORDER BY d.alert DESC, d.sink LIMIT ?", (limit,))


def retry(c: sqlite3.Connection, now: float, alert_ids: Sequence[str] | None, lifetime_s: float) -> int:
    """Send dead letters again (all, or those of these alerts), with a new expiry; how many."""
    only = "" if alert_ids is None else f" AND alert IN (SELECT seq FROM alerts WHERE id IN ({_marks(alert_ids)}))"
    return c.execute(
        "UPDATE deliveries SET status = 'pending', expires_at = ?, changed_at = ?, retry_at = 0"
        f" WHERE status IN {_DEAD}{only}",
        (now + lifetime_s, now, *(alert_ids or ())),
    ).rowcount


def list_letters(dir: Path, statuses: Sequence[Status] = ("pending", *DEAD), limit: int = 1000) -> list[Letter]:
    """For `streamer outbox list`: reads the storage folder, also beside a running daemon.

    Raises:
        StoreError: no storage folder there, or one of another version.
    """
    with closing(connect(dir)) as c:
        return letters(c, dir / "snapshots", statuses, limit)


def retry_letters(dir: Path, now: float, alert_ids: Sequence[str] | None = None, lifetime_s: float = 86400.0) -> int:
    """For `streamer outbox retry`: a running daemon picks the letters up within some seconds, else the next one.

    Raises:
        StoreError: see `list_letters`.
    """
    with closing(connect(dir)) as c:
        return transact(c, dir, lambda c: retry(c, now, alert_ids, lifetime_s))


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _name(snapshot: Path | None) -> str | None:
    return None if snapshot is None else snapshot.name


def _letters(c: sqlite3.Connection, snapshots: Path, where: str, values: tuple[object, ...]) -> list[Letter]:
    rows = c.execute(
        f"SELECT {_ALERT}, d.sink, d.status, d.attempts, d.expires_at, d.changed_at, d.error"
        f" FROM deliveries d JOIN alerts a ON a.seq = d.alert WHERE {where}",
        values,
    ).fetchall()
    found = []
    for seq, key, event, severity, text, created_at, snapshot, ready, clip, clip_state, sink, *rest in rows:
        path = None if snapshot is None else snapshots / snapshot
        video = None if clip is None or clip_state == "missing" else snapshots.with_name(CLIPS) / clip
        there = video is not None and clip_state == "ready"
        alert = Alert(key, load_event(event), severity, (sink,), text, created_at, path, clip=video, clip_ready=there)
        found.append(Letter(seq, sink, alert, bool(ready), *rest))
    return found
