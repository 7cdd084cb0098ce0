"""Pixels that three processes share without copying them through a pipe: a memfd of fixed slots, one pool a camera.

The engine creates a pool and passes its descriptor to the camera's reader (which writes) and to the inference worker
(which reads); only `(slot, generation)` travels in messages. A slot's generation moves on with every write and is odd
while one is under way, so whoever holds an old reference gets `StaleSlot` instead of another moment's picture.

A memfd and not `multiprocessing.shared_memory`: no name to leak, no resource tracker that unlinks what others use, and
no small container /dev/shm. The size is sealed, so that a reader which a hostile camera took over cannot shrink the
file under the engine (SIGBUS). Nobody locks: who may write to a slot is settled by leases in messages, and those
messages (system calls) order the memory, too. Never resizes, never blocks.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os

import numpy as np
from numpy.typing import NDArray

from streamer.errors import StreamerError

_HEADER_BYTES = 64  # one cache line a slot, so that readers of one slot do not disturb the writer of the next
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class StaleSlot(StreamerError):
    """The slot was filled again (or is being filled) since the reference to it was made."""


class SlotPool:
    """A fixed number of equally large slots in shared memory.

    Args:
        fd: descriptor of the memory; owned by the pool from here on.
        pool_id: number that tells this pool from all others of the engine's life.
        slots: how many slots it has.
        slot_bytes: how many bytes of pixels one slot holds.

    Raises:
        StreamerError: the memory is smaller than the slots need.
    """

    def __init__(self, fd: int, pool_id: int, slots: int, slot_bytes: int):
        if slots < 1 or slot_bytes < 1:
            raise ValueError(f"SlotPool {pool_id}: needs at least 1 slot of 1 byte, got {slots} of {slot_bytes}")
        self.fd = fd
        self.pool_id = pool_id
        self.slots = slots
        self.slot_bytes = slot_bytes
        need, have = _total_bytes(slots, slot_bytes), os.fstat(fd).st_size
        if have < need:
            raise StreamerError(f"slot pool {pool_id}: {slots} slots of {slot_bytes} bytes need {need}, got {have}")
        self._map = mmap.mmap(fd, need)
        memory = np.frombuffer(self._map, np.uint8)
        first = _page_aligned(slots * _HEADER_BYTES)
        self._generations = memory[: slots * _HEADER_BYTES].view(np.uint64)[:: _HEADER_BYTES // 8]
        self._data = memory[first:].reshape(slots, _page_aligned(slot_bytes))

    @classmethod
    def create(cls, pool_id: int, slots: int, slot_bytes: int) -> SlotPool:
        """A new pool in fresh, zeroed memory whose size can never change."""
        fd = os.memfd_create(f"streamer-pool-{pool_id}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, _total_bytes(slots, slot_bytes))
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        return cls(fd, pool_id, slots, slot_bytes)

    @classmethod
    def attach(cls, fd: int, pool_id: int, slots: int, slot_bytes: int) -> SlotPool:
        """The pool behind an inherited or received descriptor, which the pool then owns."""
        return cls(fd, pool_id, slots, slot_bytes)

    def write(self, slot: int, pixels: NDArray[np.uint8]) -> int:
        """Fill a slot that the caller holds.

        Args:
            slot: its index.
            pixels: uint8 (H, W, 3); rows may be strided.

        Returns:
            The slot's new generation, to be sent along with the index.
        """
        size = pixels.size
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or size > self.slot_bytes:
            raise ValueError(
                f"slot pool {self.pool_id}: pixels must be uint8 (H, W, 3) of at most {self.slot_bytes} bytes, "
                f"got {pixels.dtype} {pixels.shape}"
            )
        generation = int(self._generations[slot]) | 1  # after a writer that died midway it is odd already
        self._generations[slot] = generation
        np.copyto(self._data[slot, :size].reshape(pixels.shape), pixels)
        self._generations[slot] = generation + 1
        return generation + 1

    def view(self, slot: int, generation: int, width: int, height: int) -> NDArray[np.uint8]:
        """The pixels of a filled slot, uint8 (height, width, 3), without a copy.

        Raises:
            StaleSlot: the slot has moved on, or the reference was never valid.
        """
        size = width * height * 3
        if not 0 <= slot < self.slots or width < 1 or height < 1 or size > self.slot_bytes:
            raise StaleSlot(f"slot pool {self.pool_id}: no slot {slot} with {width}x{height} pixels")
        if not self.check(slot, generation):
            now = int(self._generations[slot])
            raise StaleSlot(f"slot pool {self.pool_id}: slot {slot} is at generation {now}, not {generation}")
        return self._data[slot, :size].reshape(height, width, 3)

    def check(self, slot: int, generation: int) -> bool:
        """Whether the slot still holds that generation; ask again after the pixels were consumed."""
        return generation > 0 and generation % 2 == 0 and int(self._generations[slot]) == generation

    def close(self) -> None:
        """Give up the descriptor, and the mapping as soon as no view of it lives any more; safe to call again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            del self._generations, self._data
            with contextlib.suppress(BufferError):  # a view is still out: the mapping goes with the last of them
                self._map.close()


def _page_aligned(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


def _total_bytes(slots: int, slot_bytes: int) -> int:
    return _page_aligned(slots * _HEADER_BYTES) + slots * _page_aligned(slot_bytes)
