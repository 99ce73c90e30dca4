"""Moves 8-bit tiles to a device and back while it computes: two batches under way at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enhancer_worker.engine.buckets import bucket_of

Program = Callable[[Tensor], Tensor]
"""Turns a batch on the device, (B, H, W, 3), uint8, into (B, scale * H, scale * W, 3), uint8."""


class Staging:
    """Two slots with buffers of their own, and one stream each for the three parts of the work.

    While the device computes one batch, the next one is copied in and the last one out. Nothing
    but bytes crosses the bus; host buffers are pinned, else the copies would wait for each other.
    On a CPU the same code runs, one part after the other: its streams and events do nothing.
    """

    def __init__(self, run: Program, device: torch.device) -> None:
        """Take no memory yet.

        Args:
            run: called on the stream that computes.
            device: of the network.
        """
        self._run = run
        self._module: Any = torch.get_device_module(device)
        self._device = device
        self._on_cuda = device.type == "cuda"
        options = {"device": device} if self._on_cuda else {}
        self._copy_in, self._compute, self._copy_out = (
            self._module.Stream(**options) for _ in range(3)
        )
        self._slots = [_Slot(device, pinned=self._on_cuda) for _ in range(2)]
        self._turn = 0

    def submit(self, tiles: Sequence[NDArray[np.uint8]]) -> Callable[[], NDArray[np.uint8]]:
        """Start on one batch, padded with black tiles up to its bucket.

        Args:
            tiles: at most 32 of (H, W, 3), uint8, RGB, all of one size.

        Returns:
            What waits for the results, (B, scale * H, scale * W, 3), uint8, and returns them; they
            are valid until the batch after the next is submitted.
        """
        slot = self._slots[self._turn]
        self._turn = 1 - self._turn
        arrived, computed = (self._module.Event() for _ in range(2))
        # Waiting for that one takes no core, which the text guard and the encoder can use.
        done = self._module.Event(**({"blocking": True} if self._on_cuda else {}))
        with torch.inference_mode():
            shape = (bucket_of(len(tiles)), *tiles[0].shape)
            host_in = slot.host_in.view(shape)
            _fill(host_in, tiles)
            with self._module.stream(self._copy_in):
                device_in = slot.device_in.view(shape)
                device_in.copy_(host_in, non_blocking=True)
                arrived.record(self._copy_in)
            with self._module.stream(self._compute):
                self._compute.wait_event(arrived)
                result = self._run(device_in)
                device_out = slot.device_out.view(result.shape)
                # The next run may write to the same result before this one is copied out.
                device_out.copy_(result)
                computed.record(self._compute)
            with self._module.stream(self._copy_out):
                self._copy_out.wait_event(computed)
                host_out = slot.host_out.view(result.shape)
                host_out.copy_(device_out, non_blocking=True)
                done.record(self._copy_out)

        def collect() -> NDArray[np.uint8]:
            done.synchronize()
            levels: NDArray[np.uint8] = host_out.numpy()[: len(tiles)]
            return levels

        return collect

    def settle(self) -> None:
        """Wait until nothing is under way, so that every buffer may be used again."""
        if self._on_cuda:
            torch.cuda.synchronize(self._device)

    def release(self) -> None:
        """Give all buffers back; the next batch takes new ones."""
        self.settle()
        for slot in self._slots:
            for buffer in (slot.host_in, slot.device_in, slot.device_out, slot.host_out):
                buffer.release()


class _Buffer:
    """Memory that grows to the largest batch and is used again: pinning it takes milliseconds."""

    def __init__(self, device: torch.device | str, *, pinned: bool = False) -> None:
        self._device, self._pinned = device, pinned
        self._memory = torch.empty(0, dtype=torch.uint8)

    def view(self, shape: Sequence[int]) -> Tensor:
        size = math.prod(shape)
        if self._memory.numel() < size:
            self.release()
            self._memory = torch.empty(
                size, dtype=torch.uint8, device=self._device, pin_memory=self._pinned
            )
        return self._memory[:size].view(*shape)

    def release(self) -> None:
        self._memory = torch.empty(0, dtype=torch.uint8)


class _Slot:
    """The buffers of one batch."""

    def __init__(self, device: torch.device, *, pinned: bool) -> None:
        self.host_in = _Buffer("cpu", pinned=pinned)
        self.device_in = _Buffer(device)
        self.device_out = _Buffer(device)
        self.host_out = _Buffer("cpu", pinned=pinned)


def _fill(host: Tensor, tiles: Sequence[NDArray[np.uint8]]) -> None:
    levels = host.numpy()
    for place, tile in zip(levels, tiles, strict=False):
        np.copyto(place, tile)
    levels[len(tiles) :] = 0
