"""`streamer tune`: the search for a better recipe."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from streamer.errors import InputError


def tune(given: argparse.Namespace) -> int:
    """Search, and print what was found; status 1 if no trial came to an end.

    Raises:
        InputError: see Tuning.
    """
    if given.trials is not None and given.trials < 1:
        raise InputError(f"tune: --trials must be at least 1, got {given.trials}")
    if given.seconds is not None and given.seconds <= 0:
        raise InputError(f"tune: --seconds must be above 0, got {given.seconds:g}")
    from streamer.training.tune import Tuning

    changes = list(given.set)
    if given.data is not None:
        changes.append(f"data={json.dumps(str(given.data.absolute()))}")
    folder = given.out or Path("tune") / given.recipe.stem
    tuning = Tuning(given.recipe, folder, changes)
    best = tuning.search(given.trials, given.seconds, lambda line: print(line, file=sys.stderr, flush=True))
    if best is None:
        print(f"tune: no trial in {folder} came to an end", file=sys.stderr)
        return 1
    found = best.to_json(given.recipe, tuning.settings)
    if given.json:
        print(json.dumps(found))
    else:
        print(
            f"best: trial {best.trial}, recall {best.recall:.3f} with {tuning.settings.false_rate:.0%} false, ", end=""
        )
        print(f"threshold {best.threshold:.3f}, {best.ms:.1f} ms a step; {folder / 'best.json'}")
        print(found["command"])
    return 0
