import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import SourceError
from streamer.log import secrets
from streamer.sources.address import Address, is_file, parse


@pytest.mark.parametrize(
    ("text", "user", "password", "host", "port", "target"),
    [
        ("rtsp://10.0.0.5/stream1", "", "", "10.0.0.5", 554, "/stream1"),
        ("rtsp://10.0.0.5:8554", "", "", "10.0.0.5", 8554, ""),
        ("rtsp://u:pw@10.0.0.5:554/a?x=1&y=2", "u", "pw", "10.0.0.5", 554, "/a?x=1&y=2"),
        ("rtsp://u:p@ss@cam.local/a", "u", "p@ss", "cam.local", 554, "/a"),
        ("rtsp://u:p/w:d@10.0.0.5/a", "u", "p/w:d", "10.0.0.5", 554, "/a"),
        ("rtsp://u:p@a/w?#d@10.0.0.5/a", "u", "p@a/w?#d", "10.0.0.5", 554, "/a"),
        ("rtsp://u:12/34@10.0.0.5/a", "u", "12/34", "10.0.0.5", 554, "/a"),
        ("rtsp://u:p%40ss%2F@10.0.0.5/a", "u", "p@ss/", "10.0.0.5", 554, "/a"),
        ("rtsp://u:p@gate/a", "u", "p", "gate", 554, "/a"),
        ("rtsp://u:p@b@gate:8554/a", "u", "p@b", "gate", 8554, "/a"),
        ("rtsp://gate/a", "", "", "gate", 554, "/a"),
        ("rtsp://[fe80::1]:8554/a", "", "", "[fe80::1]", 8554, "/a"),
        ("rtsp://u:p@[::1]/a", "u", "p", "[::1]", 554, "/a"),
        ("rtsp://localhost/cam@1", "", "", "localhost", 554, "/cam@1"),
        ("rtsp://10.0.0.5/user=a_password=x.sdp", "", "", "10.0.0.5", 554, "/user=a_password=x.sdp"),
        ("https://u:p@h.example/live.m3u8#t", "u", "p", "h.example", 443, "/live.m3u8"),
        ("RTSP://u@10.0.0.5/a", "u", "", "10.0.0.5", 554, "/a"),
    ],
)  # fmt: skip
def test_parts(text, user, password, host, port, target):
    address = parse(text)
    assert (address.user, address.password) == (user, password)
    assert (address.host, address.port, address.target) == (host, port, target)


@given(
    password=st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=3).filter(
        lambda text: "%" not in text and "." not in text and "[" not in text and "localhost" not in text
    ),
    user=st.text(string.ascii_letters, min_size=1),
)
def test_any_raw_password_is_found_before_an_address_with_dots_and_never_shown(password, user):
    address = parse(f"rtsp://{user}:{password}@192.168.1.20:8554/live")
    assert (address.host, address.port, address.target) == ("192.168.1.20", 8554, "/live")
    assert (address.user, address.password) == (user, password)
    assert address.bare == "rtsp://192.168.1.20:8554/live"
    shown = repr(address)
    assert shown == "Address('rtsp://192.168.1.20:8554/live')"
    assert f":{password}@" not in secrets.scrub(f"cannot open {user}:{password}@192.168.1.20")


@given(st.text(min_size=1))
def test_quoted_credentials_of_any_characters_come_back(password):
    try:
        again = parse(Address("rtsp", "10.0.0.1", 554, "/a", "us er", password).url)
    except UnicodeEncodeError:
        return  # lone surrogates have no UTF-8 and cannot be typed
    assert (again.user, again.password, again.host) == ("us er", password, "10.0.0.1")


@pytest.mark.parametrize("text", ["rtsp://", "rtsp:///path", "http://?x", "rtsp://u:p@/x"])
def test_no_host_is_an_error_without_the_text(text):
    with pytest.raises(SourceError, match="no host name in the") as caught:
        parse(text)
    assert "u:p" not in str(caught.value)


def test_impossible_port():
    with pytest.raises(SourceError, match="port 70000"):
        parse("rtsp://10.0.0.1:70000/a")


@pytest.mark.parametrize(
    ("text", "scheme", "target"),
    [
        ("clip.mp4", "file", "clip.mp4"),
        ("/data/a b.mp4", "file", "/data/a b.mp4"),
        ("file:///data/a%20b.mp4", "file", "/data/a b.mp4"),
        ("/dev/video2", "device", "2"),
        ("usb:0", "device", "0"),
    ],
)
def test_files_and_devices(text, scheme, target):
    address = parse(text)
    assert (address.scheme, address.target) == (scheme, target)
    assert is_file(text) == (scheme == "file")


def test_who_reads_it():
    assert parse("rtsp://10.0.0.1/a").is_native
    assert not parse("rtsps://10.0.0.1/a").is_native
    assert parse("rtsps://10.0.0.1/a").port == 322
