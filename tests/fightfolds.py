"""How well the fight net tells clips of scenes that it has not seen: five folds by source, repeated with other folds.

`python -m tests.fightfolds --weights yolox_nano.onnx` prints it in some minutes. The backbone of the recipe stays as it
is, so its features are computed once, by the net's own code, and each fold fits the linear layer alone, by logistic
regression (the trainer's descent with weight decay comes near the same minimum): clips as they are, as a camera of 5
frames a second gives them, and augmented as the recipe says. A clip's score is that of `streamer evaluate`, at the
threshold 0.5.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.models.nets.build import build
from streamer.models.transforms import normalise
from streamer.training import augment
from streamer.training.figures import NAMES, Figures, clip_figures, clip_score
from streamer.training.folds import grouped_folds
from streamer.training.frames import decode
from streamer.training.learner import to_input
from streamer.training.recipe import Recipe, load_recipe
from streamer.training.samples import Sample, read_samples

RECIPE = Path(__file__).parent.parent / "configs" / "recipes" / "fight.yaml"
STRENGTH = 0.3
"""C of the regression: a clip's loss against the square of the weights."""
DRAWS = 4
"""Augmented views of a clip, beside it as it is and at 5 fps."""
Values = NDArray[np.float32]


def views_of(net: Any, sample: Sample, recipe: Recipe, rng: np.random.Generator) -> list[Values]:
    """What the linear layer is shown of a clip: as it is, at 5 fps, augmented; each (steps, channels), warm steps."""
    clip = decode(sample, recipe.input, recipe.net.fps)
    draws = [augment.draw(recipe.augment, len(clip), rng) for _ in range(DRAWS)]
    changed = augment.apply(torch.from_numpy(np.stack([clip] * DRAWS)), draws)
    slow = np.repeat(clip[::2], 2, 0)[: len(clip)]
    plain = [torch.from_numpy(normalise(pixels, recipe.input)) for pixels in (clip, slow)]
    return [values_of(net, frames) for frames in (*plain, *to_input(changed, recipe.input))]


def values_of(net: Any, frames: torch.Tensor) -> Values:
    """Of frames (steps, 3, height, width), normalised."""
    with torch.no_grad():
        maps, _ = net.backbone(frames, [], 1)
        past = tuple(torch.zeros(1, *shape) for shape in net.change.shapes.values())
        values, _ = net.change(maps.unsqueeze(0), past, len(frames))
    found: Values = values[0, net.warm_frames - 1 :].numpy()
    return found


def counted(values: Values) -> Values:
    """The steps that count in training, as in `clip_score`."""
    return values[len(values) - max(1, int(np.ceil(0.6 * len(values)))) :]


def judged(learn: list[tuple[list[Values], int]], held: list[list[Values]]) -> NDArray[np.float64]:
    """Scores (clips, 2): at the full rate, and at 5 fps."""
    from sklearn.linear_model import LogisticRegression

    rows, truth, weights = [], [], []
    for views, label in learn:
        for view in views:
            part = counted(view)
            rows.append(part)
            truth += [label] * len(part)
            weights += [1 / len(part) / len(views)] * len(part)
    stacked = np.concatenate(rows)
    mean, deviation = stacked.mean(0), stacked.std(0) + 1e-3
    fitted = LogisticRegression(C=STRENGTH, max_iter=500)
    fitted.fit((stacked - mean) / deviation, truth, sample_weight=weights)

    def score(view: Values) -> float:
        said = fitted.predict_proba((view - mean) / deviation)[:, 1]
        return clip_score(said, np.ones(len(said), bool))

    return np.array([[score(views[0]), score(views[1])] for views in held])


def line(name: str, figures: Figures) -> str:
    """One row."""
    low, high = figures.intervals["accuracy"] or (0.0, 0.0)
    cells = "".join(f"{getattr(figures, it):>11.3f}" for it in NAMES)
    return f"{name:<14}{cells}   {low:.3f} to {high:.3f}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="Figures of the fight net on scenes that it has not seen.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/fights"))
    parser.add_argument("--weights", type=Path, default=Path("../shared/data/weights/yolox_nano.onnx"))
    parser.add_argument("--seeds", type=int, default=8)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load_recipe(RECIPE)
    net = build(recipe.net, asked.weights).eval()
    samples = read_samples(asked.data)
    truth = np.array([sample.label == recipe.target for sample in samples]).astype(int)
    sources = [sample.source for sample in samples]
    rng = np.random.default_rng(0)
    views = [views_of(net, sample, recipe, rng) for sample in samples]
    print(f"{'folds of seed':<14}{''.join(f'{name:>11}' for name in NAMES)}   95 % of accuracy", flush=True)
    place = {sample: i for i, sample in enumerate(samples)}
    every: list[list[Figures]] = [[], []]
    for seed in range(asked.seeds):
        scores, by_fold = np.zeros((len(samples), 2)), []
        for learn, held in grouped_folds(samples, 5, seed):
            told = [place[it] for it in held]
            scores[told] = judged([(views[place[it]], truth[place[it]]) for it in learn], [views[i] for i in told])
            by_fold.append(float(((scores[told, 0] >= 0.5) == truth[told]).mean()))
        for i, name in enumerate((f"{seed}", f"{seed} at 5 fps")):
            every[i].append(clip_figures(truth, scores[:, i], sources, 0.5))
            print(line(name, every[i][-1]), "  folds " + " ".join(f"{it:.2f}" for it in by_fold) if i == 0 else "")
    for name, figures in zip(("mean", "mean at 5 fps"), every, strict=True):
        cells = "".join(f"{np.mean([getattr(it, key) for it in figures]):>11.3f}" for key in NAMES)
        ends = np.mean([it.intervals["accuracy"] for it in figures], 0)
        print(f"{name:<14}{cells}   {ends[0]:.3f} to {ends[1]:.3f}", flush=True)


if __name__ == "__main__":
    main()
