"""CPU time and memory of processes, read from /proc; for the daemon's metrics and for the bench.

Linux only, like memfd and pidfd elsewhere in the package; needs no library. Nothing here is on the path of a frame.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process has used."""

    cpu_s: float
    """User and system time of the process and of its reaped children, seconds."""
    rss_bytes: int
    """Resident memory."""
    pss_bytes: int
    """Proportional memory: shared pages are divided among those who share them; 0 where the kernel does not tell."""


def usage(pid: int, pss: bool = True) -> Usage | None:
    """What a process has used so far; None once it is gone.

    Args:
        pid: of any process of this user.
        pss: False leaves PSS at 0 (reading it walks the page tables, milliseconds for a big process).
    """
    try:
        # the name may hold spaces and parentheses: fields count from behind the last one
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = sum(int(fields[i]) for i in (11, 12, 13, 14)) * _TICK_S
        rss = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        return Usage(cpu_s, rss, _pss(pid) if pss else 0)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def children(pid: int) -> list[int]:
    """The living child processes of a process, at any depth."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (PermissionError, OSError):
        pass
    return 0
