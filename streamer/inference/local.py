"""The models in this very process, for replay, evaluation and tests: the same answers as the live worker gives.

Nothing here has a deadline: every frame is answered. The runtime is pinned and its threads are fixed, so a recording
gives the same detections every time. Asks that are made at the same moment share a batch, as live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

from streamer.errors import ModelError
from streamer.inference.loaded import load
from streamer.inference.picture import Loaded, Picture
from streamer.inference.runtimes import Plan
from streamer.inference.settings import InferenceSettings, ModelSpec, analysis_box
from streamer.models.card import Card
from streamer.models.registry import MOTION, served_card
from streamer.types import Answer, Frame

PINNED = "onnxruntime"
_THREADS = 2


@dataclass(slots=True)
class _Entry:
    spec: ModelSpec
    card: Card
    loaded: Loaded | None = None
    waiting: list[tuple[Frame, asyncio.Future[Answer]]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class LocalModels:
    """Models by name; use it as `async with LocalModels(specs, settings) as models`."""

    def __init__(self, specs: Sequence[ModelSpec], settings: InferenceSettings):
        self._settings = settings
        self._entries = {spec.name: _Entry(spec, served_card(spec.file)) for spec in specs}
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="models")

    async def __aenter__(self) -> LocalModels:
        """Load and warm up every model."""
        loop = asyncio.get_running_loop()
        for entry in self._entries.values():
            entry.loaded = await loop.run_in_executor(self._pool, _load, entry.spec, entry.card, self._settings)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what runs, and give up the models."""
        for entry in self._entries.values():
            if entry.task is not None:
                entry.task.cancel()
                await asyncio.gather(entry.task, return_exceptions=True)
            for _, future in entry.waiting:
                future.cancel()
        self._pool.shutdown()
        for entry in self._entries.values():
            if entry.loaded is not None:
                entry.loaded.close()
                entry.loaded = None

    def labels(self, model: str) -> tuple[str, ...]:
        """The class names of a model."""
        return self._entry(model).card.labels

    def input_size(self, model: str) -> tuple[int, int]:
        """(width, height) that a model's frames should fit in."""
        return analysis_box(self._entry(model).card.input)

    async def ask(self, model: str, frame: Frame) -> Answer:
        """What a model sees in a frame.

        Raises:
            ModelError: no such model, or it fails (nothing is swallowed in replay).
        """
        entry = self._entry(model)
        if entry.loaded is None:
            raise ModelError(f"model {model!r} is not loaded; use LocalModels in `async with`")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        entry.waiting.append((frame, future))
        if entry.task is None or entry.task.done():
            entry.task = asyncio.get_running_loop().create_task(self._work(entry))
        return await future

    async def _work(self, entry: _Entry) -> None:
        """Run batches until nobody waits."""
        loop = asyncio.get_running_loop()
        while entry.waiting:
            await asyncio.sleep(0)  # who asks in the same turn of the loop comes along
            batch = entry.waiting[: self._settings.max_batch_size]
            del entry.waiting[: len(batch)]
            pictures = [Picture(frame.camera, frame.session, frame.time, frame.pixels) for frame, _ in batch]
            try:
                assert entry.loaded is not None
                found = await loop.run_in_executor(self._pool, entry.loaded.run, pictures)
            except BaseException as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error) if isinstance(error, Exception) else future.cancel()
                if not isinstance(error, Exception):
                    raise
                continue
            for (_, future), answer in zip(batch, found, strict=True):
                if not future.done():
                    future.set_result(answer)

    def _entry(self, model: str) -> _Entry:
        try:
            return self._entries[model]
        except KeyError:
            known = ", ".join(self._entries) or "none"
            raise ModelError(f"model {model!r} is not configured; there are {known}") from None


def _load(spec: ModelSpec, card: Card, settings: InferenceSettings) -> Loaded:
    if spec.file == MOTION:
        plan = Plan("builtin")
    elif card.family == "torchvision" or spec.file.suffix == ".safetensors":
        plan = Plan("torch", threads=_THREADS, batch=settings.max_batch_size, reason="pinned for replay")
    else:
        plan = Plan(PINNED, threads=_THREADS, batch=settings.max_batch_size, reason="pinned for replay")
    loaded = load(spec, card, plan)
    loaded.warm_up()
    return loaded
