"""Logging for every process: human or JSON lines on stderr, and no credential in any of them.

Redaction works by value, not by pattern: whoever reads a secret (a URL's password, a webhook's key) registers it in
`secrets`, and the formatter replaces the value, raw and percent-encoded, wherever it turns up: messages, exceptions,
tracebacks. Regular expressions over URLs leak (dots in user names, Xiongmai's path form, reversed query order).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus, unquote, urlsplit

MASK = "***"
_SHORTEST = 3  # replacing one- or two-letter passwords would shred every message and still tell their length


class Secrets:
    """The values that must not leave this process."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._ordered: list[str] = []

    def add(self, value: str) -> None:
        """Register a secret in the forms in which libraries print it: raw, quoted, unquoted, repr-escaped."""
        raw = {value, unquote(value)}
        forms = raw | {f(v) for v in raw for f in (quote, quote_plus, _quote_all, _escape)}
        self._values |= {form for form in forms if len(form) >= _SHORTEST}
        # longest first: a password that contains another one must not be cut in half
        self._ordered = sorted(self._values, key=lambda form: (-len(form), form))

    def add_url(self, url: str) -> None:
        """Register what is secret in a URL: its password, and every value of a query that names one."""
        parts = urlsplit(url)
        userinfo = parts.netloc.rpartition("@")[0]
        if ":" in userinfo:
            self.add(userinfo.partition(":")[2])
        for text in (parts.query, parts.path.rpartition("/")[2]):
            for pair in text.replace(";", "&").split("&"):
                for value in _named_secrets(pair):
                    self.add(value)

    def scrub(self, text: str) -> str:
        """The text with every registered value replaced by ``***``."""
        for form in self._ordered:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def __iter__(self) -> Iterator[str]:
        """All registered forms; for handing them to a child over its pipe."""
        return iter(tuple(self._ordered))


def _quote_all(value: str) -> str:
    return quote(value, safe="")


def _escape(value: str) -> str:
    return repr(value)[1:-1]


def _named_secrets(pair: str) -> Iterable[str]:
    """Values of ``password=x`` and of the Xiongmai path form ``user=admin_password=x_channel=1``."""
    lowered = pair.lower()
    for key in ("password=", "passwd=", "pwd=", "pass=", "token=", "key=", "secret=", "auth="):
        start = lowered.find(key)
        if start >= 0:
            value = pair[start + len(key) :]
            yield value
            yield value.partition("_")[0]


secrets = Secrets()
"""This process's secrets; children register theirs when they receive their settings."""


class _Human(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        text = f"{at} {record.levelname.lower():<7} {record.name.removeprefix('streamer.'):<12} {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return secrets.scrub(text)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": secrets.scrub(record.getMessage()),
        }
        camera = getattr(record, "camera", None)
        if camera is not None:
            fields["camera"] = camera
        if record.exc_info:
            fields["exception"] = secrets.scrub(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def setup(style: str = "human", level: str = "info") -> None:
    """Send all logs of this process to stderr, as ``human`` or ``json`` lines; safe to call again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Human())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("libav").setLevel(logging.ERROR)


def get(name: str) -> logging.Logger:
    """The logger of a module; pass ``__name__``."""
    return logging.getLogger(name)
