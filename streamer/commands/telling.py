"""What commands over many clips or bytes show: a bar while they work, and lists that do not flood a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

SHOWN = 200
"""Lines of one list."""


def print_some(lines: Iterable[str], rest: str = "") -> None:
    """Print the first of many lines, and how many more there are."""
    every = list(lines)
    for line in every[:SHOWN]:
        print(line)
    if len(every) > SHOWN:
        print(f"  and {len(every) - SHOWN} more{rest}")


@contextmanager
def progress(task: str, of_bytes: bool = False) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr when that is a terminal, moved by (done, all; 0 if unknown); None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    amount = (DownloadColumn(), TransferSpeedColumn()) if of_bytes else (MofNCompleteColumn(),)
    columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        row = bar.add_task(task, total=None)
        yield lambda done, total: bar.update(row, completed=done, total=total or None)
