"""A behaviour model ready to run: it looks at each camera's pictures one after the other and remembers what it saw.

Pictures of any cameras share a batch. What is remembered of each lies in the stepper, on the device; which pictures are
fed, and when a memory begins anew, is decided by `feed`. Cameras that are asked no more are forgotten. The worker
process and `LocalModels` use the same object, so live and replay cannot differ.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from streamer.errors import ModelError
from streamer.inference.feed import Feed, Pixels
from streamer.inference.picture import Picture
from streamer.inference.runtimes import Plan
from streamer.inference.runtimes.stepper import open_stepper
from streamer.inference.settings import ModelSpec
from streamer.models.card import STREAMING, Card
from streamer.models.registry import MOTION
from streamer.models.transforms import fit
from streamer.types import Scores

_FORGOTTEN = 64
"""A camera that was not asked for while all others were this often is forgotten. Counted in pictures and not in
seconds, so that a recording gives the same answers on any machine; a camera that pauses begins anew anyway."""
_FEWEST = 16  # so many cameras are reckoned with at least
_MOST = 4096  # cameras that are remembered, whatever happens


@dataclass(slots=True, eq=False)
class _Turn:
    """One picture of a batch on its way."""

    feed: Feed
    pictures: list[Pixels]
    """Still to be fed, the next one first."""
    reset: str
    held: bool
    """Nothing is fed: the last scores hold."""


@dataclass(slots=True)
class _Cameras:
    """The feeds of all cameras, the one that was asked for longest ago first."""

    period_s: float
    feeds: OrderedDict[str, Feed] = field(default_factory=OrderedDict)
    free: list[int] = field(default_factory=list)
    turn: int = 0

    def of(self, camera: str) -> Feed:
        self.turn += 1
        feed = self.feeds.get(camera)
        if feed is None:
            feed = self.feeds[camera] = Feed(self.period_s, self.free.pop() if self.free else len(self.feeds))
        self.feeds.move_to_end(camera)
        feed.used = self.turn
        return feed

    def stale(self) -> Iterator[str]:
        """Cameras that have left, the first to be forgotten first."""
        patience = _FORGOTTEN * max(len(self.feeds), _FEWEST)
        spare = len(self.feeds) - _MOST
        for i, (camera, feed) in enumerate(self.feeds.items()):
            if self.turn - feed.used <= patience and i >= spare:
                return
            yield camera

    def drop(self, camera: str) -> int:
        """Forget a camera; its row is free."""
        row = self.feeds.pop(camera).row
        self.free.append(row)
        return row


class LoadedBehaviour:
    """A streaming network with its memory of every camera.

    Raises:
        ModelError: another family, a missing library, or one that refuses the file.
    """

    def __init__(self, spec: ModelSpec, card: Card, plan: Plan):
        if spec.file == MOTION or card.family != STREAMING or card.fps is None:
            raise ModelError(f"model {spec.name}: family {card.family!r} is no streaming model")
        self.plan = plan
        self._card = card
        self._stepper = open_stepper(spec.file, card, plan)
        self._cameras = _Cameras(1.0 / card.fps)
        self._busy: set[str] = set()
        """Cameras that a thread computes now: nobody else may move their memory meanwhile."""
        self._free = threading.Condition()

    @property
    def cameras(self) -> int:
        """How many are remembered."""
        return len(self._cameras.feeds)

    def run(self, pictures: Sequence[Picture]) -> list[Scores]:
        """See Loaded; of one camera's pictures the earlier one is fed first."""
        found: dict[int, Scores] = {}
        left = list(range(len(pictures)))
        while left:
            once = {pictures[i].camera: i for i in reversed(left)}  # the first of each camera
            members = sorted(once.values())
            left = [i for i in left if i not in set(members)]
            with self._alone(set(once)):
                found.update(zip(members, self._run_distinct([pictures[i] for i in members]), strict=True))
        return [found[i] for i in range(len(pictures))]

    def warm_up(self) -> None:
        """See Loaded; a batch of one, and the largest that the plan has."""
        size = self._card.input
        blank = np.zeros((size.height, size.width, 3), np.uint8)
        for count in {1, self.plan.batch}:
            names = [f"\0{i}" for i in range(count)]  # no camera's name
            self.run([Picture(name, 1, 0.0, blank) for name in names])
            with self._free:
                for name in names:
                    self._stepper.forget(self._cameras.drop(name))

    def close(self) -> None:
        """See Loaded."""
        self._stepper.close()

    def _run_distinct(self, pictures: Sequence[Picture]) -> list[Scores]:
        turns = [self._turn(picture) for picture in pictures]
        while feeding := [turn for turn in turns if turn.pictures]:
            scores = self._stepper.step([turn.pictures.pop(0) for turn in feeding], [turn.feed.row for turn in feeding])
            for turn, values in zip(feeding, scores, strict=True):
                turn.feed.values = values.copy()
                turn.feed.steps += 1
        return [self._scores(turn) for turn in turns]

    def _turn(self, picture: Picture) -> _Turn:
        """Decide what is fed for a picture."""
        with self._free:
            feed = self._cameras.of(picture.camera)
        steps, reset = feed.due(picture.session, picture.time)
        fed: list[Pixels] = []
        if steps:
            fitted = fit(picture.pixels, self._card.input)
            if np.may_share_memory(fitted, picture.pixels):
                fitted = fitted.copy()  # the slot is filled anew; this picture may be needed once more
            fed, cut = feed.take(fitted, steps)
            reset = reset or ("cut" if cut else "")
        if reset:
            self._stepper.forget(feed.row)
        return _Turn(feed, fed, reset, not fed)

    def _scores(self, turn: _Turn) -> Scores:
        card, feed = self._card, turn.feed
        assert feed.values is not None  # something was fed at the beginning of its memory
        warm = feed.steps >= card.warm_frames
        detail = {"reset": turn.reset} if turn.reset else {}
        return Scores(feed.values, card.labels, warm=warm, detail=detail, thresholds=card.thresholds)

    @contextmanager
    def _alone(self, cameras: set[str]) -> Iterator[None]:
        """Have some cameras to oneself; all or none are taken, so that no two threads can wait for each other."""
        with self._free:
            self._free.wait_for(lambda: self._busy.isdisjoint(cameras))
            self._busy |= cameras
        try:
            yield
        finally:
            with self._free:
                self._busy -= cameras
                for camera in list(self._cameras.stale()):
                    if camera not in self._busy:
                        self._stepper.forget(self._cameras.drop(camera))
                self._free.notify_all()
