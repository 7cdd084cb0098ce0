"""A streaming net: `forward` over clips to train it, `step` for one frame to serve it, equal to rounding.

One frame passes the 2D encoder (with temporal shifts, if any), its features are gathered over the picture, pass a
recurrent cell (if any) and a temporal pool of finite length, and each head is one linear layer on that. Everything that
it remembers is given and returned, and all zeros is "nothing seen yet": so one batch may mix any cameras, and nothing
drifts over days.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from streamer.models.nets.change import Change, Standard
from streamer.models.nets.encoder import Encoder
from streamer.models.nets.memory import EmaPool, Gru, Lstm, MeanPool
from streamer.models.nets.settings import NetSettings
from streamer.models.nets.weights import LoadedWeights, backbone_of
from streamer.models.step import Head, State

NetState = tuple[Tensor, ...]
"""One tensor a State of `state_spec`, (batch, *shape)."""


class StreamingNet(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """The net of some settings, with random weights; `settings.build` also loads weights.

    Parts, from the picture to the answer: `backbone` (its `blocks` in order), `neck`, `temporal`, `answers`.
    """

    def __init__(self, settings: NetSettings):
        super().__init__()
        self.settings = settings
        self.loaded: LoadedWeights | None = None
        self.backbone = Encoder(settings, backbone_of(settings.backbone))
        self.change = Change(settings.pool, self.backbone.shape) if settings.temporal == "change" else None
        features = self.backbone.channels * (2 if settings.gather == "mean_max" else 1)
        width = features if self.change is not None else settings.hidden
        self.neck: Any = (
            Standard(features, affine=False)
            if self.change is not None
            else nn.Sequential(nn.Linear(features, width), nn.Hardswish())
        )
        cells: dict[str, type[Any]] = {"gru": Gru, "lstm": Lstm}
        self.temporal: Any = cells[settings.temporal](settings.hidden) if settings.temporal in cells else None
        pools: dict[str, type[Any]] = {"mean": MeanPool, "ema": EmaPool}
        pooled = settings.pool > 1 and self.change is None
        self.pool: Any = pools[settings.pooling](settings.pool, settings.hidden) if pooled else None
        self.dropout = nn.Dropout(settings.dropout)
        self.answers = nn.ModuleList(nn.Linear(width, len(head.labels)) for head in settings.heads)
        self.state_spec = self._states()
        self._names = [state.name for state in self.state_spec]
        self._oldest = max(1, self.pool.longest if self.pool is not None else 1)

    @property
    def heads(self) -> tuple[Head, ...]:
        """The questions, in the order of the output."""
        return self.settings.heads

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return self.settings.labels

    @property
    def warm_frames(self) -> int:
        """Frames until the answer counts: the receptive field, or what the settings say.

        A recurrent cell has no finite one; a second of frames stands for it. An average of change is sound once it
        covers half a second.
        """
        if self.settings.warm_frames is not None:
            return self.settings.warm_frames
        if self.change is not None:
            return 2 + max(1, round(self.settings.fps / 2))
        before = len(self.backbone.memory) + (self.settings.motion == "difference")
        if self.temporal is not None:
            before = max(before, round(self.settings.fps) - 1)
        return before + self.settings.pool

    def initial_state(
        self, batch: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> NetState:
        """Nothing seen yet: zeros, on the device of the net unless told otherwise."""
        at = self.answers[0].weight
        return tuple(
            torch.zeros(batch, *state.shape, device=device or at.device, dtype=dtype or at.dtype)
            for state in self.state_spec
        )

    def forward(self, clips: Tensor, state: NetState | None = None) -> tuple[Tensor, NetState]:
        """Whole clips, causally: frame t is answered from frames up to t.

        Args:
            clips: (batch, steps, 3, height, width), normalised as the card says.
            state: of the frames before, to go on with a longer video (detach it to cut the gradient); None: none.

        Returns:
            Logits (batch, steps, labels), and the state after the last frame.

        Raises:
            ValueError: frames of another size.
        """
        if tuple(clips.shape[2:]) != (3, self.settings.height, self.settings.width):
            raise ValueError(
                f"clips: should be (batch, steps, 3, {self.settings.height}, {self.settings.width}), got "
                f"{tuple(clips.shape)}"
            )
        state = self.initial_state(clips.shape[0], clips.device, clips.dtype) if state is None else state
        return self._run(clips.flatten(0, 1), state, clips.shape[1])

    def step(self, frame: Tensor, state: NetState) -> tuple[Tensor, NetState]:
        """One frame of each camera.

        Args:
            frame: (batch, 3, height, width), normalised as the card says.
            state: what the previous step gave for the same cameras, in the same order; zeros at first.

        Returns:
            Logits (batch, labels), and the next state.
        """
        logits, state = self._run(frame, state, 1)
        return logits.squeeze(1), state

    def activate(self, logits: Tensor) -> Tensor:
        """Probabilities (..., labels) of logits (..., labels), each head by its own activation."""
        parts = logits.split([len(head.labels) for head in self.heads], -1)
        return torch.cat(
            [
                part.softmax(-1) if head.activation == "softmax" else part.sigmoid()
                for part, head in zip(parts, self.heads, strict=True)
            ],
            -1,
        )

    def _run(self, frames: Tensor, state: NetState, steps: int) -> tuple[Tensor, NetState]:
        """Frames (batch x steps, 3, h, w), those of one camera in order."""
        past = dict(zip(self._names, state, strict=True))
        following: dict[str, Tensor] = {}
        ages = _ages(past["age"], steps) if "age" in past else None
        if ages is not None:
            following["age"] = ages[:, -1].clamp(max=self._oldest)
        if "previous" in past:
            frames, following["previous"] = _with_difference(frames, past["previous"], past["age"], steps)
        shifts = [name for name in self._names if name.startswith("shift_")]
        maps, kept = self._encode(frames, [past[name] for name in shifts], steps)
        following |= zip(shifts, kept, strict=True)
        if self.change is not None:
            values, after = self.change(_split(maps, steps), tuple(past[name] for name in self.change.shapes), steps)
            following |= zip(self.change.shapes, after, strict=True)
            values = _split(self.neck(values.flatten(0, 1)), steps)
        else:
            values = _split(self.neck(self._gather(maps)), steps)
        if self.temporal is not None:
            names = ("hidden", "cell")[: self.temporal.states]
            values, after = self.temporal(values, [past[name] for name in names], steps)
            following |= zip(names, after, strict=True)
        if self.pool is not None and ages is not None:
            values, following["pool"] = self.pool(values, past["pool"], ages.clamp(max=self._oldest), steps)
        values = self.dropout(values)
        logits = torch.cat([answer(values) for answer in self.answers], -1)
        return logits, tuple(following[name] for name in self._names)

    def _encode(self, frames: Tensor, past: list[Tensor], steps: int) -> tuple[Tensor, list[Tensor]]:
        """The backbone. One at rest that remembers nothing takes a clip at a time: it stays in cache, twice as fast."""
        rests = steps > 1 and not past and not any(weight.requires_grad for weight in self.backbone.parameters())
        if not rests:
            maps, kept = self.backbone(frames, past, steps)
            return maps, kept
        return torch.cat([self.backbone(clip, [], 1)[0] for clip in frames.split(steps)]), []

    def _gather(self, maps: Tensor) -> Tensor:
        parts = []
        if self.settings.gather in ("mean", "mean_max"):
            parts.append(maps.mean((2, 3)))
        if self.settings.gather in ("max", "mean_max"):
            parts.append(maps.amax((2, 3)))
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

    def _states(self) -> tuple[State, ...]:
        settings, states = self.settings, []
        if settings.motion == "difference":
            states.append(State(name="previous", shape=(1, settings.height, settings.width)))
        if settings.motion == "difference" or self.pool is not None:
            states.append(State(name="age", shape=(1,)))
        states += [State(name=f"shift_{i}", shape=shape) for i, shape in enumerate(self.backbone.memory)]
        if self.temporal is not None:
            states += [
                State(name=name, shape=(settings.hidden,)) for name in ("hidden", "cell")[: self.temporal.states]
            ]
        if self.pool is not None:
            states.append(State(name="pool", shape=self.pool.shape))
        if self.change is not None:
            states += [State(name=name, shape=shape) for name, shape in self.change.shapes.items()]
        return tuple(states)


def _split(values: Tensor, steps: int) -> Tensor:
    """(batch x steps, ...) to (batch, steps, ...)."""
    return values.unsqueeze(1) if steps == 1 else values.unflatten(0, (-1, steps))


def _ages(age: Tensor, steps: int) -> Tensor:
    """Frames seen with the current one, (batch, steps, 1); `age` (batch, 1) counts those before, up to a bound."""
    if steps == 1:
        return (age + 1).unsqueeze(1)
    return age.unsqueeze(1) + torch.arange(1, steps + 1, device=age.device, dtype=age.dtype).view(1, steps, 1)


def _with_difference(frames: Tensor, previous: Tensor, age: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Frames with the change of brightness as a fourth channel (0 for the very first), and the last brightness."""
    light = frames.mean(1, keepdim=True)
    seen = age.clamp(max=1).view(-1, 1, 1, 1)
    if steps == 1:
        change, last = (light - previous) * seen, light
    else:
        lights = _split(light, steps)
        first = (lights[:, :1] - previous.unsqueeze(1)) * seen.unsqueeze(1)
        change = torch.cat([first, lights[:, 1:] - lights[:, :-1]], 1).flatten(0, 1)
        last = lights[:, -1]
    return torch.cat([frames, change], 1), last
