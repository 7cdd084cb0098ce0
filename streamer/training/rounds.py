"""k-fold training: each clip is judged once, by a net that has seen nothing of its source; then one net learns all.

Nothing is chosen on the clips that judge: every fold's last weights count, there is no early stop, and the threshold of
the final model comes from the pooled scores. Called by `streamer train --folds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.training.distributed import Crew
from streamer.training.figures import NAMES, clip_figures
from streamer.training.folds import grouped_folds
from streamer.training.frames import Gathered, Progress
from streamer.training.recipe import Recipe
from streamer.training.run import Run
from streamer.training.samples import Sample
from streamer.training.session import Sets, train_on
from streamer.training.validation import Judged, figures, truth_of

SUMMARY = "folds.json"
"""Pooled figures at 0.5, those of each fold, and every clip's scores."""


@dataclass(slots=True)
class Rounds:
    """What came of all folds."""

    folder: Path
    pooled: dict[str, Any]
    """Figures of the target label over all clips, each judged by the fold that had not seen its source."""
    folds: list[dict[str, float]]
    skipped: int

    def summary(self) -> str:
        """For people."""
        lines = [
            f"{self.folder}: {len(self.folds)} folds, {self.pooled['clips']} clips of {self.pooled['sources']} sources"
        ]
        for name in NAMES:
            value, interval = self.pooled[name], self.pooled["intervals"][name]
            if value is not None:
                ends = "" if interval is None else f"   95 % over sources {interval[0]:.3f} to {interval[1]:.3f}"
                lines.append(f"{name:<10}{value:.3f}{ends}")
        spread = [fold["accuracy"] for fold in self.folds if "accuracy" in fold]
        lines.append(f"accuracy by fold: {', '.join(f'{it:.3f}' for it in spread)}; mean {np.mean(spread):.3f}")
        if self.skipped:
            lines.append(f"skipped: {self.skipped} clips that cannot be read")
        return "\n".join(lines)


def train_folds(
    recipe: Recipe,
    folder: Path,
    gathered: Gathered,
    crew: Crew,
    how: tuple[int, bool],
    progress: Progress | None = None,
) -> Rounds:
    """Train k nets and judge each with the fold that was held back; then train the one that is kept, on all clips.

    Args:
        recipe: all settings; `stop` does not apply.
        folder: gets `fold-0` ..., `final`, and the summary.
        gathered: clips.
        crew: with whom.
        how: the number of folds, and whether to go on with what is there.
        progress: told of each step.

    Raises:
        InputError: too few sources for the folds, or as `train_on`.
    """
    count, resume = how
    stop = recipe.stop.model_copy(update={"patience": None, "keep": "last"})
    recipe = recipe.model_copy(update={"stop": stop})
    clips = {clip.sample: clip for clip in gathered.clips}
    rows: dict[Sample, NDArray[np.float64]] = {}
    folds = []
    for i, (learn, held) in enumerate(grouped_folds(list(clips), count, recipe.seed)):
        told = None if progress is None else _named(progress, f"fold {i + 1} of {count}")
        sets = Sets([clips[it] for it in learn], [clips[it] for it in held], gathered.skipped)
        done = train_on(recipe, folder / f"fold-{i}", sets, crew, resume, told)
        assert done.judged is not None
        folds.append(done.judged.figures)
        rows |= dict(zip(held, done.judged.scores, strict=True))
    scores = np.stack([rows[sample] for sample in clips])
    pooled = Judged(
        [it.label for it in clips], [it.source for it in clips], scores, float(np.mean([f["loss"] for f in folds]))
    )
    pooled.figures = {"loss": pooled.loss, **figures(pooled.labels, pooled.sources, scores, recipe)}
    told = None if progress is None else _named(progress, "all clips")
    sets = Sets(list(clips.values()), [], gathered.skipped, pooled)
    train_on(recipe, folder / "final", sets, crew, resume, told)
    about = clip_figures(
        truth_of(pooled.labels, recipe.target), scores[:, recipe.labels.index(recipe.target)], pooled.sources
    ).to_json()
    if crew.first:
        rows_json = [[str(it.file), it.label, it.source, *(round(float(v), 6) for v in rows[it])] for it in clips]
        Run(folder).write(SUMMARY, {"label": recipe.target, "pooled": about, "folds": folds, "scores": rows_json})
    return Rounds(folder, about, folds, len(gathered.skipped))


def _named(progress: Progress, name: str) -> Progress:
    return lambda _, done, total: progress(name, done, total)
