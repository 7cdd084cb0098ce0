"""One HTTP POST with bounded time, guarded targets and clear errors; what webhook and alertmanager have in common.

No redirects (they lead around the guard), no proxies from the environment (they would too), no cookies. Messages name
scheme, host and port of the target only: paths and queries of webhooks are secrets.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from pydantic import Field, SecretStr, field_validator, model_validator

from streamer import log
from streamer.errors import SinkBusy, SinkError, SinkRejected
from streamer.sinks.guard import Forbidden, GuardedResolver, check_literal
from streamer.sinks.sink import Sink, SinkSettings, reason

CONNECT_S = 5.0
TOTAL_S = 10.0
_RETRIED = (408, 409, 421, 425, 429)
_TOKEN = re.compile(r"[A-Za-z0-9_\-=.~%+]{16,}")


class HttpSettings(SinkSettings):
    """What a sink that posts to a URL has in YAML."""

    url: SecretStr = Field(description="http or https address; its path and query are treated as secrets.")
    allow_private: bool = Field(
        False, description="Also call loopback, private and link-local addresses; needed for receivers in the house."
    )

    @field_validator("url")
    @classmethod
    def _usable(cls, url: SecretStr) -> SecretStr:
        try:
            parts = urlsplit(url.get_secret_value())
            port = parts.port
        except ValueError:
            raise ValueError("the URL cannot be read; write for example https://example.org/hook") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise ValueError("the URL needs http:// or https:// and a host; write for example https://example.org/hook")
        _register(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _allowed(self) -> HttpSettings:
        """An address that is written out is refused at once; names are checked at each connection."""
        try:
            check_literal(urlsplit(self.url.get_secret_value()).hostname or "", self.allow_private)
        except Forbidden as error:
            raise ValueError(str(error)) from None
        return self


def _register(url: str) -> None:
    """Make known what is secret in a URL: user and password, values of its query, path segments like tokens."""
    log.secrets.add_url(url)
    parts = urlsplit(url)
    values = [pair.partition("=")[2] or pair for pair in parts.query.split("&")]
    for value in [*values, *_TOKEN.findall(parts.path), parts.password or ""]:
        if len(value) >= 6:
            log.secrets.add(value)


class Poster:
    """A client for one URL (of `settings`, with `path` added); opened and closed by its sink."""

    def __init__(self, sink: Sink, settings: HttpSettings, path: str = ""):
        self._name = sink.name
        self._clock = sink.clock
        self._settings = settings
        parts = urlsplit(settings.url.get_secret_value())
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        self.target = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
        """Scheme, host and port: what may be shown."""
        self._auth: dict[str, str] = {}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._auth["Authorization"] = f"Basic {base64.b64encode(pair).decode('ascii')}"
        if path:
            parts = parts._replace(path=parts.path.rstrip("/") + path)
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; connects only at the first request."""
        if self._session is not None:
            return
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(self._settings.allow_private), use_dns_cache=False, limit=2
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Post once; returns if the answer is 2xx.

        Raises:
            SinkRejected: the receiver refuses this message (most of 4xx).
            SinkBusy: 429 or 503 with Retry-After.
            SinkError: any other failure; worth another attempt.
        """
        await self.open()
        assert self._session is not None
        try:
            check_literal(urlsplit(self._url).hostname or "", self._settings.allow_private)
            async with self._session.post(
                self._url, data=body, headers={**headers, **self._auth}, allow_redirects=False
            ) as answer:
                excerpt = await answer.content.read(300)
                self._judge(answer, excerpt)
        except TimeoutError as error:
            raise SinkError(f"sink {self._name!r}: {self.target} did not answer within {TOTAL_S:g} s") from error
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            raise SinkError(f"sink {self._name!r}: {self.target}: {log.secrets.scrub(_root(error))}") from error

    def _judge(self, answer: Any, excerpt: bytes) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        said = log.secrets.scrub(" ".join(excerpt.decode("utf-8", "replace").split())[:200])
        message = f"sink {self._name!r}: {self.target} answered {status}{f': {said}' if said else ''}"
        after_s = _retry_after_s(answer.headers.get("Retry-After", ""), self._clock.time())
        if status in (429, 503) and after_s is not None:
            raise SinkBusy(message, after_s)
        if 300 <= status < 400:
            raise SinkError(f"{message} (a redirect; not followed: give the final address as `url`)")
        if 400 <= status < 500 and status not in _RETRIED:
            raise SinkRejected(message)
        raise SinkError(message)


def _root(error: BaseException) -> str:
    """The error in words without the URL, which aiohttp likes to put into its own."""
    inner = getattr(error, "os_error", None) or error.__cause__
    if isinstance(error, aiohttp.InvalidURL):
        return "the URL cannot be used"
    if isinstance(inner, OSError) and inner.errno and "Connect call failed" in str(inner):
        return os.strerror(inner.errno).lower()  # asyncio's own text is "[Errno 111] Connect call failed ('...', 9)"
    return reason(inner if isinstance(inner, OSError) else error)


def _retry_after_s(value: str, now: float) -> float | None:
    """Seconds of a Retry-After header: a number, or a date."""
    value = value.strip()
    if value.isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    return max((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now, 0.0)
