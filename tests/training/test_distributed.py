"""Two processes train as one does: same weights in both, and those of one process with the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from streamer.errors import InputError
from streamer.training import trainer
from streamer.training.distributed import Crew, device_of
from streamer.training.journal import read_log
from tests.training import crew


def test_two_processes_train_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two, one = tmp_path / "two", tmp_path / "one"
    two.mkdir()
    one.mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, "-m", "tests.training.crew", str(two)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    monkeypatch.setattr(trainer, "build", trainer.build)
    threads = torch.get_num_threads()
    crew.go(one)
    torch.set_num_threads(threads)
    first, second = (torch.load(two / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    alone = torch.load(one / "0.pt", weights_only=True)
    for name, value in alone["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name]), name
        assert torch.allclose(first["weights"][name], value, atol=1e-5), name
    assert torch.allclose(first["scores"], alone["scores"], atol=1e-5)
    assert torch.equal(first["scores"], second["scores"])
    steps = [row["step"] for row in read_log(two / "run" / "log.jsonl") if row["kind"] == "train"]
    assert steps == [1, 2]


def test_alone_everything_is_its_own() -> None:
    us = Crew(torch.device("cpu"))
    assert us.first
    assert us.share([1, 2, 3]) == [1, 2, 3]
    assert us.gathered([4, 5]) == [4, 5]
    net = torch.nn.Linear(1, 1)
    assert us.wrap(net) is net


def test_parts_interleave() -> None:
    places = list(range(7))
    parts = [Crew(torch.device("cpu"), rank, 2).share(places) for rank in (0, 1)]
    assert parts == [[0, 2, 4, 6], [1, 3, 5]]


@pytest.mark.parametrize("name", ["cuda:99", "quantum"])
def test_a_device_that_there_is_not_is_told(name: str) -> None:
    with pytest.raises(InputError, match=rf"machine\.device '{name}' cannot be used"):
        device_of(name)
