"""The statements about an alert's evidence: its snapshot, which it may wait for, and its clip, which comes later.

Plain functions over a connection like those of `ledger.py`, called by `outbox.py` on the store's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from streamer.store import CLIPS


def attach(c: sqlite3.Connection, alert_id: str, snapshot: Path | None) -> None:
    """An alert has its snapshot, or will never have one: it may go."""
    c.execute(
        "UPDATE alerts SET ready = 1, snapshot = coalesce(?, snapshot) WHERE id = ?",
        (None if snapshot is None else snapshot.name, alert_id),
    )


def attach_clip(c: sqlite3.Connection, alert_id: str, there: bool) -> None:
    """The clip of an alert is there, or will never be."""
    state = "ready" if there else "missing"
    c.execute("UPDATE alerts SET clip_state = ? WHERE id = ? AND clip_state = 'expected'", (state, alert_id))


def release_all(c: sqlite3.Connection, path_of: Callable[[str], Path], but: frozenset[str]) -> None:
    """After a restart nobody waits for evidence: take what was still written, and let all go (save `but`)."""
    clips = c.execute("SELECT id, clip FROM alerts WHERE clip_state = 'expected'").fetchall()
    for alert_id, clip in clips:
        if alert_id not in but:
            attach_clip(c, alert_id, clip is not None and (path_of(alert_id).parent.with_name(CLIPS) / clip).is_file())
    for seq, alert_id in c.execute("SELECT seq, id FROM alerts WHERE ready = 0").fetchall():
        path = path_of(alert_id)
        if alert_id not in but:
            name = path.name if path.is_file() else None
            c.execute("UPDATE alerts SET ready = 1, snapshot = coalesce(snapshot, ?) WHERE seq = ?", (name, seq))
