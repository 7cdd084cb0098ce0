"""How well the fight net tells clips of scenes that it has not seen: five folds by source, repeated with other folds.

`python -m tests.fightfolds --weights yolox_nano.onnx` prints it in some minutes. The backbone of the recipe stays as it
is, so its features are computed once, by the net's own code, and each fold fits the linear layer alone, here
by logistic
regression (the trainer's descent with weight decay comes near the same minimum): clips as they are, mirrored, and as a
camera of 5 frames a second gives them. A clip's score is that of `streamer evaluate`, at the threshold 0.5.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from streamer.models.nets.build import build
from streamer.models.transforms import normalise
from streamer.training.figures import NAMES, Figures, clip_figures, clip_score
from streamer.training.folds import grouped_folds
from streamer.training.frames import decode
from streamer.training.recipe import load_recipe
from streamer.training.samples import Sample, read_samples

RECIPE = Path(__file__).parent.parent / "configs" / "recipes" / "fight.yaml"
STRENGTH = 0.3
"""C of the regression: a clip's loss against the square of the weights."""
Values = NDArray[np.float32]
Views = tuple[Values, Values, Values]
"""As it is, mirrored, at 5 fps; each (steps, channels), from the warm step on."""


def views_of(net: torch.nn.Module, sample: Sample, recipe: object) -> Views:
    """What the linear layer is shown of a clip."""
    clip = decode(sample, recipe.input, recipe.net.fps)  # type: ignore[attr-defined]
    slow = np.repeat(clip[::2], 2, 0)[: len(clip)]
    found = []
    for pixels in (clip, clip[:, :, ::-1], slow):
        frames = torch.from_numpy(normalise(np.ascontiguousarray(pixels), recipe.input))  # type: ignore[attr-defined]
        with torch.no_grad():
            maps = torch.cat([net.backbone(frame[None], [], 1)[0] for frame in frames]).unsqueeze(0)
            past = tuple(torch.zeros(1, *shape) for shape in net.change.shapes.values())
            values, _ = net.change(maps, past, len(frames))
        found.append(values[0, net.warm_frames - 1 :].numpy())
    return found[0], found[1], found[2]


def counted(values: Values) -> Values:
    """The steps that count in training, as in `clip_score`."""
    return values[len(values) - max(1, int(np.ceil(0.6 * len(values)))) :]


def judged(learn: list[tuple[Views, int]], held: list[Views]) -> NDArray[np.float64]:
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

    return np.array([[score(views[0]), score(views[2])] for views in held])


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
    views = [views_of(net, sample, recipe) for sample in samples]
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
