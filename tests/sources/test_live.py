import pytest

from streamer.errors import SourceError
from streamer.sources import live
from streamer.sources.address import parse
from streamer.sources.clip import ClipSource
from streamer.sources.libav import LibavSource
from streamer.sources.opencv import OpencvSource
from streamer.sources.rtsp import RtspSource
from streamer.sources.source import SourceOptions


@pytest.fixture
def opens(monkeypatch):
    """Classes that were opened; a cause to fail with can be set by class."""
    opened, failing = [], {}

    def fake_open(self, timeout_s):
        opened.append(type(self))
        if type(self) in failing:
            raise SourceError(failing[type(self)])

    for kind in (RtspSource, LibavSource, OpencvSource, ClipSource):
        monkeypatch.setattr(kind, "open", fake_open)
    return opened, failing


@pytest.mark.parametrize(
    ("url", "transport", "kind"),
    [
        ("rtsp://h.x/a", "tcp", RtspSource),
        ("rtsp://h.x/a", "udp", LibavSource),
        ("rtsps://h.x/a", "tcp", LibavSource),
        ("http://h.x/a.m3u8", "tcp", LibavSource),
        ("/dev/video0", "tcp", OpencvSource),
        ("a.mp4", "tcp", ClipSource),
    ],
)
def test_who_reads_what(opens, url, transport, kind):
    held = []
    source = live.open_live(parse(url), SourceOptions(transport), 5, 15, held.append)
    assert opens[0] == [kind]
    assert held == [source]


def test_libav_steps_in_for_what_our_client_does_not_take_apart(opens):
    opened, failing = opens
    failing[RtspSource] = "unsupported"
    held = []
    source = live.open_live(parse("rtsp://h.x/a"), SourceOptions(), 5, 15, held.append)
    assert opened == [RtspSource, LibavSource]
    assert held[-1] is source
    assert len(held) == 2


@pytest.mark.parametrize("cause", ["refused", "unauthorized", "no_video"])
def test_but_not_for_other_failures(opens, cause):
    opened, failing = opens
    failing[RtspSource] = cause
    with pytest.raises(SourceError) as caught:
        live.open_live(parse("rtsp://h.x/a"), SourceOptions(), 5, 15, lambda source: None)
    assert caught.value.cause == cause
    assert opened == [RtspSource]
