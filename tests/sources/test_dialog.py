import hashlib
import re
import time

import pytest

from streamer.errors import SourceError
from streamer.sources.address import parse
from streamer.sources.dialog import Dialog
from streamer.sources.wire import Wire, connect
from tests.sources.camera import ScriptedCamera, playing, reply, sdp


@pytest.fixture
def talk():
    """Start a scripted camera and a dialog with it: (camera, dialog, wire)."""
    open_ones = []

    def start(answer, userinfo="", path="/live", limit_s=5.0):
        camera = ScriptedCamera(answer)
        address = parse(f"rtsp://{userinfo}127.0.0.1:{camera.port}{path}")
        sock = connect("127.0.0.1", camera.port, 5)
        wire = Wire(sock, lambda channel, data, start, end: None)
        open_ones.append((camera, sock))
        return camera, Dialog(wire, address, time.monotonic() + limit_s), wire

    yield start
    for camera, sock in open_ones:
        sock.close()
        camera.close()


def failing(status, at):
    def answer(method, request):
        return reply(request, status) if method == at else playing()(method, request)

    return answer


def test_the_usual_conversation(talk):
    camera, dialog, _ = talk(playing())
    dialog.play(dialog.describe())
    methods = [request.split()[0] for request in camera.requests]
    assert methods == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    setup, play = camera.requests[2], camera.requests[3]
    assert setup.startswith(f"SETUP rtsp://127.0.0.1:{camera.port}/live/track1 ")
    assert "interleaved=0-1" in setup
    assert "Session: 7" in play


@pytest.mark.parametrize(
    ("status", "at", "cause"),
    [
        ("404 Not Found", "DESCRIBE", "not_found"),
        ("401 Unauthorized", "DESCRIBE", "unauthorized"),
        ("403 Forbidden", "DESCRIBE", "unauthorized"),
        ("461 Unsupported Transport", "SETUP", "unsupported"),
        ("500 Internal Server Error", "PLAY", "unknown"),
        ("503 Service Unavailable", "DESCRIBE", "unknown"),
    ],
)
def test_each_refusal_has_its_cause(talk, status, at, cause):
    _, dialog, _ = talk(failing(status, at))
    with pytest.raises(SourceError, match=status) as caught:
        dialog.play(dialog.describe())
    assert caught.value.cause == cause


def test_options_may_fail(talk):
    _, dialog, _ = talk(failing("405 Method Not Allowed", "OPTIONS"))
    assert dialog.describe().video.codec == "h264"


def digest_camera(user, password, nonces=("n1",)):
    state = {"nonce": 0}

    def answer(method, request):
        nonce = nonces[min(state["nonce"], len(nonces) - 1)]
        stale = ", stale=true" if state["nonce"] else ""
        sent = re.search(r'uri="([^"]*)", response="([^"]*)"', request)
        ha1 = hashlib.md5(f"{user}:cam:{password}".encode()).hexdigest()
        if sent and f'nonce="{nonce}"' in request:
            ha2 = hashlib.md5(f"{method}:{sent.group(1)}".encode()).hexdigest()
            if hashlib.md5(f"{ha1}:{nonce}:{ha2}".encode()).hexdigest() == sent.group(2):
                if method == "SETUP" and state["nonce"] + 1 < len(nonces):
                    state["nonce"] += 1  # the next request will find its nonce stale
                return playing()(method, request)
        return reply(request, "401 Unauthorized", [f'WWW-Authenticate: Digest realm="cam", nonce="{nonce}"{stale}'])

    return answer


def test_digest(talk):
    camera, dialog, _ = talk(digest_camera("us", "p@ss/w:d"), "us:p@ss/w:d@")
    dialog.play(dialog.describe())
    assert not any("p@ss" in request for request in camera.requests)


def test_a_stale_nonce_is_answered_anew(talk):
    _, dialog, _ = talk(digest_camera("us", "pw1", nonces=("n1", "n2")), "us:pw1@")
    dialog.play(dialog.describe())


def test_a_wrong_password_is_tried_once_only(talk):
    camera, dialog, _ = talk(digest_camera("us", "right"), "us:wrong@")
    with pytest.raises(SourceError) as caught:
        dialog.describe()
    assert caught.value.cause == "unauthorized"
    assert len(camera.requests) == 2
    assert "wrong" not in str(caught.value)


