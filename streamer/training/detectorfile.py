"""A trained detector as a model file: ONNX that takes pixels, with its card, proven to say what the network says."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch

from streamer.models.card import load_card, write_card
from streamer.models.importer import Origin, import_file
from streamer.models.nets.yolox import Served, Yolox
from streamer.training.detectionrecipe import Recipe

_OPSET = 13


def write_detector(net: Yolox, recipe: Recipe, made_from: str, out: Path) -> None:
    """Write the model file; `models import` makes batch and size dynamic, folds the stem, and compares outputs.

    Args:
        net: on the CPU.
        recipe: names, size, labels, and whom to thank.
        made_from: SHA-256 of the file that training started from.
        out: an .onnx file.

    Raises:
        ModelError: the exported network does not say what import expects.
    """
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
        plain = Path(folder) / "plain.onnx"
        write_plain(net, (recipe.side, recipe.side), plain)
        import_file(plain, out, Origin("yolox", recipe.labels, license=recipe.license, source=recipe.source))
    write_card(out, load_card(out).model_copy(update={"made_from_sha256": made_from, "architecture": "yolox-nano"}))


def write_plain(net: Yolox, size: tuple[int, int], path: Path) -> None:
    """ONNX of (height, width) at batch 1, as YOLOX itself exports it: what `models import` takes."""
    with warnings.catch_warnings():
        # the exporter of plain traces: the newer one needs onnxscript, and makes graphs that import cannot read
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Served(net).eval(),
            (torch.zeros(1, 3, *size),),
            str(path),
            input_names=["images"],
            output_names=["output"],
            opset_version=_OPSET,
            dynamo=False,
        )
