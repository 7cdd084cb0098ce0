"""The parts of a net that remember: recurrent cells and temporal pools, over (batch, steps, features).

Written out instead of `nn.GRU` and `nn.LSTM`, whose exported form and one-step form differ from their training form;
here one step and many are the same lines, in plain matrix products that every runtime and every quantizer knows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Gru(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """A gated recurrent unit (Cho et al. 2014, in the form of torch.nn.GRU)."""

    states = 1

    def __init__(self, width: int):
        super().__init__()
        self.inputs = nn.Linear(width, 3 * width)
        self.recurrent = nn.Linear(width, 3 * width)
        _orthogonal(self.recurrent, width)

    def forward(self, x: Tensor, state: list[Tensor], steps: int) -> tuple[Tensor, list[Tensor]]:
        """Hidden values (batch, steps, width), and the last."""
        hidden, out = state[0], []
        reset_in, update_in, new_in = self.inputs(x).chunk(3, 2)
        for i in range(steps):
            reset, update, new = self.recurrent(hidden).chunk(3, 1)
            reset = torch.sigmoid(reset_in[:, i] + reset)
            update = torch.sigmoid(update_in[:, i] + update)
            new = torch.tanh(new_in[:, i] + reset * new)
            hidden = new + update * (hidden - new)
            out.append(hidden)
        return torch.stack(out, 1), [hidden]


class Lstm(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """Long short-term memory (in the form of torch.nn.LSTM)."""

    states = 2

    def __init__(self, width: int):
        super().__init__()
        self.inputs = nn.Linear(width, 4 * width)
        self.recurrent = nn.Linear(width, 4 * width)
        _orthogonal(self.recurrent, width)
        with torch.no_grad():  # at first it keeps what it has (Jozefowicz et al. 2015)
            self.inputs.bias[width : 2 * width] += 1.0

    def forward(self, x: Tensor, state: list[Tensor], steps: int) -> tuple[Tensor, list[Tensor]]:
        """Hidden values (batch, steps, width), and the last hidden and cell values."""
        (hidden, cell), out = state, []
        given = self.inputs(x)
        for i in range(steps):
            take, keep, new, give = (given[:, i] + self.recurrent(hidden)).chunk(4, 1)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(take) * torch.tanh(new)
            hidden = torch.sigmoid(give) * torch.tanh(cell)
            out.append(hidden)
        return torch.stack(out, 1), [hidden, cell]


class MeanPool(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """The mean of the last `length` frames, of fewer while there are fewer. Keeps length - 1 frames.

    Never a mean since the beginning: a stream has none, and that one would answer ever more slowly.
    """

    def __init__(self, length: int, width: int):
        super().__init__()
        self.length = length
        self.shape = (length - 1, width)
        self.longest = length
        """Ages beyond this need not be told apart."""

    def forward(self, x: Tensor, past: Tensor, ages: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Means (batch, steps, width) and the frames to keep.

        Args:
            x: (batch, steps, width).
            past: (batch, length - 1, width), zeros where there was no frame.
            ages: (batch, steps, 1) frames seen with the current one, at most `longest`.
            steps: as in x.
        """
        frames = torch.cat([past, x], 1)
        count = ages.clamp(max=self.length)
        if steps == 1:
            total = frames.sum(1, keepdim=True)
        else:
            total = functional.avg_pool1d(frames.transpose(1, 2), self.length, 1).transpose(1, 2) * self.length
        return total / count, frames[:, steps:]


class EmaPool(nn.Module):  # type: ignore[misc]  # torch is followed by no type checker here
    """An exponential moving average of span `length`, freed of the zeros it began with. Keeps one frame."""

    def __init__(self, length: int, width: int):
        super().__init__()
        self.decay = 1 - 2 / (length + 1)
        self.shape = (width,)
        self.longest = 8 * length
        """By then the beginning weighs e^-16, which is nothing in float32."""

    def forward(self, x: Tensor, past: Tensor, ages: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Averages (batch, steps, width) and the raw one to keep; arguments as of MeanPool, `past` (batch, width)."""
        out = []
        for i in range(steps):
            past = self.decay * past + (1 - self.decay) * x[:, i]
            out.append(past)
        return torch.stack(out, 1) / (1 - torch.pow(self.decay, ages)), past


def _orthogonal(layer: nn.Linear, width: int) -> None:
    for gate in layer.weight.data.split(width):
        nn.init.orthogonal_(gate)
    nn.init.zeros_(layer.bias)
