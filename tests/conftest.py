"""Fixtures that any test may need, and hypothesis without its deadline (two loaded cores are not a bug)."""

from __future__ import annotations

import copy
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from streamer import log

ROOT = Path(__file__).resolve().parent.parent

hypothesis.settings.register_profile("streamer", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("streamer")


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> Iterator[None]:
    """What a test registers as secret must not turn the messages of the next one into stars."""
    known = {name: copy.copy(v) if isinstance(v, (dict, list, set)) else v for name, v in vars(log.secrets).items()}
    yield
    vars(log.secrets).clear()
    vars(log.secrets).update(known)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real footage and weights: $STREAMER_TEST_DATA, or shared/data beside the checkout; skips without."""
    named = os.environ.get("STREAMER_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the test footage: no folder {folder} (set STREAMER_TEST_DATA)")
    return folder


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    """A function that returns n different TCP ports of 127.0.0.1 that nobody uses now."""

    def find(n: int) -> list[int]:
        holders = [socket.socket() for _ in range(n)]
        try:
            for holder in holders:
                holder.bind(("127.0.0.1", 0))
            return [holder.getsockname()[1] for holder in holders]
        finally:
            for holder in holders:
                holder.close()

    return find


@pytest.fixture
def free_port(free_ports: Callable[[int], list[int]]) -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    return free_ports(1)[0]
