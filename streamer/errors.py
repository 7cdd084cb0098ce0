"""Every error that streamer raises on purpose; the ground floor, imported by all, importing nothing.

    StreamerError                      exit 1: failed while running
    ├── InputError                     exit 2: what the user gave is wrong
    │   ├── ConfigError                a configuration file (one or many faults)
    │   └── ModelError                 a model file: missing, wrong task, wrong sha, truncated
    ├── SourceError(cause)             a camera or file that cannot be read now; `cause` is one of CAUSES
    ├── WorkerError                    an inference worker that failed or was killed
    ├── SinkError                      a sink that could not deliver
    │   ├── SinkRejected               for good: retrying the same message cannot help
    │   └── SinkBusy(retry_after_s)    for now
    └── StoreError                     the storage folder: full disk, locked, unknown schema

Wording: who, what with numbers, what now.
"""

from __future__ import annotations

CAUSES: dict[str, str] = {
    "refused": "the host refuses the connection (wrong port, or the camera's RTSP service is off)",
    "unreachable": "the host cannot be reached (no route, no answer to the connection attempt)",
    "dns": "the host name cannot be resolved",
    "unauthorized": "the camera rejects the user name or password",
    "not_found": "the camera does not know this path",
    "no_answer": "the host accepts the connection but answers nothing (half-open)",
    "no_video": "the stream has no video track (audio only)",
    "no_keyframe": "packets arrive, but no keyframe that would start a picture",
    "stalled": "no decoded video frame for too long",
    "frozen": "the same picture repeats",
    "black": "the picture is black",
    "covered": "nothing of the usual view is to be seen: the lens is covered or sprayed over",
    "defocused": "the picture is out of focus",
    "moved": "the view is no longer the usual one: the camera was moved, or something stands in front of it",
    "runaway": "far more frames arrive than the stream announces",
    "corrupt": "most packets cannot be decoded",
    "packet_loss": "RTP packets are missing",
    "clock_jump": "the camera's timestamps jump or restart",
    "resolution_changed": "the picture size changed in mid-stream",
    "unsupported": "the codec or protocol is not supported",
    "ended": "the camera closed the stream",
    "reader_died": "the reader process of this camera died",
    "overloaded": "this machine cannot keep up",
    "file": "the file cannot be opened or read",
    "unknown": "an unclassified failure; the detail says more",
}
"""The fixed list of what can be wrong with a source: key for metrics and logs, words for people."""


class StreamerError(Exception):
    """Base of all errors with a message meant for people."""


class InputError(StreamerError):
    """What the user gave cannot be used; the command ends with status 2."""


class ConfigError(InputError):
    """One or many faults of a configuration file, one line each.

    Args:
        faults: lines of the form ``file:line:column key.path: message``.
    """

    def __init__(self, faults: list[str]):
        super().__init__("\n".join(faults))
        self.faults = faults


class ModelError(InputError):
    """A model file that is missing, truncated, of the wrong task, or not what its card says."""


class SourceError(StreamerError):
    """A source that cannot be read now; `cause` is a key of CAUSES, `detail` must hold no credential."""

    def __init__(self, cause: str, detail: str = ""):
        if cause not in CAUSES:
            raise ValueError(f"SourceError: cause {cause!r} is not one of {sorted(CAUSES)}")
        super().__init__(f"{CAUSES[cause]}{': ' + detail if detail else ''}")
        self.cause = cause
        self.detail = detail


class WorkerError(StreamerError):
    """An inference worker failed, was killed at its deadline, or cannot start."""


class SinkError(StreamerError):
    """A sink could not deliver; the outbox retries."""


class SinkRejected(SinkError):
    """The receiver refuses this very message for good (HTTP 4xx): it goes to the dead letters."""


class SinkBusy(SinkError):
    """The receiver asks for time; retry not before `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: float):
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreError(StreamerError):
    """The storage folder cannot be used: full, locked by another daemon, or of an unknown schema."""
