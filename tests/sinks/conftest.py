"""Servers that the tests of sinks share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from streamer.log import secrets
from tests.servers import MOSQUITTO, Mosquitto, Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as server:
        yield server


@pytest.fixture
def broker(tmp_path: Path, free_port: int) -> Iterator[Mosquitto]:
    if MOSQUITTO is None:
        pytest.skip("needs mosquitto (apt install mosquitto)")
    with Mosquitto(tmp_path / "broker", free_port) as server:
        yield server


@pytest.fixture
def scrubbed() -> Callable[[str, str], None]:
    """Assert that a secret is neither in a text nor gets past the scrubber."""

    def check(secret: str, text: str) -> None:
        assert secret not in text
        assert secret not in secrets.scrub(f"x{secret}y")

    return check
