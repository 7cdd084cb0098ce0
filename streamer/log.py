"""Logging for every process: human or JSON lines on stderr, and no credential in any of them.

Redaction works by value, not by pattern: whoever reads a secret (a URL's password, a webhook's key) registers it in
`secrets`, and the formatter replaces the value, however a library spells it, wherever it turns up: messages,
exceptions, tracebacks, even a log call whose arguments do not fit. Regular expressions over URLs leak (dots in user
names, Xiongmai's path form, reversed query order); here URLs are taken apart generously, only to learn the values.
What a secret cannot hide: one of one or two letters outside of its URL, and one that consists of asterisks.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from urllib.parse import unquote, unquote_plus

MASK = "***"
_SHORTEST = 3  # replacing one- or two-letter passwords would shred every message and still tell their length
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_NAMED = re.compile(r"(?:pas|pwd|psw|pw|token|key|secret|auth|sig|cred)[a-z0-9.\-]*=", re.IGNORECASE)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_LETTERED = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a", "\0": "0"}
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), 127)}


class Secrets:
    """The values that must not leave this process."""

    def __init__(self) -> None:
        self._patterns: dict[tuple[str, str, str], re.Pattern[str]] = {}
        self._ordered: tuple[re.Pattern[str], ...] = ()
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Register a secret; percent-encoded, escaped and JSON spellings of it are found too."""
        for form in {value, unquote(value), unquote_plus(value)}:
            if len(form) >= _SHORTEST:
                self._learn("", form, "")

    def add_url(self, url: str) -> None:
        """Register what is secret in a URL: its password, and every value whose name says so; never raises.

        Passwords are often typed in raw: with '@', '/', '?' or ':' in them a URL has several readings, and all are
        registered. A password of one or two letters is hidden where it stands in a URL, and only there.
        """
        starts = [match.end() for match in re.finditer("://", url)]
        for start in starts if _SCHEME.match(url) else [0, *starts]:
            rest = url[start:]
            for at in re.finditer("@", rest):
                user, _, password = rest[: at.start()].partition(":")
                self._add_in_place("(?<=:)", password, "(?=@)")
                for pair in {f"{user}:{password}", f"{unquote(user)}:{unquote(password)}"} if user and password else ():
                    self.add(base64.b64encode(pair.encode("utf-8", "surrogatepass")).decode().rstrip("="))
            for name, value in _named_values(rest):
                self._add_in_place(f"(?i:(?<={re.escape(name)}))", value, r"(?![A-Za-z0-9])")

    def scrub(self, text: str) -> str:
        """The text with every registered value replaced by ``***``."""
        for pattern in self._ordered:
            text = pattern.sub(MASK, text)
        return text

    def __iter__(self) -> Iterator[str]:
        """All values of three letters and more; for handing them to a child over its pipe."""
        return iter([value for value, before, _ in tuple(self._patterns) if not before])

    def _add_in_place(self, before: str, value: str, after: str) -> None:
        self.add(value)
        for form in {value, unquote(value)}:
            if 0 < len(form) < _SHORTEST:
                self._learn(before, form, after)

    def _learn(self, before: str, value: str, after: str) -> None:
        with self._lock:
            if (value, before, after) not in self._patterns:
                self._patterns[value, before, after] = re.compile(f"{before}{_spellings(value)}{after}")
                # longest first: a password that contains another one must not be cut in half
                longest_first = sorted(self._patterns, key=lambda known: (-len(known[0]), known))
                self._ordered = tuple(self._patterns[known] for known in longest_first)


def _named_values(rest: str) -> Iterator[tuple[str, str]]:
    """Name with '=' and value of ``password=x``, also in Xiongmai's ``/user=admin_password=x_channel=1_stream=0.sdp``.

    A raw value may itself hold what usually ends it, so every reading of where it ends is given.
    """
    for named in _NAMED.finditer(rest):
        tail = rest[named.end() :]
        ends = "[&;?#]|_[A-Za-z]+=|[.]sdp" if "?" in rest[: named.end()] else "[&;?#/]|_[A-Za-z]+=|[.]sdp"
        for end in [match.start() for match in re.finditer(ends, tail)] + [len(tail)]:
            if end:
                yield named.group(), tail[:end]


