"""Pictures of where a behaviour model saw what it decided, for alerts that ask for one: `alerts.clip.explain`.

Made from the alert's clip by a process of its own at the lowest priority, one at a time, for it computes for seconds
and may load torch: neither engine nor readers nor worker notice. What cannot be made is said; the alert went
long before. Called by `evidence`, on the engine's loop.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from streamer import log
from streamer.alerts import Alert
from streamer.store import why_path

logger = log.get(__name__)
LONGEST_S = 600.0
"""A picture that takes longer is given up."""
WAITING = 8
"""Alerts that wait for their picture; of more, none is made: they would come hours later."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Explainer:
    """Makes them, one after the other.

    Args:
        file_of: the file of a behaviour model by the name that rules use; None: it has none.
        command: instead of our own command line, in tests.
    """

    def __init__(
        self, file_of: Callable[[str], Path | None], command: Sequence[str] = (sys.executable, "-m", "streamer")
    ):
        self._file_of = file_of
        self._command = tuple(command)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def explain(self, alert: Alert) -> bool:
        """Draw why an alert was raised, beside its clip, which is there. Returns whether there is a picture.

        Alerts that no behaviour model has raised have none.
        """
        name = alert.event.detail.get("model")
        file = None if name is None else self._file_of(str(name))
        if file is None or alert.clip is None:
            return False
        if self._waiting >= WAITING:
            logger.warning("alert %s is not explained: %d others wait", alert.id, self._waiting)
            return False
        self._waiting += 1
        try:
            async with self._turn:
                return await self._draw(alert, alert.clip, file)
        finally:
            self._waiting -= 1

    async def _draw(self, alert: Alert, clip: Path, file: Path) -> bool:
        out = why_path(clip)
        nice = shutil.which("nice")
        argv = [*((nice, "-n", "19") if nice else ()), *self._command, "explain"]
        argv += ["--model", str(file), "--video", str(clip), "--out", str(out)]
        label = alert.event.detail.get("label")
        argv += ["--label", str(label)] if label is not None else []
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(_THREADS, "1")},
        )
        try:
            _, said = await asyncio.wait_for(process.communicate(), LONGEST_S)
        except TimeoutError:
            logger.warning("alert %s is not explained: it took more than %g s", alert.id, LONGEST_S)
            return False
        finally:
            if process.returncode is None:  # it took too long, or the daemon stops
                process.kill()
                await process.wait()
        if process.returncode:
            words = said.decode(errors="replace").strip().splitlines()
            reason = words[-1] if words else f"status {process.returncode}"
            logger.warning("alert %s is not explained: %s", alert.id, reason)
        return process.returncode == 0 and out.is_file()
