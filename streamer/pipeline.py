"""The base class of pipelines, and how a pipeline is found by name.

A pipeline is a settings model with one method, `watch`, that reads as what happens to one camera. It imports only what
`streamer` exports. Its `Detector` and `Behaviour` fields, and the `Behaviour` fields of its rules, hold a model's name
until the engine binds them; a bound handle is awaited with a frame, and what is awaited at the same time for other
cameras is computed in the same batch.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

from streamer.behaviour import Ask, Behaviour
from streamer.camera import Camera
from streamer.detector import Detector
from streamer.errors import InputError
from streamer.events import Event
from streamer.places import Places
from streamer.readings import Reading
from streamer.rules.rule import Rule
from streamer.types import NO_SCORES, Detections, Frame, Scores

__all__ = ["Ask", "Behaviour", "Detector", "Pipeline", "load_pipeline"]

ENTRY_POINTS = "streamer.pipelines"


class Pipeline(BaseModel):
    """What happens to one camera, as settings and one method."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)
    _asked: tuple[Behaviour, ...] = PrivateAttr(())
    """The bound behaviour models, each once; looking for them at every frame would cost more than asking none."""

    def watch(self, camera: Camera) -> AsyncIterator[Event | Reading]:
        """Turn the camera's frames into events and readings; called anew after a long gap, all state in its locals."""
        raise NotImplementedError(f"{type(self).__name__} must define `async def watch(self, camera)`")

    def enabled_rules(self) -> list[Rule]:
        """The rules that the settings switch on, in the order of the fields."""
        return [rule for rule in self._values() if isinstance(rule, Rule)]

    def models(self) -> list[str]:
        """Names of the models that this pipeline and its rules ask."""
        return [*self.detectors(), *(handle.name for handle in self._behaviours())]

    def detectors(self) -> list[str]:
        """Of these, the names of detectors."""
        return [name for handle in self._values() if isinstance(handle, Detector) for name in handle.names]

    def bind(self, ask: Ask, places: Places | None = None) -> Self:
        """A copy for one camera: all model handles are answered by `ask`, and detectors heed the masks among places."""
        changed: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Detector):
                changed[name] = value.bound(ask, places)
            elif isinstance(value, Behaviour):
                changed[name] = value.bound(ask)
            elif isinstance(value, Rule) and value.handles():
                changed[name] = value.model_copy(update={k: handle.bound(ask) for k, handle in value.handles().items()})
        bound = self.model_copy(update=changed)
        named = {handle.name: handle for handle in bound._behaviours()}  # noqa: SLF001 - of the same class
        bound._asked = tuple(named.values())  # noqa: SLF001
        return bound

    async def look(self, frame: Frame, detector: Detector) -> tuple[Detections, Mapping[str, Scores]]:
        """What the detector finds and what all behaviour models say, asked at the same time.

        A pipeline without behaviour models waits for the detector and for nothing else.
        """
        if not self._asked:
            return await detector(frame), NO_SCORES
        answers: list[Any] = await asyncio.gather(detector(frame), *(handle(frame) for handle in self._asked))
        return answers[0], {handle.name: said for handle, said in zip(self._asked, answers[1:], strict=True)}

    async def behaviours(self, frame: Frame) -> Mapping[str, Scores]:
        """What all behaviour models of this pipeline and its rules say, by name; asked at the same time.

        Only for pipelines that have been bound: others have none.
        """
        if not self._asked:
            return NO_SCORES
        scores = await asyncio.gather(*(handle(frame) for handle in self._asked))
        return {handle.name: said for handle, said in zip(self._asked, scores, strict=True)}

    def _behaviours(self) -> Iterator[Behaviour]:
        for value in self._values():
            if isinstance(value, Behaviour):
                yield value
            elif isinstance(value, Rule):
                yield from value.handles().values()

    def _values(self) -> list[Any]:
        return [getattr(self, name) for name in type(self).model_fields]


def load_pipeline(use: str, base_dir: Path | None = None) -> type[Pipeline]:
    """The pipeline class that a site's `use` names.

    Args:
        use: an entry point (``surveillance``), a dotted name (``mine.yard:Yard``), or a file (``yard.py``, optionally
            ``yard.py:Yard``).
        base_dir: where relative file paths begin.

    Raises:
        InputError: nothing by that name, or what is there is no pipeline.
    """
    path, _, attribute = use.partition(":")
    if path.endswith(".py"):
        return _pick(_load_file((base_dir or Path()) / path), attribute, use)
    if ":" in use or "." in use:
        module, _, attribute = use.partition(":")
        if not attribute:
            module, _, attribute = use.rpartition(".")
        return _pick(_import(module, use), attribute, use)
    known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if use not in known:
        raise InputError(
            f"pipeline {use!r}: no such entry point; known: {', '.join(sorted(known)) or 'none'}; "
            "or give a dotted name or the path of a .py file"
        )
    try:
        found = known[use].load()
    except Exception as error:
        raise InputError(f"pipeline {use!r}: cannot load its entry point: {_words(error)}") from error
    return _pick(found, "", use)


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"pipeline {str(path)!r}: no such file")
    name = f"streamer_pipeline_{path.stem}_{abs(hash(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # a .py path always has a spec and a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pydantic resolves annotations through it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"pipeline {str(path)!r}: {_words(error)}") from error
    return module


def _import(module: str, use: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise InputError(f"pipeline {use!r}: cannot import {module!r}: {_words(error)}") from error


def _pick(found: Any, attribute: str, use: str) -> type[Pipeline]:
    """The one pipeline class in what was loaded."""
    candidates: list[Any]
    if isinstance(found, type):
        candidates = [found]
    elif attribute:
        candidates = [getattr(found, attribute, None)]
    else:
        candidates = [v for v in vars(found).values() if _is_pipeline(v) and v.__module__ == found.__name__]
    good = [candidate for candidate in candidates if _is_pipeline(candidate)]
    if len(good) != 1:
        names = ", ".join(candidate.__name__ for candidate in good)
        raise InputError(
            f"pipeline {use!r}: expected one subclass of streamer.Pipeline there, found "
            + (f"{len(good)}; add one of :{names}" if good else "none")
        )
    chosen: type[Pipeline] = good[0]
    return chosen


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _is_pipeline(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Pipeline) and value is not Pipeline
