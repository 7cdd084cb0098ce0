"""CPU time and memory by role, read from /proc."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from streamer.bench.account import Account, machine, summarize

_BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint(1, flush=True)\ninput()"


def test_cpu_by_role_survives_the_end_of_a_process() -> None:
    with subprocess.Popen([sys.executable, "-c", _BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        account = Account({"engine": [os.getpid()], "worker": [child.pid]})
        assert child.stdout is not None
        child.stdout.readline()
        used = account.cpu()
        assert 0.25 <= used["worker"] < 5
        account.sample()
        child.communicate(b"\n")
        child.wait()
        assert account.cpu()["worker"] == used["worker"]
    memory = account.memory()
    assert memory.peak_rss["engine"] > 20
    assert memory.peak_rss["worker"] > 3
    assert 0 < memory.peak_pss["worker"] <= memory.peak_rss["worker"]


def test_memory_is_compared_by_thirds_over_all_roles() -> None:
    samples = [(float(i), {"a": 10.0, "b": 5.0}, {"a": 4.0 + i, "b": 1.0}) for i in range(9)]
    memory = summarize(samples)
    assert memory.peak_rss == {"a": 10.0, "b": 5.0}
    assert memory.peak_pss == {"a": 12.0, "b": 1.0}
    assert (memory.first_pss, memory.last_pss) == (6.0, 12.0)
    assert memory.growth == 2.0


def test_no_samples_no_growth() -> None:
    assert summarize([]).growth == 1.0


def test_busy_time_of_the_machine_grows() -> None:
    busy, steal = machine()
    sum(i * i for i in range(400_000))
    again, _ = machine()
    assert again >= busy > 0
    assert steal >= 0
    assert again - busy == pytest.approx(0.0, abs=30.0)
