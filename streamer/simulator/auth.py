"""Who may watch: HTTP Basic and Digest authentication as cameras use it in RTSP (RFC 2617, RFC 7616 with MD5).

Called by `rtsp` for each request. Credentials are compared, never logged. Pure but for the random nonce.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

SCHEMES = ("none", "basic", "digest", "both")
REALM = "camera"
_PAIR = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*))')


@dataclass(frozen=True, slots=True)
class Guard:
    """The door of one camera."""

    user: str = ""
    password: str = field(default="", repr=False)
    scheme: str = "none"
    """One of SCHEMES."""

    def challenge(self, nonce: str) -> list[str]:
        """Values of WWW-Authenticate, the strongest first; Digest without qop, as most cameras send it."""
        offers = []
        if self.scheme in ("digest", "both"):
            offers.append(f'Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5')
        if self.scheme in ("basic", "both"):
            offers.append(f'Basic realm="{REALM}"')
        return offers or [f'Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5']

    def admits(self, authorization: str | None, method: str, nonce: str) -> bool:
        """Whether a request with this Authorization header may pass; `nonce` is what this connection was offered."""
        if self.scheme == "none":
            return True
        scheme, _, rest = (authorization or "").partition(" ")
        if scheme.lower() == "basic" and self.scheme in ("basic", "both"):
            return self._basic(rest)
        if scheme.lower() == "digest" and self.scheme in ("digest", "both"):
            return self._digest(rest, method, nonce)
        return False

    def _basic(self, encoded: str) -> bool:
        try:
            given = base64.b64decode(encoded, validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(given, f"{self.user}:{self.password}".encode())

    def _digest(self, text: str, method: str, nonce: str) -> bool:
        given = {name.lower(): quoted or bare for name, quoted, bare in _PAIR.findall(text)}
        if (given.get("username"), given.get("realm"), given.get("nonce")) != (self.user, REALM, nonce):
            return False
        asked = Digest(method, given.get("uri", ""), nonce, given.get("qop", ""), given.get("nc", ""))
        expected = digest_response(self.user, REALM, self.password, asked, given.get("cnonce", ""))
        return hmac.compare_digest(given.get("response", "").lower().encode(), expected.encode())


@dataclass(frozen=True, slots=True)
class Digest:
    """What of a request enters its digest."""

    method: str
    uri: str
    nonce: str
    qop: str = ""
    count: str = ""
    """The nonce count "nc", eight hexadecimal digits; only with qop."""


def digest_response(user: str, realm: str, password: str, asked: Digest, client_nonce: str = "") -> str:
    """The response of RFC 2617, 3.2.2.1: with `qop` when it is given, else as in RFC 2069."""
    secret = _md5(f"{user}:{realm}:{password}")
    what = _md5(f"{asked.method}:{asked.uri}")
    if asked.qop:
        return _md5(f"{secret}:{asked.nonce}:{asked.count}:{client_nonce}:{asked.qop}:{what}")
    return _md5(f"{secret}:{asked.nonce}:{what}")


def new_nonce() -> str:
    """A nonce that nobody can guess."""
    return secrets.token_hex(16)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
