"""What the storage folder may hold: expiry, the bounds of the outbox, and evidence that nobody needs any more.

Called by the outbox once a minute on the store's thread, inside a transaction; deletes files only in the folders of
snapshots and clips. Whatever it gives up it returns, so that the outbox can say so.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from streamer import ledger
from streamer.store import WHY

_YOUNG_S = 120.0  # a file may lie there for a moment before its alert names it


class OutboxSettings(BaseModel):
    """The section `outbox`: how much is kept, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    keep_seconds: float = Field(7 * 86400.0, ge=3600.0, description="Alerts that were dealt with are kept so long.")
    max_alerts: int = Field(50_000, ge=1, description="At most so many alerts that were dealt with are kept.")
    max_waiting: int = Field(
        10_000, ge=1, description="At most so many deliveries wait; beyond it the oldest of the least severe go."
    )
    max_snapshot_bytes: int = Field(2**30, ge=0, description="Snapshots beyond it are deleted, oldest first.")
    max_clip_bytes: int = Field(2**33, ge=0, description="Clips beyond it are deleted, oldest first.")


@dataclass(slots=True)
class Tidied:
    """What a round of tidying has cost; pairs are (sink, alert id)."""

    expired: list[tuple[str, str]] = field(default_factory=list)
    given_up: list[tuple[str, str]] = field(default_factory=list)
    forgotten: int = 0
    snapshots: int = 0
    """Snapshots deleted."""
    clips: int = 0
    """Clips deleted."""
    bare: int = 0
    """Alerts that are still to be sent and lost their snapshot to the size bound."""


def tidy(c: sqlite3.Connection, settings: OutboxSettings, now: float) -> Tidied:
    """Apply the bounds to the tables; the files come after the commit (`sweep`)."""
    return Tidied(
        ledger.expire(c, now),
        ledger.give_up(c, settings.max_waiting, now),
        ledger.forget(c, now - settings.keep_seconds, settings.max_alerts),
    )


def sweep(
    c: sqlite3.Connection, folder: Path, limit: int, now: float, column: Literal["snapshot", "clip"] = "snapshot"
) -> tuple[int, int]:
    """Delete evidence without an alert, then the oldest beyond `limit` bytes, that of alerts still to be sent last.

    What was never finished has no alert's name: a file half written by a reader that was killed goes, too.

    Returns:
        Files deleted, and how many of them an alert was still waiting with.
    """
    named = {
        name: bool(waits)
        for name, waits in c.execute(
            f"SELECT {column}, EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = seq AND d.status = 'pending')"
            f" FROM alerts WHERE {column} IS NOT NULL"
        )
    }
    files = []
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            if entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                owner = _owner(entry.name)
                files.append((named.get(owner, False), status.st_mtime, status.st_size, entry.name))
    total, deleted, bare = 0, 0, 0
    kept = []
    for waits, at, size, name in sorted(files):
        if _owner(name) not in named and now - at > _YOUNG_S:
            deleted += _delete(folder / name)
        else:
            total += size
            kept.append((waits, size, name))
    for waits, size, name in kept:
        if total <= limit:
            break
        total -= size
        deleted += _delete(folder / name)
        bare += waits
        c.execute(f"UPDATE alerts SET {column} = NULL WHERE {column} = ?", (name,))
    return deleted, bare


def _owner(name: str) -> str:
    """The file that an alert names: what explains a clip goes with it."""
    return f"{name.removesuffix(WHY)}.mp4" if name.endswith(WHY) else name


def _delete(path: Path) -> int:
    with suppress(FileNotFoundError):
        path.unlink()
        return 1
    return 0
