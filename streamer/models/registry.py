"""Where model files are found: built in, shipped with the package, imported by the user, or anywhere by path.

Called by the inference client, the command line and `check`. It never reads more than cards, and never downloads.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamer.errors import ModelError
from streamer.models.card import Card, load_card
from streamer.models.motion import CARD as MOTION_CARD

MOTION: Literal["motion"] = "motion"
"""The built-in detector that needs no weights."""
SERVED = ("detection", "behaviour")
"""Tasks of models that pipelines ask."""
SUFFIXES = (".onnx", ".safetensors")
_SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True, slots=True)
class Known:
    """A model that can be named in a site file."""

    name: str
    origin: Literal["built in", "shipped", "imported"]
    file: Path | None
    card: Card | None
    fault: str = ""
    """Why the file cannot be used; then there is no card."""


def storage() -> Path:
    """The folder of imported models: $STREAMER_MODELS, or ~/.local/share/streamer/models."""
    chosen = os.environ.get("STREAMER_MODELS")
    if chosen:
        return Path(chosen)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "streamer" / "models"


def resolve(name: str, base_dir: Path, also: Iterable[str] = ()) -> Path | Literal["motion"]:
    """The file that a site file means by a name or a path.

    Args:
        name: `motion`, a path (absolute, or relative to `base_dir`), or the name of a shipped or imported model.
        base_dir: the folder of the site file.
        also: names that mean something where this one stands; only to be proposed.

    Raises:
        ModelError: nothing is there; names the nearest known model.
    """
    if name == MOTION:
        return MOTION
    path = (base_dir / Path(name).expanduser()).absolute()
    if path.is_file():
        return path
    if Path(name).suffix not in SUFFIXES or "/" not in name:
        for folder in (storage(), _SHIPPED):
            for suffix in ("", *SUFFIXES):
                candidate = folder / f"{name}{suffix}"
                if candidate.suffix in SUFFIXES and candidate.is_file():
                    return candidate
    near = difflib.get_close_matches(name, [*also, *(known.name for known in models())], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(k.name for k in models())}"
    raise ModelError(f"model {name!r}: no such file ({path}) and no model of that name{hint}")


def card_of(file: Path | Literal["motion"], task: str | None = None) -> Card:
    """The card of what `resolve` found; raises ModelError as `load_card` does."""
    if file == MOTION:
        if task not in (None, MOTION_CARD.task):
            raise ModelError(f"model motion: its task is {MOTION_CARD.task}, {task} is needed here")
        return MOTION_CARD
    return load_card(Path(file), task)


def served_card(file: Path | Literal["motion"]) -> Card:
    """The card of a model that a pipeline can ask.

    Raises:
        ModelError: as `load_card` does, and for tasks that no pipeline asks for.
    """
    card = card_of(file)
    if card.task not in SERVED:
        raise ModelError(f"model {file}: its task is {card.task}; pipelines ask models of {' and '.join(SERVED)}")
    return card


def models() -> list[Known]:
    """All models that have a name, with what is wrong with those that cannot be used; imported ones hide shipped."""
    known: dict[str, Known] = {MOTION: Known(MOTION, "built in", None, MOTION_CARD)}
    places: tuple[tuple[Literal["shipped", "imported"], Path], ...] = (("shipped", _SHIPPED), ("imported", storage()))
    for origin, folder in places:
        if not folder.is_dir():
            continue
        for file in sorted(folder.iterdir()):
            if file.suffix in SUFFIXES and not file.name.startswith("."):
                try:
                    known[file.stem] = Known(file.stem, origin, file, load_card(file))
                except ModelError as error:
                    known[file.stem] = Known(file.stem, origin, file, None, str(error))
    return list(known.values())
