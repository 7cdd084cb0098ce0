"""What a frame costs in one runtime: `python -m streamer.inference.measure FILE PLAN BATCHES`, JSON on stdout.

A process of its own, started by `inference.plans`: loading every runtime into the worker would leave it fat, and their
thread pools would disturb each other's figures. Processor time, not wall time: it hardly changes on a busy machine.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from streamer.errors import ModelError
from streamer.inference.loaded import LoadedNetwork
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import ModelSpec
from streamer.models.card import load_card

_ROUNDS = 4
_ROUND_S = 0.08


def measure(file: Path, plan: Plan, batches: list[int]) -> dict[int, float]:
    """Processor seconds a frame by batch size: the best of some rounds, after warming up."""
    card = load_card(file)
    network = LoadedNetwork(ModelSpec("measure", file), card, plan)
    width = card.input.width
    noise = np.random.default_rng(0).integers(0, 256, (max(1, width * 9 // 16), width, 3)).astype(np.uint8)
    picture = Picture("measure", 1, 0.0, noise)
    costs = {}
    for size in batches:
        pictures = [picture] * size
        network.run(pictures)
        network.run(pictures)
        costs[size] = min(_round(network, pictures) for _ in range(_ROUNDS))
    return costs


def _round(network: LoadedNetwork, pictures: list[Picture]) -> float:
    frames = 0
    started, until = time.process_time(), time.perf_counter() + _ROUND_S
    while frames == 0 or time.perf_counter() < until:
        network.run(pictures)
        frames += len(pictures)
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
