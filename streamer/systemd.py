"""Tells the service manager how the daemon is: ready, reloading, stopping, alive (`sd_notify`, in thirty lines).

Used by the daemon only. Without `NOTIFY_SOCKET` in the environment (a terminal, a container) every call does nothing.
It never blocks and never raises: a service manager that does not listen must not stop a daemon that works.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

from streamer import log

logger = log.get(__name__)


class Notifier:
    """The socket of the service manager."""

    def __init__(self, environment: Mapping[str, str] | None = None):
        environment = os.environ if environment is None else environment
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._failed = False
        self.watchdog_s = _watchdog_s(environment)
        """The service manager wants a WATCHDOG=1 at least this often, seconds; None: it does not watch."""

    @property
    def enabled(self) -> bool:
        """Whether a service manager listens."""
        return self._address is not None

    def notify(self, *fields: str) -> None:
        """Send fields such as ``READY=1``, ``STATUS=watching 3 cameras``, ``WATCHDOG=1``, ``STOPPING=1``."""
        if self._address is None:
            return
        message = "\n".join(field.replace("\n", " ") for field in fields).encode("utf-8", "replace")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message, self._address)
            self._failed = False
        except OSError as error:
            if not self._failed:  # once is enough: the watchdog comes every second
                logger.warning("systemd: NOTIFY_SOCKET does not take messages (%s); it will think us silent", error)
            self._failed = True

    def reloading(self) -> None:
        """Say that a reload begins; `notify("READY=1")` ends it."""
        # systemd compares the time with that of its own request (Type=notify-reload)
        self.notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def _address(named: str) -> str | None:
    """The address to send to: a path, or ``@name`` for one in the abstract namespace."""
    if named.startswith("@"):
        return "\0" + named[1:]
    if named and not named.startswith("/"):
        logger.warning("systemd: NOTIFY_SOCKET=%r is no Unix socket; nothing is notified", named)
        return None
    return named or None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """From WATCHDOG_USEC, unless WATCHDOG_PID says that it is meant for another process."""
    meant_for = environment.get("WATCHDOG_PID")
    if meant_for is not None and meant_for != str(os.getpid()):
        return None
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
