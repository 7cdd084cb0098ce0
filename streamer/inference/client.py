"""The engine's side of inference: asks for detections and scores, and keeps a worker process that answers.

`Models.ask` never raises for a dead or late worker: it answers `unknown`, from which nothing may be concluded. A worker
that does not answer a batch within the deadline is killed at once; the next one is a new generation with a channel of
its own. Runs on the engine's event loop; imports no runtime and no torch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamer import log
from streamer.clock import Clock
from streamer.errors import ModelError
from streamer.inference.batcher import Batch, Batcher, Limits
from streamer.inference.generation import Generation, Surroundings
from streamer.inference.settings import InferenceSettings, ModelSpec, analysis_box
from streamer.metrics import Metrics
from streamer.models.card import Card
from streamer.models.registry import MOTION, served_card
from streamer.slots import SlotPool
from streamer.supervisor import Budget, Restarts
from streamer.types import Answer, Detections, Frame, Scores

logger = log.get(__name__)


class Models:
    """Models by name, run by a worker process.

    Args:
        specs: the site's models; their cards are read and checked here.
        settings: the device and the limits.
        pools: the readers' live slot pools by number; looked up at every use.
        metrics: counts everything.
        clock: the time.
        restarts: the worker's restart budget; None: the default.

    Raises:
        ModelError: a model file is missing, damaged or of another task.
    """

    def __init__(
        self,
        specs: Sequence[ModelSpec],
        settings: InferenceSettings,
        pools: Mapping[int, SlotPool],
        metrics: Metrics,
        clock: Clock,
        restarts: Restarts | None = None,
    ):
        self._specs: dict[str, tuple[ModelSpec, Card]] = _read(specs)
        self._settings = settings
        self._pools = pools
        self._metrics = metrics
        self._clock = clock
        self._budget = Budget("inference", restarts or Restarts(), clock, metrics)
        limits = Limits(settings.max_batch_size, settings.deadline_seconds, settings.max_waiting)
        self._batcher = Batcher(self._send, limits, clock, metrics)
        self._batcher.set_models(_unknowns(self._specs))
        self._leaving: dict[str, tuple[ModelSpec, Card]] = {}
        """While a reload is under way: the models of before, which are still asked."""
        self._worker: Generation | None = None
        self._log: dict[str, str] = {}
        self._reload: asyncio.Future[None] | None = None
        self.ready = asyncio.Event()
        """Set while a worker has loaded its models and answers."""
        self.plans: dict[str, dict[str, Any]] = {}
        """How the worker runs each model (runtime, precision, streams, reason...); for the status page."""

    def file_of(self, model: str) -> Path | None:
        """The file of a model; None: no such model, or it has no file."""
        spec, _ = self._specs.get(model, (None, None))
        return None if spec is None or spec.file == MOTION else Path(spec.file)

    @property
    def progress_at(self) -> float:
        """Monotonic time of the worker's last answer or heartbeat; feeds the daemon's watchdog.

        While there is no worker, or one that still loads, it is now: those have limits of their own, and to restart
        the whole daemon would not make a broken model load.
        """
        if self._worker is None or self._worker.loading:
            return self._clock.monotonic()
        return self._worker.progress_at

    @property
    def turns(self) -> int:
        """How many frames at a time keep the worker busy: those that it computes, and as many ready to follow."""
        sizes = [plan["streams"] * min(plan["batch"], self._settings.max_batch_size) for plan in self.plans.values()]
        return max(4, 2 * max(sizes, default=0))

    @property
    def degraded(self) -> bool:
        """Whether the worker spent its restart budget and is retried slowly."""
        return self._budget.degraded

    @property
    def pid(self) -> int | None:
        """Process id of the live worker."""
        return None if self._worker is None else self._worker.child.pid

    def labels(self, model: str) -> tuple[str, ...]:
        """The class names of a model, from its card."""
        return self._find(model)[1].labels

    def input_size(self, model: str) -> tuple[int, int]:
        """(width, height) that frames for the model should fit in, from its card."""
        return analysis_box(self._find(model)[1].input)

    def log_as(self, style: str, level: str) -> None:
        """How workers log from their next start on; see `streamer.log.setup`."""
        self._log = {"style": style, "level": level}

    async def ask(self, model: str, frame: Frame) -> Answer:
        """What the model sees in a live frame; `unknown` when nobody can tell in time.

        Raises:
            ModelError: no such model.
            ValueError: the frame lies in no slot of shared memory.
        """
        if frame.slot is None:
            raise ValueError(f"frame {frame.index} of camera {frame.camera!r} lies in no slot; LocalModels takes such")
        self._find(model)
        return await self._batcher.ask(model, frame)

    async def run(self) -> None:
        """Keep a worker going until cancelled.

        Raises:
            ModelError: the first worker cannot load a model (a later one is retried: the file may come back).
        """
        proven = False
        try:
            while True:
                worker = self._worker = Generation(self._surroundings())
                reason = await worker.serve()
                self._gone(worker)
                if reason == "model" and not proven:
                    raise ModelError(worker.error)
                proven = proven or worker.was_ready
                pause_s = self._budget.spend()
                self._metrics.worker_restarts.labels(reason).inc()
                logger.error("inference: the worker is gone (%s); another in %.1f s%s", reason, pause_s, self._lost())
                await self._clock.sleep(pause_s)
        finally:
            if self._worker is not None:
                await self._worker.stop()
                self._gone(self._worker)
            self._batcher.close()

    async def set_models(self, specs: Sequence[ModelSpec]) -> None:
        """Change the models of a running client; those that stay are not interrupted.

        Raises:
            ModelError: a new model cannot be used; the old ones then stay.
        """
        before, self._specs = self._specs, _read(specs)
        if self._worker is None or not self._worker.was_ready:
            self._batcher.set_models(_unknowns(self._specs))  # the next worker starts with them
            return
        self._leaving = before
        self._batcher.set_models(_unknowns({**before, **self._specs}))
        self._reload = asyncio.get_running_loop().create_future()
        self._worker.set_up()
        try:
            await self._reload
        except ModelError:
            self._specs = before
            if self._worker is not None:
                self._worker.set_up()
            raise
        finally:
            self._reload, self._leaving = None, {}
            self._batcher.set_models(_unknowns(self._specs))

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            batcher=self._batcher,
            settings=self._settings,
            pools=self._pools,
            clock=self._clock,
            setup=self._setup,
            on_ready=self._loaded,
            on_refused=self._refused,
        )

    def _setup(self) -> dict[str, Any]:
        models = [
            {
                "name": spec.name,
                "file": str(spec.file),
                "confidence": spec.overrides.confidence,
                "iou": spec.overrides.iou,
                "sha256": card.content_sha256,  # a file that was replaced under its name is loaded anew
            }
            for spec, card in self._specs.values()
        ]
        return {"log": self._log, "settings": self._settings.model_dump(mode="json"), "models": models}

    def _loaded(self, plans: dict[str, dict[str, Any]]) -> None:
        self.plans = plans
        self.ready.set()
        self._budget.healthy()
        for name, plan in plans.items():
            logger.info("model %s: %s", name, plan["reason"])
        if self._reload is not None and not self._reload.done():
            self._reload.set_result(None)

    def _refused(self, error: str) -> None:
        if self._reload is not None and not self._reload.done():
            self._reload.set_exception(ModelError(error))

    def _gone(self, worker: Generation) -> None:
        self._worker = None
        self.ready.clear()
        if self._reload is not None and not self._reload.done():
            self._reload.set_result(None)  # the next worker loads the new models, or says why not

    def _lost(self) -> str:
        """What was forgotten with a worker, for the log."""
        cards = {name: card for name, (_, card) in self._specs.items() if card.task == "behaviour"}
        waits = [f"{name} for {card.warm_frames / (card.fps or 1.0):.1f} s" for name, card in cards.items()]
        return f"; it must watch again before its scores count: {', '.join(waits)}" if waits else ""

    def _send(self, batch: Batch) -> bool:
        return self._worker is not None and self._worker.send(batch)

    def _find(self, model: str) -> tuple[ModelSpec, Card]:
        found = self._specs.get(model) or self._leaving.get(model)
        if found is None:
            known = ", ".join(self._specs) or "none"
            raise ModelError(f"model {model!r} is not configured; there are {known}")
        return found


def _read(specs: Sequence[ModelSpec]) -> dict[str, tuple[ModelSpec, Card]]:
    return {spec.name: (spec, served_card(spec.file)) for spec in specs}


def _unknowns(specs: Mapping[str, tuple[ModelSpec, Card]]) -> dict[str, Answer]:
    return {name: _unknown(card) for name, (_, card) in specs.items()}


def _unknown(card: Card) -> Answer:
    """What a model of this card says when nobody answers for it."""
    if card.task == "behaviour":
        return Scores.unknown(card.labels, card.thresholds)
    return Detections.unknown(card.labels)
