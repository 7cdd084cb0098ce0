"""What the commands of training can be given; whoever does the work is imported when it is asked for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

Add = Callable[[str, str, str], argparse.ArgumentParser]
"""Adds a command: name, ``module:function``, one line of help."""


def add_commands(command: Add) -> None:
    """Train, tune, explain and export."""
    _add_training_commands(command)
    _add_explaining_commands(command)
    _add_export_command(command)


def _add_training_commands(command: Add) -> None:
    made = command("train", "commands.train:train", "train a behaviour model from a recipe and a folder of clips")
    made.add_argument("recipe", type=Path, metavar="RECIPE", help="a YAML file; see docs/training.md")
    made.add_argument("--data", type=Path, metavar="FOLDER", help="of clips, or a CSV list (default: the recipe's)")
    made.add_argument("--out", type=Path, metavar="FOLDER", help="where all goes (default runs/NAME)")
    made.add_argument("--resume", choices=("auto",), help="go on with what is there, if anything is")
    made.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe, e.g. schedule.epochs=10"
    )
    made.add_argument("--folds", type=int, metavar="K", help="judge every clip by a net that has not seen its source")
    made.add_argument("--pack", type=Path, metavar="FOLDER", help="only write the decoded frames, to train elsewhere")


def _add_explaining_commands(command: Add) -> None:
    made = command("tune", "commands.tune:tune", "search for a better recipe, by trainings that are compared")
    made.add_argument("recipe", type=Path, metavar="RECIPE", help="with a section `tune`; see docs/tuning.md")
    made.add_argument("--data", type=Path, metavar="FOLDER", help="of clips, or a CSV list (default: the recipe's)")
    made.add_argument("--out", type=Path, metavar="FOLDER", help="of the search (default tune/NAME); gone on with")
    made.add_argument("--trials", type=int, metavar="N", help="in all, earlier calls included (default: the recipe's)")
    made.add_argument("--seconds", type=float, metavar="S", help="begin no trial after so many")
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe of all trials")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made = command("explain", "commands.explain:explain", "draw where a behaviour model saw what it decided")
    made.add_argument("--model", metavar="NAME | FILE", help="a behaviour model (with --alert: instead of its own)")
    made.add_argument("--video", type=Path, metavar="FILE", help="a recording")
    made.add_argument("--alert", metavar="ID", help="instead of --video: the clip of this alert")
    made.add_argument("--config", type=Path, metavar="SITE", help="with --alert: whose storage has it")
    made.add_argument("--at", type=float, metavar="S", help="when, seconds from the video's start (default: the peak)")
    made.add_argument("--label", metavar="LABEL", help="of the model (default: the one with a threshold)")
    made.add_argument("--out", type=Path, metavar="PNG", help="the picture (default NAME-why.png)")
    made.add_argument("--json", action="store_true", help="print one JSON object")


def _add_export_command(command: Add) -> None:
    made = command(
        "export", "commands.export:export", "make the file that is served from trained weights, and prove it"
    )
    made.add_argument("file", type=Path, metavar="FILE", help="a .safetensors file that training wrote")
    made.add_argument("--to", default="onnx", help="onnx (default, what the daemon runs), openvino or tensorrt")
    made.add_argument("--int8", action="store_true", help="weights and activations in 8 bits, by NNCF")
    made.add_argument("--calibrate", type=Path, metavar="FOLDER", help="clips that --int8 measures ranges on")
    made.add_argument("--out", type=Path, required=True, metavar="FILE", help="where: .onnx, or .xml for openvino")
    made.add_argument("--json", action="store_true", help="print the report as one JSON object")


def add_data_commands(command: Add) -> None:
    """Check, dedup, split, stats and import."""

    def on(name: str, code: str, text: str) -> argparse.ArgumentParser:
        made = command(name, f"commands.{code}", text)
        made.add_argument("data", type=Path, metavar="FOLDER | CSV", help="clips: a folder a class, or a list")
        return made

    made = on("check", "data:check", "find broken, short, silent, lying and doubtful clips")
    made.add_argument("--least-seconds", type=float, default=1.0, metavar="S", help="shorter ones are told (default 1)")
    made.add_argument("--labels", action="store_true", help="tell labels that are probably wrong, too")
    made.add_argument("--probabilities", type=Path, metavar="CSV", help="for that: out of fold, from a training")
    made.add_argument("--model", metavar="NAME | FILE", help="for that: a model whose embeddings help")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made = on("dedup", "data:dedup", "find near-duplicates, and scenes that two sources share")
    made.add_argument("--model", metavar="NAME | FILE", help="for embeddings (default: a shipped one; none: by hash)")
    made.add_argument("--out", type=Path, metavar="CSV", help="write a list without them")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made = on("split", "lists:split", "split into training, validation and test without a shared source")
    made.add_argument("--out", type=Path, required=True, metavar="CSV", help="the list that is written")
    made.add_argument("--by", choices=("source", "camera"), default="source", help="never parted (default source)")
    made.add_argument("--shares", default="0.7,0.15,0.15", metavar="A,B,C", help="default 0.7,0.15,0.15")
    made.add_argument("--folds", type=int, metavar="K", help="instead: K lists, each with another part as test")
    made.add_argument("--seed", type=int, default=0, help="default 0")
    made = on("stats", "data:stats", "tell classes, lengths, rates, sizes and light")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    made = on("import", "lists:import_clips", "make a data folder of clips and segments from elsewhere")
    made.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the new data folder")
    made.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="rename a class (OLD=: leave it out); repeatable",
    )
    made.add_argument("--mode", choices=("copy", "link", "list"), default="copy", help="of whole files (default copy)")
