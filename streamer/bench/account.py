"""CPU time and memory of the subject's processes by role, and what else kept the machine busy. Reads /proc only."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamer.bench.figures import Memory
from streamer.usage import usage

_TICKS = os.sysconf("SC_CLK_TCK")
_MB = 2.0**20
Roles = Mapping[str, Sequence[int]]
"""Process numbers by role."""


class Account:
    """Samples memory during a window, and CPU time at its ends."""

    def __init__(self, roles: Roles):
        self._roles = roles
        self._last: dict[int, float] = {}
        self._samples: list[tuple[float, dict[str, float], dict[str, float]]] = []

    @property
    def processes(self) -> dict[str, int]:
        """How many there are of each role."""
        return {role: len(pids) for role, pids in self._roles.items()}

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by role; a process that is gone counts as it was last seen."""
        for pids in self._roles.values():
            for pid in pids:
                used = usage(pid, pss=False)
                if used is not None:
                    self._last[pid] = used.cpu_s
        return {role: sum(self._last.get(pid, 0.0) for pid in pids) for role, pids in self._roles.items()}

    def sample(self) -> None:
        """Note the memory now."""
        rss, pss = {}, {}
        for role, pids in self._roles.items():
            used = [u for pid in pids if (u := usage(pid)) is not None]
            rss[role] = sum(u.rss_bytes for u in used) / _MB
            pss[role] = sum(u.pss_bytes for u in used) / _MB
        self._samples.append((time.monotonic(), rss, pss))

    def memory(self) -> Memory:
        """What the samples come to."""
        return summarize(self._samples)


def summarize(samples: Sequence[tuple[float, Mapping[str, float], Mapping[str, float]]]) -> Memory:
    """Peaks by role, and the totals of the first and last third; samples are (instant, RSS, PSS) in MB by role."""
    roles = samples[0][1] if samples else {}
    totals = [sum(pss.values()) for _, _, pss in samples]
    third = max(1, len(totals) // 3)

    def peak(of: int) -> dict[str, float]:
        return {role: round(max(sample[of][role] for sample in samples), 1) for role in roles}  # type: ignore[index]

    first, last = totals[:third], totals[-third:]
    return Memory(
        peak(1) if samples else {},
        peak(2) if samples else {},
        round(sum(first) / len(first), 1) if first else 0.0,
        round(sum(last) / len(last), 1) if last else 0.0,
    )


def machine() -> tuple[float, float]:
    """Seconds that the machine's cores were busy, and seconds that the host took from it, since boot."""
    user, nice, system, _, _, irq, softirq, steal = (
        int(field) / _TICKS for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return user + nice + system + irq + softirq, steal
