"""Signal feeds that are asked for: one GET after the other, with bounded time and size, no redirects, no proxies.

Supervised by `reception`; on the engine's loop.
"""

from __future__ import annotations

import logging

import aiohttp

from streamer import log
from streamer.clock import Clock
from streamer.signals.message import LARGEST
from streamer.signals.mqtt import Hear
from streamer.signals.settings import PollFeed
from streamer.sinks.sink import reason

logger = log.get(__name__)

_SLOWEST_S = 10.0


async def ask(name: str, settings: PollFeed, hear: Hear, clock: Clock) -> None:
    """Ask for a signal's state until cancelled; what fails is asked again, more slowly the longer it fails."""
    headers = {} if settings.token is None else {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
    timeout = aiohttp.ClientTimeout(total=settings.timeout_seconds)
    failures = 0
    async with aiohttp.ClientSession(
        timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        while True:
            begun = clock.monotonic()
            try:
                hear(name, await _once(session, settings.url.get_secret_value()))
                if failures:
                    logger.info("signal %s: answers again", name)
                failures = 0
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                failures += 1
                words = log.secrets.scrub(reason(error))
                logger.log(logging.WARNING if failures == 1 else logging.DEBUG, "signal %s: poll: %s", name, words)
            pause_s = settings.every_seconds * min(2**failures, _SLOWEST_S / settings.every_seconds + 1)
            await clock.sleep(max(0.0, pause_s - (clock.monotonic() - begun)))


async def _once(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url, allow_redirects=False) as answer:
        if answer.status != 200:
            raise aiohttp.ClientError(f"answered {answer.status} {answer.reason}")
        return await answer.content.read(LARGEST + 1)
