import base64
import hashlib
import re

import pytest

from streamer.sources.digest import Credentials

MD5 = 'Digest realm="cam", nonce="abc", algorithm=MD5, qop="auth"'
SHA = 'Digest realm="cam", nonce="abc", algorithm=SHA-256, qop="auth,auth-int", opaque="o"'
OLD = 'Digest realm="cam", nonce="abc"'


def h(text, name="md5"):
    return hashlib.new(name, text.encode()).hexdigest()


def field(header, name):
    return re.search(rf'{name}="?([^",]+)"?', header).group(1)


def test_nothing_before_a_challenge():
    assert Credentials("u", "p").header("DESCRIBE", "rtsp://x") is None


def test_basic():
    credentials = Credentials("u", "pä:ss")
    assert credentials.take(['Basic realm="x"'])
    header = credentials.header("DESCRIBE", "rtsp://x")
    assert base64.b64decode(header.removeprefix("Basic ")).decode() == "u:pä:ss"


def test_digest_without_qop_as_rfc_2069():
    credentials = Credentials("Mufasa", "CircleOfLife")
    assert credentials.take(['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'])
    header = credentials.header("GET", "/dir/index.html")
    assert field(header, "response") == "1949323746fe6a43ef61f9606e7febea"  # RFC 2069 example, corrected in its errata


@pytest.mark.parametrize(("challenge", "name"), [(MD5, "md5"), (SHA, "sha256")])
def test_digest_with_qop(challenge, name):
    credentials = Credentials("u", "p")
    assert credentials.take([challenge])
    header = credentials.header("PLAY", "rtsp://x/a")
    cnonce, count = field(header, "cnonce"), field(header, "nc")
    secret, request = h("u:cam:p", name), h("PLAY:rtsp://x/a", name)
    assert field(header, "response") == h(f"{secret}:abc:{count}:{cnonce}:auth:{request}", name)
    assert count == "00000001"
    assert field(credentials.header("PLAY", "rtsp://x/a"), "nc") == "00000002"


def test_the_strongest_offer_is_taken():
    credentials = Credentials("u", "p")
    assert credentials.take(['Basic realm="x"', OLD, SHA])
    assert "algorithm=SHA-256" in credentials.header("PLAY", "x")


def test_offers_that_cannot_be_answered():
    assert not Credentials("u", "p").take(['Digest realm="x", nonce="y", algorithm=SHA-512', "Negotiate"])
    assert not Credentials("u", "p").take([])


def test_a_challenge_cannot_smuggle_lines_and_the_password_is_not_shown():
    credentials = Credentials('u"x', "secret")
    credentials.take(['Digest realm="a\r\nEvil: 1", nonce="n"'])
    header = credentials.header("PLAY", "rtsp://x")
    assert "\r" not in header
    assert "\n" not in header
    assert 'username="u\\"x"' in header
    assert "secret" not in repr(credentials) + header
