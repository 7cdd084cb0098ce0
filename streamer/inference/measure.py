"""What a frame costs in one runtime: `python -m streamer.inference.measure FILE PLAN BATCHES`, JSON on stdout.

A process of its own, started by `inference.plans`: loading every runtime into the worker would leave it fat, and their
thread pools would disturb each other's figures. Processor time, not wall time: it hardly changes on a busy machine.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from streamer.errors import ModelError
from streamer.inference.loaded import load
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import ModelSpec, analysis_box
from streamer.models.card import load_card

_ROUNDS = 4
_ROUND_S = 0.08


def measure(file: Path, plan: Plan, batches: list[int]) -> dict[int, float]:
    """Processor seconds a frame by batch size: the best of some rounds, after warming up."""
    card = load_card(file)
    network = load(ModelSpec("measure", file), card, plan)
    width, _ = analysis_box(card.input)
    noise = np.random.default_rng(0).integers(0, 256, (max(1, width * 9 // 16), width, 3)).astype(np.uint8)
    clock = itertools.count()  # frames of cameras that go on: a behaviour model computes nothing for a frame of before
    costs = {}
    for size in batches:

        def run(size: int = size) -> int:
            at = next(clock) / (card.fps or 1.0)
            network.run([Picture(f"measure {i}", 1, at, noise) for i in range(size)])
            return size

        run()
        run()
        costs[size] = min(_round(run) for _ in range(_ROUNDS))
    return costs


def _round(run: Callable[[], int]) -> float:
    frames = 0
    started, until = time.process_time(), time.perf_counter() + _ROUND_S
    while frames == 0 or time.perf_counter() < until:
        frames += run()
    return (time.process_time() - started) / frames


def main() -> int:
    """Entry point of the process."""
    try:
        costs = measure(Path(sys.argv[1]), Plan(**json.loads(sys.argv[2])), json.loads(sys.argv[3]))
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(costs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
