"""What a GPU's memory has room for, and how much of it one process may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

_SHARED_POOL = (0, 0)


class DeviceMemory(Protocol):
    """Tells about the memory of a device."""

    def free_bytes(self) -> float:
        """Bytes that this process may still take."""
        ...

    def peak_bytes(self, run: Callable[[], object]) -> float:
        """Run something; bytes that it took beyond what was taken before."""
        ...


class CudaMemory:
    """The memory of one GPU, as PyTorch's allocator sees it."""

    def __init__(self, device: torch.device, share: float) -> None:
        """Remember the limit; see ``limit_memory``."""
        self._device = device
        self._share = share

    def free_bytes(self) -> float:
        """See ``DeviceMemory``."""
        free, total = torch.cuda.mem_get_info(self._device)
        reserved = torch.cuda.memory_reserved(self._device)
        untaken = max(0.0, min(float(free), self._share * total - reserved))
        return untaken + self._unused_bytes()

    def _unused_bytes(self) -> float:
        """Bytes that were taken and are free again; not those that recorded graphs keep."""
        segments = torch.cuda.memory_snapshot(include_traces=False)
        index = self._device.index or 0
        return float(
            sum(
                segment["total_size"] - segment["allocated_size"]
                for segment in segments
                if segment["device"] == index and tuple(segment["segment_pool_id"]) == _SHARED_POOL
            )
        )

    def peak_bytes(self, run: Callable[[], object]) -> float:
        """See ``DeviceMemory``."""
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        run()
        torch.cuda.synchronize(self._device)
        return float(torch.cuda.max_memory_allocated(self._device) - before)


def limit_memory(device: str, share: float) -> None:
    """Let this process take no more than a share of a GPU's memory.

    Args:
        device: ``cuda:N``.
        share: above 0, at most 1; 1 sets no limit.
    """
    if share < 1:
        torch.cuda.set_per_process_memory_fraction(share, device)
