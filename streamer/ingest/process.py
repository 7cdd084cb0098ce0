"""One reader process as the engine sees it: kept running, its cameras told to it, their frames heard from it.

When it dies, its cameras are `lost` with cause ``reader_died``, get fresh slot pools (frames of the dead one may still
be in use) and come back with its successor, as soon as the restart budget allows. All on the engine's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Iterator
from typing import Any

from streamer import log
from streamer.channel import Message
from streamer.child import Child
from streamer.ingest.health import Health
from streamer.ingest.inbox import REASONS, Ears, Inbox, Post
from streamer.ingest.settings import IngestSettings
from streamer.ingest.spec import HUNG_STATUS, CameraSpec
from streamer.slots import SlotPool
from streamer.supervisor import Budget, Restarts

logger = log.get(__name__)

_STOP_SECONDS = 3.0
_MODULE = "streamer.ingest.reader"


class ReaderProcess:
    """Keeps one reader process running.

    Args:
        name: for logs and metrics.
        settings: how cameras are read, and how many slots each gets.
        ears: who hears of frames and health.
        pools: all live pools of the engine by number; kept up to date here.
        numbers: gives each new pool its number.
        restarts: how often the process may be restarted.
    """

    def __init__(
        self,
        name: str,
        settings: IngestSettings,
        ears: Ears,
        pools: dict[int, SlotPool],
        numbers: Iterator[int],
        restarts: Restarts,
    ):
        self.name = name
        self.log_setup = {"style": "human", "level": "info"}
        self._settings = settings
        self._ears = ears
        self._inbox = Inbox(ears)
        self._pools = pools
        self._numbers = numbers
        self._share = 1.0
        self._budget = Budget(f"reader {name}", restarts, ears.clock, ears.metrics)
        self._posts: dict[int, Post] = {}
        self._child: Child | None = None
        self._wanted = asyncio.Event()
        self._died = asyncio.Event()
        self._unsent: deque[dict[str, Any]] = deque()
        self._requests = itertools.count(1)
        self._answers: dict[int, asyncio.Future[tuple[bool, str]]] = {}

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is none."""
        return self._child.pid if self._child is not None and self._child.alive else None

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras that it reads."""
        return [post.spec.name for post in self._posts.values()]

    async def run(self) -> None:
        """Start the process and start it again whenever it dies, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                try:
                    self._start()
                    await self._died.wait()
                    reason = "hung" if self._child and self._child.exit_status == HUNG_STATUS else "died"
                except OSError as error:
                    logger.error("reader %s cannot be started: %s", self.name, error)
                    reason = "not_started"
                pause_s = self._budget.spend()
                self._mourn(reason, pause_s)
                await self._ears.clock.sleep(pause_s)
        finally:
            await self._stop()

    def add(self, spec: CameraSpec, session: int) -> None:
        """Read one more camera; its session numbers go on after `session`."""
        post = Post(spec, self._new_pool(spec), session)
        self._posts[post.pool.pool_id] = post
        self._introduce(post)
        self._wanted.set()

    def remove(self, name: str) -> int:
        """Read a camera no more; its last session number."""
        number, post = next((n, post) for n, post in self._posts.items() if post.spec.name == name)
        del self._posts[number]
        self._send({"op": "remove", "pool": number})
        self._close_pool(post)
        if not self._posts:
            self._wanted.clear()
        return post.session

    def free(self, pool: int, slot: int) -> None:
        """Give a slot back."""
        order = {"op": "free", "pool": pool, "slot": slot}
        if pool in self._posts and (self._unsent or self._child is None or not self._child.channel.send(order)):
            self._send(order)

    def ration(self, share: float) -> None:
        """Have so much of each group of pictures decoded."""
        self._share = share
        self._send({"op": "ration", "share": share})

    async def evidence(self, camera: str, order: dict[str, Any], timeout_s: float) -> bool:
        """Have evidence written, a ``snapshot`` or a ``clip``; False if it was not. Counts what came of it."""
        pool = next((number for number, post in self._posts.items() if post.spec.name == camera), None)
        if pool is None or self._child is None:
            return False
        request = next(self._requests)
        answer = self._answers[request] = asyncio.get_running_loop().create_future()
        self._send({"request": request, "pool": pool, **order})
        ok, why = False, "late"
        try:
            async with asyncio.timeout(timeout_s):
                ok, why = await answer
        except TimeoutError:
            pass
        finally:
            self._answers.pop(request, None)
        self._ears.metrics.evidence.labels(camera, order["op"], why or "ok").inc()
        return ok

    def _start(self) -> None:
        self._died.clear()
        self._unsent.clear()
        self._child = Child.start(_MODULE, f"reader {self.name}")
        self._child.listen(self._hear, self._died.set)
        self._send({"op": "hello", "limits": self._settings.limits().header(), "log": self.log_setup})
        self._send({"op": "ration", "share": self._share})
        for post in self._posts.values():
            self._introduce(post)

    def _introduce(self, post: Post) -> None:
        pool = post.pool
        shape = {"id": pool.pool_id, "slots": pool.slots, "slot_bytes": pool.slot_bytes}
        self._send({"op": "add", "spec": post.spec.header(), "session": post.session, "pool": shape})

    def _send(self, header: dict[str, Any]) -> None:
        """Send, or keep for later what does not fit: a slot that is never freed would be lost."""
        if self._child is None or self._died.is_set():
            return
        self._unsent.append(header)
        self._flush()

    def look_after(self) -> None:
        """Call it now and then: sends what did not fit before, and lets a restart be forgotten in time."""
        self._flush()
        if self.pid is not None:
            self._budget.healthy()

    def _flush(self) -> None:
        child = self._child
        while self._unsent and child is not None:
            header = self._unsent[0]
            fds: tuple[int, ...] = ()
            if header["op"] == "add":
                post = self._posts.get(header["pool"]["id"])
                if post is None:
                    self._unsent.popleft()  # it was removed again before it could be introduced
                    continue
                fds = (post.pool.fd,)
            if not child.channel.send(header, fds=fds):
                return
            self._unsent.popleft()

    def _hear(self, message: Message) -> None:
        header = message.header
        op = header.get("op")
        if op == "evidence":
            answer, why = self._answers.get(header.get("request", 0)), header.get("why", "")
            if answer is not None and not answer.done():
                answer.set_result((header.get("ok") is True, why if why in ("", *REASONS) else "failed"))
        elif op in ("frame", "health", "counts"):
            pool = header.get("pool")
            post = self._posts.get(pool) if isinstance(pool, int) else None
            if post is not None:  # else it was removed while the message was on its way
                getattr(self._inbox, op)(post, message)
        elif op == "hung":
            logger.error("reader %s: a camera hangs inside libav; the process starts anew", self.name)
        if self._unsent:
            self._flush()

    def _mourn(self, reason: str, pause_s: float) -> None:
        """The process is gone: say so for each camera, and replace what its death leaves behind."""
        self._child = None
        self._ears.metrics.reader_restarts.labels(reason).inc()
        if self._posts:
            logger.error("reader %s %s with %d cameras; again in %.1f s", self.name, reason, len(self._posts), pause_s)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result((False, "failed"))
        now = self._ears.clock.monotonic()
        for number, post in list(self._posts.items()):
            self._close_pool(post)
            del self._posts[number]
            fresh = Post(post.spec, self._new_pool(post.spec), post.session + 1, post.heard)
            self._posts[fresh.pool.pool_id] = fresh
            health = Health(post.spec.name, post.session, "lost", "reader_died", reason, now, now + pause_s)
            self._inbox.note(fresh, health)

    async def _stop(self) -> None:
        child, self._child = self._child, None
        for post in self._posts.values():
            self._close_pool(post)
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                await child.stop(_STOP_SECONDS)

    def _new_pool(self, spec: CameraSpec) -> SlotPool:
        # the whole box, for the picture's aspect is not known yet; pages that are never written cost nothing
        pool = SlotPool.create(next(self._numbers), self._settings.slots, spec.width * spec.height * 3)
        self._pools[pool.pool_id] = pool
        return pool

    def _close_pool(self, post: Post) -> None:
        self._pools.pop(post.pool.pool_id, None)
        post.pool.close()
