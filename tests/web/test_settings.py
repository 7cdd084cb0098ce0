"""Where the page may listen: this machine only, unless somebody says otherwise in so many words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streamer.web.settings import WebSettings


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("127.8.9.1:1", "127.8.9.1", 1),
        ("localhost:0", "localhost", 0),
        ("[::1]:65535", "::1", 65535),
    ],
)
def test_addresses_of_this_machine(listen: str, host: str, port: int) -> None:
    settings = WebSettings(listen=listen)
    assert (settings.host, settings.port, settings.loopback) == (host, port, True)


def test_the_default_is_private() -> None:
    assert WebSettings().listen == "127.0.0.1:8080"
    assert WebSettings().loopback


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "192.168.1.5:8080", "streamer.example.org:80"])
def test_an_address_that_others_reach_needs_a_yes(listen: str) -> None:
    with pytest.raises(ValidationError, match=r"has no login; use 127\.0\.0\.1, or set allow_remote: true"):
        WebSettings(listen=listen)
    assert not WebSettings(listen=listen, allow_remote=True).loopback


@pytest.mark.parametrize(
    "listen", ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "a b:80", "http://x:80"]
)
def test_what_is_no_address_is_refused_with_an_example(listen: str) -> None:
    with pytest.raises(ValidationError, match="must be host:port such as"):
        WebSettings(listen=listen)


@pytest.mark.parametrize("fields", [{"refresh_seconds": 0}, {"refresh_seconds": 61}, {"port": 80}])
def test_other_mistakes(fields: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        WebSettings.model_validate(fields)
