"""`streamer export`: a trained net becomes the file that is served, and proves that it says the same.

Every export ends with a report: parity with the net over streamed steps and mixed cameras, size, and milliseconds a
step of both in the same run. A float32 file that is not the same is not written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from streamer.errors import InputError, ModelError
from streamer.models.card import Card, write_card
from streamer.models.nets.saved import load
from streamer.training import parity
from streamer.training.parity import Parity
from streamer.training.stepfile import write_onnx
from streamer.training.steppers import OnnxStepper, Stepper, TorchStepper

Target = Literal["onnx", "openvino", "tensorrt"]
_SPEEDS = (1, 8)
"""Batch sizes that are timed."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the model: what it is, how large, how quick."""

    name: str
    size_bytes: int
    step_ms: dict[int, float]
    """Median milliseconds of a step by batch size, one thread (or the device)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an export found; the same is kept in the exported card's `training`, under `export`."""

    out: Path
    precision: str
    parity: Parity
    before: Form
    after: Form

    def to_json(self) -> dict[str, Any]:
        """For the card and for --json."""
        return {**asdict(self), "out": self.out.name}

    def __str__(self) -> str:
        lines = [f"{self.out}: {self.after.name}, {self.precision}", f"parity    {self.parity}"]
        before, after = self.before, self.after
        was, now = before.size_bytes / 1e6, after.size_bytes / 1e6
        lines.append(f"size      {was:.2f} MB ({before.name}) -> {now:.2f} MB, x {now / was:.2f}")
        for batch, ms in after.step_ms.items():
            was = before.step_ms[batch]
            lines.append(f"batch {batch:<3} {was:.2f} ms ({before.name}) -> {ms:.2f} ms a step, x {ms / was:.2f}")
        return "\n".join(lines)


def export(path: Path, to: Target | str, out: Path, int8: bool = False, calibrate: Path | None = None) -> Report:
    """Write the served form of a trained net.

    Args:
        path: a .safetensors file that training wrote.
        to: `onnx`, `openvino` (an .xml with its .bin) or `tensorrt` (an engine cache beside an .onnx).
        out: where.
        int8: weights and activations in 8 bits, by NNCF.
        calibrate: folder of clips, for int8.

    Raises:
        InputError: options that do not go together.
        ModelError: the file cannot be exported, or the result does not say the same.
    """
    if to not in get_args(Target):
        raise InputError(f"export: --to must be one of {', '.join(get_args(Target))}, got {to!r}")
    if not out.parent.is_dir():
        raise InputError(f"export: --out: the folder {out.parent} does not exist")
    import torch

    net, card = load(path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the runtimes that it is compared with
    try:
        return _export_onnx(net, card, path, out)
    finally:
        torch.set_num_threads(threads)


def _export_onnx(net: Any, card: Card, path: Path, out: Path) -> Report:
    draft = out.with_name(f".{out.stem}.unproven.onnx")
    try:
        card = write_onnx(net, card, draft)
        stepper = OnnxStepper(draft, card)
        found = _prove(net, card, stepper)
        report = _report(
            out, "float32", found, (path, "torch", TorchStepper(net)), (draft, "ONNX Runtime", stepper), card
        )
        write_card(draft, with_report(card, report))
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return report


def _prove(net: Any, card: Card, stepper: Stepper) -> Parity:
    batches = parity.schedule()
    found = parity.compare(parity.reference_of(net, card, batches), stepper, card, batches)
    if not found.same:
        raise ModelError(
            f"export: the exported model differs from its net: {found}; less than {parity.TOLERANCE:g} and no other "
            "answer is asked of float32. Nothing was written"
        )
    return found


def _report(
    out: Path,
    precision: str,
    found: Parity,
    before: tuple[Path, str, Stepper],
    after: tuple[Path, str, Stepper],
    card: Card,
) -> Report:
    times = {batch: parity.milliseconds([before[2], after[2]], card, batch) for batch in _SPEEDS}
    forms = [
        Form(name, sum(file.stat().st_size for file in _files(path)), {b: round(ms[i], 3) for b, ms in times.items()})
        for i, (path, name, _) in enumerate((before, after))
    ]
    return Report(out, precision, found, *forms)


def _files(path: Path) -> list[Path]:
    """A model's file, and its weights where they are kept apart."""
    return [path, path.with_suffix(".bin")] if path.suffix == ".xml" else [path]


def with_report(card: Card, report: Report) -> Card:
    """A card that also says how its file was exported."""
    return card.model_copy(update={"training": {**card.training, "export": report.to_json()}})
