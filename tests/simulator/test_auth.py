"""Authentication against the examples of the RFCs and against wrong answers."""

from __future__ import annotations

import base64

import pytest

from streamer.simulator.auth import REALM, Digest, Guard, digest_response, new_nonce

URI = "rtsp://10.0.0.5/cam"


def test_rfc2617_example() -> None:
    """RFC 2617, 3.5."""
    asked = Digest("GET", "/dir/index.html", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "auth", "00000001")
    given = digest_response("Mufasa", "testrealm@host.com", "Circle Of Life", asked, "0a4f113b")
    assert given == "6629fae49393a05397450978507c4ef1"


def test_rfc7616_md5_example() -> None:
    """RFC 7616, 3.9.1."""
    nonce, client = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    asked = Digest("GET", "/dir/index.html", nonce, "auth", "00000001")
    given = digest_response("Mufasa", "http-auth@example.org", "Circle of Life", asked, client)
    assert given == "8ca523f5e9506fed4657c9700eebdbec"


def test_rfc2069_form_without_qop() -> None:
    """RFC 2069, 2.4, with the response as corrected by its errata (ID 749)."""
    asked = Digest("GET", "/dir/index.html", "dcd98b7102dd2f0e8b11d0f600bfb0c093")
    assert digest_response("Mufasa", "testrealm@host.com", "CircleOfLife", asked) == "1949323746fe6a43ef61f9606e7febea"


def _digest(user: str, password: str, nonce: str, method: str = "DESCRIBE", qop: str = "") -> str:
    asked = Digest(method, URI, nonce, qop, "00000001" if qop else "")
    response = digest_response(user, REALM, password, asked, "abc" if qop else "")
    extra = f', qop={qop}, nc=00000001, cnonce="abc"' if qop else ""
    return f'Digest username="{user}", realm="{REALM}", nonce="{nonce}", uri="{URI}", response="{response}"{extra}'


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


PASSWORDS = ["secret", "pa:ss", "p@ss/ w\u00f6rd", "%41"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_right_answers(password: str) -> None:
    nonce = new_nonce()
    for scheme, header in [
        ("digest", _digest("admin", password, nonce)),
        ("both", _digest("admin", password, nonce)),
        ("digest", _digest("admin", password, nonce, qop="auth")),
        ("basic", _basic("admin", password)),
        ("both", _basic("admin", password)),
    ]:
        assert Guard("admin", password, scheme).admits(header, "DESCRIBE", nonce), scheme


def test_wrong_answers() -> None:
    nonce = new_nonce()
    guard = Guard("admin", "secret", "digest")
    for header in [
        None,
        "",
        "Digest",
        "Digest username",
        _digest("admin", "other", nonce),
        _digest("root", "secret", nonce),
        _digest("admin", "secret", new_nonce()),
        _digest("admin", "secret", nonce, method="PLAY"),
        _basic("admin", "secret"),
    ]:
        assert not guard.admits(header, "DESCRIBE", nonce), header
    basic = Guard("admin", "secret", "basic")
    for header in [_basic("admin", "Secret"), "Basic !!!", "Basic", _digest("admin", "secret", nonce)]:
        assert not basic.admits(header, "DESCRIBE", nonce), header


def test_open_door() -> None:
    assert Guard().admits(None, "DESCRIBE", "n")


def test_challenges() -> None:
    assert [c.split()[0] for c in Guard("u", "p", "both").challenge("n")] == ["Digest", "Basic"]
    assert [c.split()[0] for c in Guard("u", "p", "basic").challenge("n")] == ["Basic"]
    assert 'nonce="n"' in Guard("u", "p", "digest").challenge("n")[0]
    assert Guard().challenge("n"), "an open camera under the fault 401 still has to challenge"


def test_password_is_not_in_repr() -> None:
    assert "hush" not in repr(Guard("u", "hush", "basic"))
    assert new_nonce() != new_nonce()
