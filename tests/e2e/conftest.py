"""One simulator for all end-to-end tests of a file: starting one costs as much as a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamer.simulator.process import Simulator
from tests.sites import simulated


@pytest.fixture(scope="module")
def cameras() -> Iterator[Simulator]:
    """Three cameras with people, and one that shows nothing but noise."""
    specs = [simulated(name, seed=seed) for seed, name in enumerate(("east", "west", "south"))]
    with Simulator([*specs, simulated("night", scene="empty")]) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def _healthy(request: pytest.FixtureRequest) -> Iterator[None]:
    """No misbehavior of one test is left for the next."""
    yield
    if "cameras" in request.fixturenames:
        request.getfixturevalue("cameras").fault("*", None)
