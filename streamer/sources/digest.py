"""HTTP authentication as RTSP cameras want it: Basic and Digest (RFC 7616 with MD5 and SHA-256, RFC 2617 without qop).

Called by `dialog` only. Credentials are sent when the camera asks and not before, and in the strongest form offered.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from dataclasses import dataclass, field

_FIELD = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}


@dataclass(slots=True)
class Credentials:
    """A user's name and password, and the challenge that they are to answer."""

    user: str
    password: str = field(repr=False)
    _scheme: str = ""
    _challenge: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    def take(self, challenges: list[str]) -> bool:
        """Choose among the ``WWW-Authenticate`` lines of an answer; False if none can be answered."""
        offers = [offer for offer in map(_parse, challenges) if offer is not None]
        if not offers:
            return False
        _, self._scheme, self._challenge = max(offers, key=lambda offer: offer[0])
        self._count = 0
        return True

    def header(self, method: str, uri: str) -> str | None:
        """The ``Authorization`` line for one request; None before any challenge was taken."""
        if self._scheme == "basic":
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if self._scheme == "digest":
            return self._digest(method, uri)
        return None

    def _digest(self, method: str, uri: str) -> str:
        challenge = self._challenge
        algorithm = challenge.get("algorithm", "MD5").upper()
        session = algorithm.endswith("-SESS")
        digest = _HASHES[algorithm.removesuffix("-SESS")]

        def h(text: str) -> str:
            return digest(text.encode()).hexdigest()

        realm, nonce = challenge.get("realm", ""), challenge.get("nonce", "")
        self._count += 1
        cnonce, count = os.urandom(8).hex(), f"{self._count:08x}"
        secret = h(f"{self.user}:{realm}:{self.password}")
        if session:
            secret = h(f"{secret}:{nonce}:{cnonce}")
        fields = {"username": self.user, "realm": realm, "nonce": nonce, "uri": uri}
        if "auth" in re.split(r"[\s,]+", challenge.get("qop", "")):
            fields["response"] = h(f"{secret}:{nonce}:{count}:{cnonce}:auth:{h(f'{method}:{uri}')}")
            extra = f', qop=auth, nc={count}, cnonce="{cnonce}"'
        else:
            fields["response"] = h(f"{secret}:{nonce}:{h(f'{method}:{uri}')}")
            extra = f', cnonce="{cnonce}"' if session else ""
        if "opaque" in challenge:
            fields["opaque"] = challenge["opaque"]
        if "algorithm" in challenge:
            extra += f", algorithm={challenge['algorithm']}"
        quoted = ", ".join(f'{key}="{_quote(value)}"' for key, value in fields.items())
        return f"Digest {quoted}{extra}"


def _parse(challenge: str) -> tuple[int, str, dict[str, str]] | None:
    """(strength, scheme, fields) of one challenge, None if we cannot answer it."""
    scheme, _, rest = challenge.strip().partition(" ")
    fields = {key.lower(): quoted or plain for key, quoted, plain in _FIELD.findall(rest)}
    if scheme.lower() == "basic":
        return 1, "basic", fields
    algorithm = fields.get("algorithm", "MD5").upper().removesuffix("-SESS")
    if scheme.lower() == "digest" and algorithm in _HASHES:
        return 3 if algorithm == "SHA-256" else 2, "digest", fields
    return None


def _quote(value: str) -> str:
    return value.replace("\r", "").replace("\n", "").replace("\\", "\\\\").replace('"', '\\"')
