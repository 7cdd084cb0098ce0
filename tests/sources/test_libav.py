import http.server
import threading
from fractions import Fraction

import av
import pytest

from streamer.errors import SourceError
from streamer.sources.address import parse
from streamer.sources.libav import LibavSource
from streamer.sources.source import SourceOptions
from tests.sources.media import picture
from tests.sources.test_recording import write


@pytest.fixture
def web(tmp_path):
    """A web server for tmp_path; 401 for /locked, an endless JPEG stream for /mjpeg."""
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 160, 96, "yuvj420p", Fraction(1, 10)
    frame = av.VideoFrame.from_ndarray(picture(0), format="rgb24").reformat(format="yuvj420p")
    jpeg = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def do_GET(self):
            if self.path.startswith("/locked"):
                self.send_error(401)
            elif self.path.startswith("/mjpeg"):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                for _ in range(40):
                    self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                    self.wfile.write(b"Content-Length: %d\r\n\r\n" % len(jpeg) + jpeg + b"\r\n")
            else:
                super().do_GET()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:s3cret@127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def opened(url):
    source = LibavSource(parse(url), SourceOptions(), 3.0)
    source.open(3.0)
    return source


def read_all(source):
    pictures = []
    while True:
        try:
            pictures += source.read()
        except SourceError as error:
            return pictures, error


def test_a_file_over_http_to_its_end(web, tmp_path):
    write(tmp_path / "a.ts")
    source = opened(web + "/a.ts")
    pictures, error = read_all(source)
    assert error.cause == "ended"
    assert len(pictures) >= 10  # the encoder's B-frames: the last two wait for what never comes
    assert source.info.codec == "h264"
    assert source.info.transport == "libav/http"
    assert source.counts.decoded == len(pictures)
    assert source.counts.bytes_received > 0
    source.close()


def test_mjpeg_over_http_takes_the_time_of_arrival(web):
    source = opened(web + "/mjpeg")
    pictures = [picture for _ in range(10) for picture in source.read()]
    assert len(pictures) >= 9
    assert all(picture.key for picture in pictures)
    assert pictures[0].frame.width == 160
    source.close()


@pytest.mark.parametrize(("path", "cause"), [("/locked", "unauthorized"), ("/nothing.ts", "not_found")])
def test_http_errors(web, path, cause):
    source = LibavSource(parse(web + path), SourceOptions(), 3.0)
    with pytest.raises(SourceError) as caught:
        source.open(3.0)
    assert caught.value.cause == cause
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
    source.close()


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp"])
def test_refused(free_ports, scheme):
    source = LibavSource(parse(f"{scheme}://u:s3cret@127.0.0.1:{free_ports(1)[0]}/x"), SourceOptions(), 3.0)
    with pytest.raises(SourceError) as caught:
        source.open(2.0)
    assert caught.value.cause == "refused"
    assert "s3cret" not in str(caught.value)
    source.close()


def test_a_playlist_from_the_network_opens_no_file_of_this_machine(web, tmp_path):
    secret = write(tmp_path / "private.ts")
    (tmp_path / "evil.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n"
    )
    source = LibavSource(parse(web + "/evil.m3u8"), SourceOptions(), 3.0)
    with pytest.raises(SourceError):  # noqa: PT012 - libavformat may notice it in either
        source.open(2.0)
        source.read()
    source.close()


def test_shedding(web, tmp_path):
    write(tmp_path / "b.ts", n=24)
    source = opened(web + "/b.ts")
    source.shed("nonkey")
    assert len(read_all(source)[0]) < 12
    source.close()