def _spellings(value: str) -> str:
    """A regular expression for the value in any mixture of encodings; ASCII letters and digits are never encoded."""
    return "".join(_spelling(part) for part in re.findall(r"\\+|[\s\S]", value))


def _spelling(part: str) -> str:
    """One character (or a run of backslashes, which must not turn into nested repetitions)."""
    if part.isascii() and part.isalnum():
        return part
    code, count = ord(part[0]), len(part)
    octets = part[0].encode("utf-8", "surrogatepass")
    units = part[0].encode("utf-16-be", "surrogatepass").hex()
    encoded = [
        "".join(f"%(?:25){{0,3}}{octet:02x}" for octet in octets),
        "".join(rf"\\{{1,8}}x{octet:02x}" for octet in octets),
        "".join(rf"\\{{1,8}}u{units[i : i + 4]}" for i in range(0, len(units), 4)),
        rf"\\{{1,8}}U{code:08x}|\\{{1,8}}u\{{{code:x}\}}|&#0{{0,4}}{code};|&#x0{{0,4}}{code:x};",
        *([rf"\\{{1,8}}x{code:02x}"] if code < 256 else []),
        *([_ENTITIES[part[0]]] if part[0] in _ENTITIES else []),
        *([rf"\\{{1,8}}{_LETTERED[part[0]]}"] if part[0] in _LETTERED else []),
        *([r"[+]"] if part == " " else []),
    ]
    # escaped up to three times over (repr of repr of JSON); open-ended repetitions would backtrack for minutes
    raw = rf"\\{{{count},{8 * count}}}" if part[0] == "\\" else rf"\\{{0,7}}{re.escape(part)}"
    return f"(?:{raw}|(?i:{'|'.join(encoded)}){f'{{{count}}}' if count > 1 else ''})"


secrets = Secrets()
"""This process's secrets; children register theirs when they receive their settings."""


class _Human(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        text = f"{at} {record.levelname.lower():<7} {record.name.removeprefix('streamer.'):<12} {_message(record)}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        # a camera's own words may hold escape sequences: they must not drive the terminal
        return secrets.scrub(text).translate(_CONTROLS)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": secrets.scrub(_message(record)),
        }
        camera = getattr(record, "camera", None)
        if camera is not None:
            fields["camera"] = secrets.scrub(str(camera))
        if record.exc_info:
            fields["exception"] = secrets.scrub(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


def _message(record: logging.LogRecord) -> str:
    """The message; if its arguments do not fit, both as they are (logging itself would print them unscrubbed)."""
    try:
        return record.getMessage()
    except Exception as error:
        try:
            return f"{record.msg!r} with arguments {record.args!r} ({type(error).__name__}: {error})"
        except Exception:
            return f"(a message of {record.pathname}:{record.lineno} that cannot be shown: {type(error).__name__})"


chosen = {"style": "human", "level": "info"}
"""How `setup` was last called, for handing it to child processes."""


def setup(style: str = "human", level: str = "info") -> None:
    """Send all logs of this process to stderr, as ``human`` or ``json`` lines; safe to call again.

    Uncaught exceptions, of threads too, and warnings take the same way, for they may quote a URL.
    """
    chosen.update(style=style, level=level)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Human())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("libav").setLevel(logging.ERROR)
    logging.raiseExceptions = False  # a broken stderr must not make logging print records on its own
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def get(name: str) -> logging.Logger:
    """The logger of a module; pass ``__name__``."""
    return logging.getLogger(name)


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("streamer").critical("uncaught %s", kind.__name__, exc_info=(kind, error, traceback))


def _uncaught_in_thread(caught: Any) -> None:
    if caught.exc_type is not SystemExit and caught.exc_value is not None:
        _uncaught(caught.exc_type, caught.exc_value, caught.exc_traceback)
