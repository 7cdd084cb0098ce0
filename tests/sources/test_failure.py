import av.error
import pytest

from streamer.errors import SourceError
from streamer.log import secrets
from streamer.sources.failure import explain


def of(number, words="words", kind=av.error.OSError):
    return kind(number, words)


@pytest.mark.parametrize(
    ("error", "opened", "cause"),
    [
        (of(111), False, "refused"),
        (of(113), False, "unreachable"),
        (of(110), False, "no_answer"),
        (of(110), True, "stalled"),
        (of(104), True, "ended"),
        (of(5), False, "unknown"),
        (of(5, "Failed to resolve hostname"), False, "dns"),
        (av.error.EOFError(0, "End of file"), True, "ended"),
        (av.error.HTTPNotFoundError(0, "404"), False, "not_found"),
        (av.error.InvalidDataError(0, "bad"), True, "corrupt"),
        (ValueError("odd"), False, "unknown"),
    ],
)
def test_causes(error, opened, cause):
    explained = explain(error, opened)
    assert isinstance(explained, SourceError)
    assert explained.cause == cause


def test_words_are_scrubbed_and_short():
    secrets.add("hunter22")
    detail = explain(of(5, "rtsp://u:hunter22@h " + "x" * 1000), False).detail
    assert "hunter22" not in detail
    assert len(detail) <= 200
