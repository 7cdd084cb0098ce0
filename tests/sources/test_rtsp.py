import itertools
import struct
import threading
import time

import pytest

from streamer.errors import SourceError
from streamer.sources.address import parse
from streamer.sources.rtsp import RtspSource
from tests.sources.camera import ScriptedCamera, playing
from tests.sources.media import encode, interleaved, packets


@pytest.fixture
def camera():
    """Start a scripted camera; its source is closed with it."""
    cameras = []

    def start(answer, scheme="rtsp"):
        scripted = ScriptedCamera(answer)
        cameras.append(scripted)
        return scripted, RtspSource(parse(f"{scheme}://127.0.0.1:{scripted.port}/live"))

    yield start
    for scripted in cameras:
        scripted.close()


def media(stream, codec="h264", **kwargs):
    return b"".join(interleaved(packet) for packet in packets(stream, codec, **kwargs))


def read(source, n):
    pictures = []
    deadline = time.monotonic() + 10
    while len(pictures) < n and time.monotonic() < deadline:
        pictures += source.read()
    return pictures


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_pictures_come_with_the_last_packet(camera, codec):
    _, source = camera(playing(media(encode(8, codec), codec), codec.upper()))
    source.open(5)
    pictures = read(source, 8)  # all of them, although nothing follows the last one
    assert len(pictures) == 8
    assert [round(b.pts_s - a.pts_s, 3) for a, b in itertools.pairwise(pictures)] == [0.1] * 7
    assert (source.info.codec, source.info.transport, source.fps) == (codec, "rtsp/tcp", 10)
    assert source.counts.decoded == 8
    assert source.counts.packets > 8
    assert source.counts.packets_lost == 0
    assert source.counts.bytes_received > 1000
    assert pictures[0].frame.width == 160
    source.close()


def test_media_before_the_answer_to_play_are_not_lost(camera):
    data = media(encode(6))

    def answer(method, request):
        said = playing()(method, request)
        return data + said if method == "PLAY" else said

    _, source = camera(answer)
    source.open(5)
    assert len(read(source, 6)) == 6
    source.close()


def test_a_backlog_is_decoded_picture_by_picture(camera):
    data = media(encode(8))

    def answer(method, request):
        said = playing()(method, request)
        return data + said if method == "PLAY" else said

    _, source = camera(answer)
    source.open(5)
    for n in range(1, 9):  # all eight lie ready, but only one at a time takes memory
        assert len(source.read()) == 1
        assert source.counts.decoded == n
    source.close()


def test_what_is_shed_gives_way_to_the_next_picture(camera):
    data = media(encode(8))
    _, source = camera(
        lambda method, request: data + playing()(method, request) if method == "PLAY" else playing()(method, request)
    )
    source.open(5)
    source.shed("nonkey")
    keys = [picture.key for picture in (*source.read(), *source.read())]
    assert keys == [True] * len(keys)
    assert source.counts.shed_nonkey > 2
    source.close()


def test_lost_packets_are_counted(camera):
    sent = packets(encode(12), limit=200)
    ends = [i for i, packet in enumerate(sent) if packet[1] & 0x80]
    gone = {ends[2] + 1, ends[2] + 2}  # the beginning of the fourth unit
    data = b"".join(interleaved(packet) for i, packet in enumerate(sent) if i not in gone)
    _, source = camera(playing(data))
    source.open(5)
    pictures = read(source, 11)
    assert source.counts.packets_lost == 2
    assert not all(picture.clean for picture in pictures)
    source.close()


def test_sender_reports_are_kept(camera):
    report = struct.pack("!BBHIIII", 0x80, 200, 6, 1, 2208988800 + 1000, 0, 1000)
    _, source = camera(playing(media(encode(2)) + interleaved(report, 1)))
    assert source.report is None
    source.open(5)
    read(source, 2)
    assert source.report.utc_s == 1000
    source.close()


def test_the_end_of_the_stream(camera):
    scripted, source = camera(playing(media(encode(2))))
    source.open(5)
    read(source, 2)
    scripted._open[0].shutdown(2)
    with pytest.raises(SourceError) as caught:
        read(source, 1)
    assert caught.value.cause == "ended"
    source.close()


def test_abort_wakes_a_reader_that_hangs(camera):
    _, source = camera(playing())
    source.open(5)
    failed = []

    def hang():
        try:
            while True:
                source.read()
        except SourceError as error:
            failed.append(error.cause)

    thread = threading.Thread(target=hang)
    thread.start()
    source.abort()
    thread.join(5)
    assert failed == ["ended"]
    source.close()


def test_abort_before_open_ends_it(camera):
    _, source = camera(playing())
    source.abort()
    with pytest.raises(SourceError, match="given up"):
        source.open(5)
    source.close()


def test_close_says_goodbye(camera):
    scripted, source = camera(playing())
    source.open(5)
    source.close()
    deadline = time.monotonic() + 5
    while not scripted.requests[-1].startswith("TEARDOWN") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert scripted.requests[-1].startswith("TEARDOWN")


@pytest.mark.parametrize("codec", ["JPEG", "MP4V-ES", "VP8"])
def test_other_codecs_are_unsupported(camera, codec):
    _, source = camera(playing(codec=codec))
    with pytest.raises(SourceError) as caught:
        source.open(5)
    assert caught.value.cause == "unsupported"
    source.close()


def test_reading_before_opening_is_an_error(camera):
    _, source = camera(playing())
    with pytest.raises(SourceError, match="before it was opened"):
        source.read()
    source.close()
