"""One child process of the engine: started by module name, spoken to over its own channel, killed without mercy.

Readers and inference workers are such children. Every start is a new generation with a new channel, so that nothing of
a killed child can be mistaken for its successor's. The command line holds only a descriptor's number (it is public in
/proc); settings and secrets come as the first message. `Child` is used on the engine's loop, `become_child` in the
child's main.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from streamer import channel
from streamer.channel import Channel, Message

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Idle BLAS threads cost memory and, spinning, processor time; who wants threads asks its runtime for them."""
_PR_SET_PDEATHSIG = 1
_starts: collections.Counter[str] = collections.Counter()


class Child:
    """A running child; make it with `start`."""

    def __init__(self, name: str, generation: int, process: subprocess.Popen[bytes], pipe: Channel):
        self.name = name
        self.generation = generation
        """1 for the first start of this name in this process, and so on."""
        self.channel = pipe
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_message: Callable[[Message], None] | None = None
        self._on_exit: Callable[[], None] | None = None
        self._gone = asyncio.Event()

    @classmethod
    def start(cls, module: str, name: str) -> Child:
        """Start `python -m module FD`; returns at once, long before the child is ready."""
        ours, theirs = channel.pair()
        try:
            process = subprocess.Popen(
                # -P: a file named like a library in the daemon's working directory must not be imported
                [sys.executable, "-P", "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a library prints must not land in the output of a command
                pass_fds=[theirs.fileno()],
                env=_environment(),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        _starts[name] += 1
        return cls(name, _starts[name], process, ours)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still exists; reaps it otherwise."""
        return self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """Exit status, minus the signal's number when killed by one; None while alive."""
        return self._process.poll()

    def listen(self, on_message: Callable[[Message], None], on_exit: Callable[[], None]) -> None:
        """Call back from the running loop.

        Args:
            on_message: called for every message, in order.
            on_exit: called once, after the last message, when the process is gone for whatever reason but `stop`.
        """
        self._loop = asyncio.get_running_loop()
        self._on_message, self._on_exit = on_message, on_exit
        self._loop.add_reader(self.channel.fileno(), self._readable)
        self._loop.add_reader(self._pidfd, self._exited)

    def kill(self) -> None:
        """SIGKILL at once (a stopped or hanging process cannot refuse it); it is reaped by the loop, or here."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        if self._loop is None:
            self._process.wait()
            self._close()

    async def stop(self, timeout_s: float) -> None:
        """Close the channel, give the child time to leave by itself, then kill it. `on_exit` is not called."""
        self._on_message = self._on_exit = None
        loop = asyncio.get_running_loop()
        if self._loop is None and self._pidfd >= 0:
            self._loop = loop
            loop.add_reader(self._pidfd, self._exited)
        self._hang_up()
        if self._pidfd < 0:
            return
        try:
            async with asyncio.timeout(timeout_s):
                await self._gone.wait()
        except TimeoutError:
            self.kill()
            await self._gone.wait()

    def _readable(self) -> None:
        self._deliver()
        if self.channel.closed:
            # a child without a channel is of no use to anybody, and may be hostile when it broke the format
            self._hang_up()
            self.kill()

    def _deliver(self) -> int:
        messages = self.channel.drain()
        for message in messages:
            if self._on_message is not None:
                self._on_message(message)
            else:
                for fd in message.fds:
                    os.close(fd)
        return len(messages)

    def _exited(self) -> None:
        self._process.wait()
        while not self.channel.closed and self._deliver():
            pass
        on_exit, self._on_exit = self._on_exit, None
        self._close()
        if on_exit is not None:
            on_exit()

    def _hang_up(self) -> None:
        if self._loop is not None and self.channel.fileno() >= 0:
            self._loop.remove_reader(self.channel.fileno())
        self.channel.close()

    def _close(self) -> None:
        self._hang_up()
        if self._pidfd >= 0:
            if self._loop is not None:
                self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self._gone.set()


def become_child() -> None:
    """What a child does first: outlive Ctrl-C, not outlive the engine.

    SIGINT and SIGTERM reach a whole process group or control group at once, but it is the engine that stops its
    children in order, by closing their channels (`receive` returns None). If the engine dies without a word, the
    kernel kills the child.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # the engine may have died before the line above; its end of the channel then is closed already
    poll = select.poll()
    poll.register(int(sys.argv[1]), 0)
    if any(event & select.POLLHUP for _, event in poll.poll(0)):
        raise SystemExit(0)


def _environment() -> dict[str, str]:
    """Ours, with what keeps a child small and finds this very package."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # glibc gives each thread an arena of its own and keeps what was freed in it: a reader of 15 cameras took 410 MB,
    # with two arenas 220 MB, at the same processor time
    memory = {"MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2")}
    return os.environ | memory | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))} | dict.fromkeys(_ONE_THREAD, "1")
