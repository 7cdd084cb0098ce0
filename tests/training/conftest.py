"""Torch has one thread in these tests: beside other work, two that wait for each other are many times slower."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Only where torch is already there: tests without it must not pay for it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
