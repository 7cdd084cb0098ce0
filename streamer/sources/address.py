"""The address of a source: a URL whose password may hold any character, a device, or a file.

Cameras' passwords contain ``@``, ``/`` and ``:``, and people paste them as they are; `urllib` then finds the wrong host
and error messages show half of the password. Here the host is looked for first, and what stands before it is the
credentials. Called by readers, `probe` and whoever wants to show an address without its secrets. Pure text; opens
nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from streamer.errors import SourceError
from streamer.log import secrets

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935, "rtmps": 443}

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = r"(\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(?=[/?#]|\Z)"
_AT_START = re.compile(_HOST)
_AFTER_AT = re.compile("@" + _HOST)
_DEVICE = re.compile(r"(?:usb:|v4l2:|/dev/video)(\d+)\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """A source's address, taken apart; `repr` shows no credential."""

    scheme: str
    """``rtsp``, ``http``, ...; ``device`` for a local camera, ``file`` for a path."""
    host: str = ""
    port: int = 0
    target: str = ""
    """Path and query of a URL; number of a device; path of a file."""
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Address({self.bare!r})"

    @property
    def bare(self) -> str:
        """The address without user name and password, as it goes into RTSP requests and messages."""
        if self.scheme in ("file", "device"):
            return self.target if self.scheme == "file" else f"device {self.target}"
        port = f":{self.port}" if self.port and self.port != DEFAULT_PORTS.get(self.scheme) else ""
        return f"{self.scheme}://{self.host}{port}{self.target}"

    @property
    def url(self) -> str:
        """The whole address with quoted credentials, for libraries; never to be shown."""
        if not self.user and not self.password:
            return self.bare
        userinfo = quote(self.user, safe="") + (":" + quote(self.password, safe="") if self.password else "")
        return self.bare.replace("://", f"://{userinfo}@", 1)

    @property
    def is_native(self) -> bool:
        """Whether our own RTSP client reads it (see `rtsp`)."""
        return self.scheme == "rtsp"


def parse(text: str) -> Address:
    """Take an address apart and register its secrets.

    Raises:
        SourceError: ``unsupported`` when there is no host in it.
    """
    device = _DEVICE.match(text)
    if device:
        return Address("device", target=device.group(1))
    scheme = _SCHEME.match(text)
    if not scheme:
        return Address("file", target=text)
    name, rest = scheme.group(1).lower(), text[scheme.end() :]
    if name == "file":
        return Address("file", target=unquote(rest if rest.startswith("/") else "/" + rest))
    secrets.add_url(text)
    found = _find_host(rest)
    if found is None:
        raise SourceError("unsupported", f"no host name in the {name} address")
    userinfo = rest[: found.start()]
    user, _, password = userinfo.partition(":")
    if password:
        secrets.add(password)
        secrets.add(userinfo)  # a library that misreads a raw '/' or '@' prints more than the password
    port = int(found.group(2) or DEFAULT_PORTS.get(name, 0))
    if port > 65535:
        raise SourceError("unsupported", f"port {port} is above 65535")
    target = rest[found.end() :].partition("#")[0]
    return Address(name, found.group(1), port, target, unquote(user), unquote(password))


def is_file(text: str) -> bool:
    """Whether an address names a local file (that need not exist)."""
    return not _DEVICE.match(text) and (not _SCHEME.match(text) or text.lower().startswith("file://"))


def file_path(address: Address) -> Path:
    """The path of a file address."""
    return Path(address.target)


def _find_host(rest: str) -> re.Match[str] | None:
    """The host in what follows ``scheme://``, where a raw password may hold '@', ':' and '/'."""
    start = _AT_START.match(rest)
    if start and _is_certain(start):
        return start
    candidates = list(_AFTER_AT.finditer(rest))
    for candidate in candidates:
        if _is_certain(candidate):
            return candidate
    first_part = re.split(r"[/?#]", rest, maxsplit=1)[0]
    in_first = [c for c in candidates if c.start() < len(first_part)]
    if in_first:
        return in_first[-1]
    return start or (candidates[0] if candidates else None)


def _is_certain(match: re.Match[str]) -> bool:
    """Whether a possible host cannot well be a piece of a password: an address, a name with dots, localhost."""
    host = match.group(1)
    return "." in host.strip(".") or host.startswith("[") or host == "localhost"
