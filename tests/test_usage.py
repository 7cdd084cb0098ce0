"""Tests of streamer.usage against processes whose use is known."""

import os
import subprocess
import sys

import pytest

from streamer.usage import children, usage

BURN = """
import sys, time
block = bytearray(60_000_000)
begun = time.process_time()
while time.process_time() - begun < 0.3:
    pass
print("burnt", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def burner():
    process = subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate()


def test_counts_cpu_and_memory(burner):
    used = usage(burner.pid)
    assert used is not None
    assert 0.3 <= used.cpu_s < 5
    assert used.rss_bytes > 60_000_000
    assert 0 < used.pss_bytes <= used.rss_bytes * 1.1


def test_pss_may_be_left_out(burner):
    used = usage(burner.pid, pss=False)
    assert used is not None
    assert used.rss_bytes > 60_000_000
    assert used.pss_bytes == 0


def test_children_are_found(burner):
    assert burner.pid in children(os.getpid())


def test_a_process_that_is_gone(burner):
    burner.communicate()
    assert usage(burner.pid) is None
    assert children(burner.pid) == []
