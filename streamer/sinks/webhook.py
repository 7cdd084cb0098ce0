"""Alerts as signed HTTP POSTs: a JSON body, an idempotency key, and an HMAC by which the receiver knows the sender.

`X-Streamer-Signature: t=SECONDS,v1=HEX`, where HEX is HMAC-SHA256 over ``SECONDS.BODY`` with the shared secret; a
receiver should refuse old SECONDS. The same alert may come twice (at least once), always with the same
`Idempotency-Key`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator

from streamer import log
from streamer.sinks.http import HttpSettings, Poster
from streamer.sinks.sink import Alert, Sink

_LARGEST = 8 * 2**20  # a snapshot beyond it stays at home; a JPEG of 8 MiB is no evidence picture


class WebhookSettings(HttpSettings):
    """A receiver of signed POSTs."""

    type: Literal["webhook"] = "webhook"
    secret: SecretStr | None = Field(None, description="Key of the HMAC-SHA256 signature; unsigned if left out.")
    snapshot: Literal["inline", "multipart", "none"] = Field(
        "inline", description="The picture as base64 in the JSON, as a part of a multipart form, or not at all."
    )

    @field_validator("secret")
    @classmethod
    def _known(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            log.secrets.add(secret.get_secret_value())
        return secret

    def build(self, name: str, base_dir: Path) -> WebhookSink:
        """See SinkSettings."""
        return WebhookSink(name, self)


class WebhookSink(Sink):
    """Posts each alert to one URL."""

    def __init__(self, name: str, settings: WebhookSettings):
        super().__init__(name, settings)
        self._options = settings
        self._poster = Poster(self, settings)

    async def open(self) -> None:
        """See Sink."""
        await self._poster.open()

    async def send(self, alert: Alert) -> None:
        """See Sink."""
        picture = None
        if self._options.snapshot != "none" and alert.snapshot is not None:
            picture = await asyncio.to_thread(read_snapshot, alert.snapshot)
        content_type, body = _body(alert, picture, self._options.snapshot == "multipart")
        headers = {"Content-Type": content_type, "Idempotency-Key": header_text(alert.id), "User-Agent": "streamer"}
        if self._options.secret is not None:
            key = self._options.secret.get_secret_value()
            headers["X-Streamer-Signature"] = signature(key, int(self.clock.time()), body)
        await self._poster.post(body, headers)

    async def close(self) -> None:
        """See Sink."""
        await self._poster.close()


def signature(secret: str, at: int, body: bytes) -> str:
    """The signature header's value for a body sent at `at`, UTC epoch in seconds."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def header_text(value: str) -> str:
    """A value as a header may carry it: printable ASCII stays, the rest is percent-encoded."""
    return quote(value, safe="".join(chr(code) for code in range(33, 127) if chr(code) != "%"))


def read_snapshot(path: Path) -> bytes | None:
    """The picture, or None if the size bound has deleted it meanwhile or it is absurdly large."""
    try:
        return path.read_bytes() if path.stat().st_size <= _LARGEST else None
    except OSError:
        return None


def _body(alert: Alert, picture: bytes | None, multipart: bool) -> tuple[str, bytes]:
    row: dict[str, Any] = alert.row()
    if picture is not None and not multipart:
        row["snapshot"] = {"type": "image/jpeg", "base64": base64.b64encode(picture).decode("ascii")}
    document = json.dumps(row, ensure_ascii=False, default=str).encode()
    if not multipart:
        return "application/json", document
    boundary = "streamer-" + hashlib.sha256(document + (picture or b"")).hexdigest()[:32]
    parts = [_part(boundary, 'name="alert"', "application/json", document)]
    if picture is not None:
        parts.append(_part(boundary, 'name="snapshot"; filename="snapshot.jpg"', "image/jpeg", picture))
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


def _part(boundary: str, disposition: str, content_type: str, body: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {content_type}\r\n\r\n"
    return head.encode() + body + b"\r\n"
