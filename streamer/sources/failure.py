"""What libav's errors mean for people: one of errors.CAUSES and a detail without credentials."""

from __future__ import annotations

import errno

import av.error

from streamer.errors import SourceError
from streamer.log import secrets

_TYPES: tuple[tuple[type[Exception], str], ...] = (
    (av.error.HTTPUnauthorizedError, "unauthorized"),
    (av.error.HTTPForbiddenError, "unauthorized"),
    (av.error.HTTPNotFoundError, "not_found"),
    (av.error.DemuxerNotFoundError, "unsupported"),
    (av.error.DecoderNotFoundError, "unsupported"),
    (av.error.ProtocolNotFoundError, "unsupported"),
    (av.error.PatchWelcomeError, "unsupported"),
    (av.error.EOFError, "ended"),
)
_ERRNOS = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ECONNRESET: "ended",
    errno.EPIPE: "ended",
    errno.EPROTONOSUPPORT: "unsupported",
}


def explain(error: Exception, opened: bool) -> SourceError:
    """The cause of a libav error.

    Args:
        error: what PyAV raised.
        opened: whether the stream had been open; a time-out then is a stall and not a camera that cannot be reached.
    """
    number = getattr(error, "errno", None)
    words = secrets.scrub(getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
    for kind, cause in _TYPES:
        if isinstance(error, kind):
            return SourceError(cause, words)
    if number in (errno.ETIMEDOUT, errno.EAGAIN) or isinstance(error, TimeoutError):
        return SourceError("stalled" if opened else "no_answer", words)
    if number in _ERRNOS:
        return SourceError(_ERRNOS[number], words)
    # libavformat reports a name that does not resolve as a plain EIO
    if number == errno.EIO and not opened:
        return SourceError("dns" if "resolve" in words.lower() else "unknown", words)
    return SourceError("corrupt" if isinstance(error, av.error.InvalidDataError) else "unknown", words)
