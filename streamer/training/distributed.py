"""Several processes that train one net: started by `torchrun`, on one machine or many, on GPUs (NCCL) or CPUs (Gloo).

Without torchrun's variables there is one process, and everything here does nothing. Called by `trainer` and commands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed, nn

from streamer.errors import InputError
from streamer.training.settings import MachineSettings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Crew:
    """This process among those that train together."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether it is the one that writes files and talks."""
        return self.rank == 0

    def share(self, places: Sequence[T]) -> Sequence[T]:
        """This process's part of a list; the parts are as long as each other where the list can be so divided."""
        return places[self.rank :: self.size]

    def gathered(self, mine: list[T]) -> list[T]:
        """The parts of all, in the order of the list that `share` divided."""
        if self.size == 1:
            return mine
        parts: list[Any] = [None] * self.size
        distributed.all_gather_object(parts, mine)
        whole = [item for row in range(max(map(len, parts))) for part in parts for item in part[row : row + 1]]
        return whole

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            distributed.barrier()

    def wrap(self, net: nn.Module) -> nn.Module:
        """The net with its gradients averaged over all; anew whenever other weights begin to learn."""
        if self.size == 1 or not any(weight.requires_grad for weight in net.parameters()):
            return net
        return nn.parallel.DistributedDataParallel(
            net, device_ids=[self.device] if self.device.type == "cuda" else None, broadcast_buffers=True
        )


@contextmanager
def crew(settings: MachineSettings) -> Iterator[Crew]:
    """Join the others, if `torchrun` started this process; leave them at the end.

    Raises:
        InputError: no such device.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    device = device_of(settings.device, int(os.environ.get("LOCAL_RANK", "0")))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if size == 1:
        yield Crew(device)
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Crew(device, distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def device_of(name: str, local_rank: int = 0) -> torch.device:
    """The device that a recipe means. Raises InputError if there is none such."""
    if name == "auto":
        return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", local_rank)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"train: machine.device {name!r} cannot be used: {reason}") from error
    return device
