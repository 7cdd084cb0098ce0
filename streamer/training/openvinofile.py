"""OpenVINO's own form of a step, for other programs; the OpenVINO runtime of streamer reads the ONNX file itself."""

from __future__ import annotations

from pathlib import Path

from streamer.errors import ModelError
from streamer.models.card import KEY, Card


def convert(file: Path, card: Card, out: Path) -> None:
    """Write an .xml and its .bin with float32 weights kept as they are; the card is in `rt_info`, as `streamer`.

    Raises:
        ModelError: OpenVINO is not installed, or refuses the file.
    """
    try:
        import openvino
    except ImportError as error:
        raise ModelError("export: --to openvino needs openvino; pip install openvino") from error
    try:
        model = openvino.convert_model(str(file))
        model.set_rt_info(card.model_dump_json(), [KEY])
        openvino.save_model(model, str(out), compress_to_fp16=False)
    except Exception as error:  # the library's errors share no base class
        raise ModelError(f"export: {file}: OpenVINO cannot convert it: {str(error)[:300]}") from error
