"""`streamer export`: a trained net becomes the file that is served, and proves that it says the same.

Every export ends with a report: parity with the net over streamed steps and mixed cameras, size, and milliseconds a
step of both in the same run. A float32 file that is not the same is not written.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from streamer.errors import InputError, ModelError
from streamer.models.card import Card, load_card, write_card
from streamer.models.nets.saved import load
from streamer.training import openvinofile, parity
from streamer.training.parity import Parity
from streamer.training.quantize import quantize
from streamer.training.stepfile import write_onnx
from streamer.training.steppers import OnnxStepper, OpenVinoStepper, Stepper, TorchStepper

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
        to: `onnx`: the model file that the daemon runs, with its card. `openvino`: an .xml with its .bin, for other
            programs; the card is in its `rt_info`. `tensorrt`: the ONNX file again, proven in ONNX Runtime's TensorRT
            provider, with the engines that it built in a folder beside it.
        out: where.
        int8: weights and activations in 8 bits, by NNCF; not with `tensorrt`.
        calibrate: folder of clips, for int8.

    Raises:
        InputError: options that do not go together.
        ModelError: the file cannot be exported, or the result does not say the same.
    """
    _check_options(to, out, int8, calibrate)
    import torch

    net, card = load(path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the runtimes that it is compared with
    draft = out.with_name(f".{out.stem}.draft{out.suffix}")
    plain = out.with_name(f".{out.stem}.plain.onnx")
    try:
        card = write_onnx(net, card, plain)
        made = _MAKERS[str(to)](_Plain(net, card, path, plain, out), draft, calibrate if int8 else None)
        _keep(draft, out)
    finally:
        torch.set_num_threads(threads)
        for file in (*_files(draft), plain):
            file.unlink(missing_ok=True)
    return made


@dataclass(frozen=True, slots=True)
class _Plain:
    """What every form is made from: the net, and its step in float32 as ONNX."""

    net: Any
    card: Card
    path: Path
    file: Path
    out: Path

    def compared(self, after: tuple[Path, str, Stepper], int8: bool) -> Report:
        """Prove the other form, and time it beside what it replaces."""
        stepper = after[2]
        batches = parity.schedule()
        found = parity.compare(parity.reference_of(self.net, self.card, batches), stepper, self.card, batches)
        if not (found.same or int8):
            raise ModelError(
                f"export: the exported model differs from its net: {found}; less than {parity.TOLERANCE:g} and no "
                "other answer is asked of float32. Nothing was written"
            )
        before: tuple[Path, str, Stepper] = (self.path, "torch", TorchStepper(self.net))
        if int8 or after[1] != _ORT:
            before = (self.file, f"{_ORT} float32", OnnxStepper(self.file, self.card))
        return _report(self.out, "int8" if int8 else "float32", found, before, after, self.card)


def _to_onnx(plain: _Plain, draft: Path, calibrate: Path | None) -> Report:
    if calibrate is None:
        shutil.copyfile(plain.file, draft)
    else:
        quantize(plain.file, plain.card, calibrate, draft)
    report = plain.compared((draft, _ORT, OnnxStepper(draft, plain.card)), calibrate is not None)
    write_card(draft, with_report(plain.card, report))
    load_card(draft, "behaviour")
    return report


def _to_openvino(plain: _Plain, draft: Path, calibrate: Path | None) -> Report:
    source = plain.file
    if calibrate is not None:
        source = draft.with_suffix(".onnx")
        quantize(plain.file, plain.card, calibrate, source)
    try:
        openvinofile.convert(source, plain.card, draft)
        report = plain.compared((draft, "OpenVINO", OpenVinoStepper(draft, plain.card)), calibrate is not None)
        openvinofile.convert(source, with_report(plain.card, report), draft)
    finally:
        if calibrate is not None:
            source.unlink(missing_ok=True)
    return report


def _to_tensorrt(plain: _Plain, draft: Path, calibrate: Path | None) -> Report:
    engines = plain.out.with_suffix(".engines")
    options = {"trt_engine_cache_enable": "True", "trt_engine_cache_path": str(engines)}
    shutil.copyfile(plain.file, draft)
    report = plain.compared((draft, "TensorRT", OnnxStepper(draft, plain.card, "tensorrt", options)), False)
    write_card(draft, with_report(plain.card, report))
    return report


_ORT = "ONNX Runtime"
_MAKERS: dict[str, Callable[[_Plain, Path, Path | None], Report]] = {
    "onnx": _to_onnx,
    "openvino": _to_openvino,
    "tensorrt": _to_tensorrt,
}
_SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "tensorrt": ".onnx"}


def _check_options(to: str, out: Path, int8: bool, calibrate: Path | None) -> None:
    if to not in _MAKERS:
        raise InputError(f"export: --to must be one of {', '.join(_MAKERS)}, got {to!r}")
    if out.suffix != _SUFFIXES[to]:
        raise InputError(f"export: --out must end in {_SUFFIXES[to]} for --to {to}, got {out}")
    if not out.parent.is_dir():
        raise InputError(f"export: --out: the folder {out.parent} does not exist")
    if int8 and to == "tensorrt":
        raise InputError("export: --int8 is for onnx and openvino; TensorRT calibrates in a way of its own")
    if int8 and calibrate is None:
        raise InputError("export: --int8 needs --calibrate FOLDER, clips as they are in use (20 or more)")
    if calibrate is not None and not int8:
        raise InputError("export: --calibrate is for --int8")
    if calibrate is not None and not calibrate.exists():
        raise InputError(f"export: --calibrate {calibrate}: no such folder")


def _keep(draft: Path, out: Path) -> None:
    """The weights first: an .xml without its .bin is nothing."""
    for source, place in reversed(list(zip(_files(draft), _files(out), strict=True))):
        source.replace(place)


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