def test_no_video(talk):
    def answer(method, request):
        return reply(request, body="v=0\r\nm=audio 0 RTP/AVP 8\r\n") if method == "DESCRIBE" else reply(request)

    _, dialog, _ = talk(answer)
    with pytest.raises(SourceError, match="offers audio"):
        dialog.describe()


def test_silence_is_no_answer(talk):
    _, dialog, _ = talk(lambda method, request: b"", limit_s=0.2)
    with pytest.raises(SourceError, match="nothing came back for OPTIONS") as caught:
        dialog.describe()
    assert caught.value.cause == "no_answer"


def test_closing_before_any_answer_is_refused_and_later_is_ended(talk):
    _, dialog, _ = talk(lambda method, request: None)
    with pytest.raises(SourceError) as caught:
        dialog.describe()
    assert caught.value.cause == "refused"
    _, dialog, _ = talk(lambda method, request: None if method == "DESCRIBE" else reply(request))
    with pytest.raises(SourceError) as caught:
        dialog.describe()
    assert caught.value.cause == "ended"


def test_udp_only_is_unsupported(talk):
    def answer(method, request):
        if method == "SETUP":
            return reply(request, headers=["Transport: RTP/AVP;unicast;client_port=1-2", "Session: 1"])
        return playing()(method, request)

    _, dialog, _ = talk(answer)
    with pytest.raises(SourceError, match="transport: udp") as caught:
        dialog.play(dialog.describe())
    assert caught.value.cause == "unsupported"


def test_other_channels_are_taken(talk):
    def answer(method, request):
        if method == "SETUP":
            return reply(request, headers=["Transport: RTP/AVP/TCP;interleaved=6-7", "Session: 1"])
        return playing()(method, request)

    _, dialog, _ = talk(answer)
    dialog.play(dialog.describe())
    assert (dialog.media_channel, dialog.control_channel) == (6, 7)


@pytest.mark.parametrize(
    ("control", "base", "url"),
    [
        ("track1", "rtsp://h/a/", "rtsp://h/a/track1"),
        ("trackID=1", "rtsp://h/cam?channel=1&subtype=0", "rtsp://h/cam?channel=1&subtype=0/trackID=1"),
        ("rtsp://h/other/1", "rtsp://h/a", "rtsp://h/other/1"),
        ("*", "rtsp://h/a", "rtsp://h/a"),
        ("/root/1", "rtsp://h:8554/a/b", "rtsp://h:8554/root/1"),
    ],
)
def test_track_urls(talk, control, base, url):
    def answer(method, request):
        if method == "DESCRIBE":
            return reply(request, headers=[f"Content-Base: {base}"], body=sdp().replace("track1", control))
        return playing()(method, request)

    camera, dialog, _ = talk(answer)
    dialog.play(dialog.describe())
    assert camera.requests[2].split()[1] == url


def test_keepalive_comes_at_half_of_the_timeout_and_a_lost_session_is_noticed(talk):
    now = [100.0]
    camera, dialog, wire = talk(playing(session="5;timeout=20"))
    dialog._now = lambda: now[0]
    dialog._deadline_at = 200.0
    dialog.play(dialog.describe())
    sent = len(camera.requests)
    now[0] += 9.9
    dialog.keep_alive()
    now[0] += 0.2
    dialog.keep_alive()
    wire.read()
    assert [request.split()[0] for request in camera.requests[sent:]] == ["GET_PARAMETER"]
    camera._answer = lambda method, request: reply(request, "454 Session Not Found")
    now[0] += 10
    dialog.keep_alive()
    wire.read()
    with pytest.raises(SourceError, match="454"):
        dialog.keep_alive()


def test_tear_down_says_goodbye_only_to_a_session(talk):
    camera, dialog, wire = talk(playing())
    dialog.tear_down()
    assert camera.requests == []
    dialog.play(dialog.describe())
    dialog.tear_down()
    wire.read()
    assert camera.requests[-1].startswith("TEARDOWN ")


def test_answers_cannot_smuggle_lines_into_requests(talk):
    def answer(method, request):
        if method == "SETUP":
            return reply(request, headers=["Transport: RTP/AVP/TCP;interleaved=0-1", "Session: 1\nEvil: yes"])
        return playing()(method, request)

    camera, dialog, _ = talk(answer)
    dialog.play(dialog.describe())
    assert not any(line.startswith("Evil") for line in camera.requests[-1].splitlines())
