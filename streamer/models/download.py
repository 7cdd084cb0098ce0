"""One file over HTTPS: resumed where it broke off, never larger than promised, and whole under its name or not there.

What arrives goes into NAME.part, which a later attempt continues. Nothing here trusts the server: whoever calls checks
the sum. Redirects are few, and never from HTTPS to HTTP.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import os
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from streamer import __version__, log
from streamer.errors import InputError, ModelError

logger = log.get(__name__)
REDIRECTS = 5
STALL_S = 30.0
"""Seconds without a byte after which a connection is given up."""
TRIES = 5
"""In a row without any byte; each that brings some starts the count anew. A name that is unknown is asked for twice."""
LARGEST = 2 * 2**30
"""Bytes of a file whose size nobody says."""
_CHUNK = 2**18
_RESERVE = 64 * 2**20  # bytes that must remain free on the disk

Progress = Callable[[int, int], None]
"""Told (bytes there, bytes in all; 0: nobody knows)."""


class Unreachable(ModelError):
    """The server could not be reached or did not give the file: try again, or bring the file by other means."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    url: str
    size: int = 0
    """Bytes, 0: unknown."""
    slack: int = 0
    """By which it may differ."""
    allow_http: bool = False


def fetch(
    wanted: Wanted, target: Path, progress: Progress | None = None, wait: Callable[[float], None] = time.sleep
) -> None:
    """Download a file to `target`, continuing a part that an earlier attempt left beside it.

    Raises:
        Unreachable: after TRIES attempts; what has come remains for the next.
        InputError: an address that is not allowed, or the disk is full.
    """
    _allow(wanted.url, wanted.allow_http)
    part = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(part) as file:
        tries = 0
        while not _complete(file, wanted):
            before, unknown = _length(file), False
            try:
                if _attempt(wanted, file, progress):
                    break
                why = "the connection broke off"
            except _Refused as error:
                raise Unreachable(str(error)) from error
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise InputError(f"{part}: the disk is full") from error
                why, unknown = _words(error), isinstance(getattr(error, "reason", None), socket.gaierror)
            tries = 0 if _length(file) > before else tries + 1
            if tries >= (2 if unknown else TRIES):
                raise Unreachable(f"{_host(wanted.url)} cannot be reached: {why}")
            logger.info("%s: %s; trying again from byte %d", wanted.url, why, _length(file))
            wait(min(2.0**tries / 2, 30.0))
        file.flush()
        os.fsync(file.fileno())
        part.replace(target)


class _Refused(Exception):
    """An answer that another attempt will not change."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = REDIRECTS

    def __init__(self, allow_http: bool):
        self._allow_http = allow_http

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """See HTTPRedirectHandler; the headers of the request, Range among them, go along."""
        secure = urlsplit(req.full_url).scheme == "https"
        if urlsplit(newurl).scheme != "https" and (secure or not self._allow_http):
            raise _Refused(f"{_host(req.full_url)} redirects to {_host(newurl)} without TLS, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _attempt(wanted: Wanted, file: IO[bytes], progress: Progress | None) -> bool:
    """One connection; whether the server says that this was all of it."""
    have = file.seek(0, os.SEEK_END)
    headers = {"User-Agent": f"streamer/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    opener = urllib.request.build_opener(_Redirects(wanted.allow_http))
    try:
        answer = opener.open(urllib.request.Request(wanted.url, headers=headers), timeout=STALL_S)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # nothing behind what is there: it is whole, or not the same file any more
                return _restart_unless_whole(file, error.headers.get("Content-Range", ""), have)
            if error.code in (408, 425, 429) or error.code >= 500:
                raise OSError(f"status {error.code}") from error
            detail = "too many redirects" if "redirect" in str(error.reason).lower() else f"status {error.code}"
            raise _Refused(f"{_host(wanted.url)} does not give the file: {detail}") from error
    with answer:
        if have and answer.status != 206:
            have = _restart(file)  # the server knows no ranges, and sends all of it
        elif have and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            _restart(file)
            raise OSError("the server sent another part than was asked for")
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else 0
        _check_room(file, wanted, total, have)
        while chunk := answer.read1(_CHUNK):
            file.write(chunk)
            have += len(chunk)
            if have > (wanted.size + wanted.slack if wanted.size else LARGEST):
                _restart(file)
                raise _Refused(f"{_host(wanted.url)} sends more than the {wanted.size or LARGEST} bytes expected")
            if progress is not None:
                progress(have, wanted.size or total)
    if total:
        return have >= total
    return not wanted.size or have >= wanted.size - wanted.slack


def _complete(file: IO[bytes], wanted: Wanted) -> bool:
    return bool(wanted.size) and wanted.slack == 0 and _length(file) == wanted.size


def _check_room(file: IO[bytes], wanted: Wanted, total: int, have: int) -> None:
    if wanted.size and total and abs(total - wanted.size) > wanted.slack:
        _restart(file)
        raise _Refused(f"{_host(wanted.url)} has a file of {total} bytes, {wanted.size} are expected")
    folder = Path(file.name).parent
    need, free = (total or wanted.size) - have, shutil.disk_usage(folder).free
    if need + _RESERVE > free:
        raise InputError(f"{folder}: {free // 2**20} MiB are free, {(need + _RESERVE) // 2**20} are needed")


def _restart_unless_whole(file: IO[bytes], content_range: str, have: int) -> bool:
    if content_range == f"bytes */{have}":
        return True
    _restart(file)
    return False


def _restart(file: IO[bytes]) -> int:
    file.seek(0)
    file.truncate()
    return 0


def _length(file: IO[bytes]) -> int:
    file.flush()
    return os.fstat(file.fileno()).st_size


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[IO[bytes]]:
    """The part's file, open for adding, and nobody else's."""
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{part}: another process is downloading this file") from error
        yield file


def _allow(url: str, allow_http: bool) -> None:
    if urlsplit(url).scheme != "https" and not (allow_http and urlsplit(url).scheme == "http"):
        raise InputError(f"{_host(url)}: only https addresses are used; --allow-http allows http in your own network")


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.hostname or url


def _words(error: BaseException) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"no answer within {STALL_S:g} s"
    if isinstance(reason, ssl.SSLError):
        return f"TLS: {reason.reason or reason}"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection broke off"
    return (getattr(reason, "strerror", None) or str(reason)) or type(error).__name__
