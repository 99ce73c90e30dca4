"""Runs networks through PyTorch: on CUDA in production, on the CPU for comparisons and tests."""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enhancer_worker.engine.buckets import BUCKETS, bucket_of, largest_bucket
from enhancer_worker.engine.device_memory import DeviceMemory
from enhancer_worker.engine.graphs import GraphCache
from enhancer_worker.engine.planner import Line, fit_line
from enhancer_worker.engine.session import DeviceMemoryError
from enhancer_worker.engine.sizing import NO_NUMBERS
from enhancer_worker.engine.staging import Program, Staging
from enhancer_worker.errors import is_out_of_memory
from shopimg.contract import WorkerError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

_LARGEST_FLOAT_BATCH = 8
_MOST_STAGED_BYTES = 128 << 20
_UNDER_WAY = 2
_REMEMBERED_PICTURES = 64
"""For so many a batch that did not fit is not tried again: each time it costs all graphs."""
_PROBED_SIDES = (128, 256)

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class TorchSession:
    """A network as PyTorch module, channels-last, without gradients; see ``LevelSession``.

    ``program`` is what it runs on a batch of bytes that is on the device already.
    """

    def __init__(
        self,
        net: torch.nn.Module,
        *,
        device: str,
        precision: str = "fp32",
        threads: int = 0,
        memory: DeviceMemory | None = None,
        graphs: Callable[[Program], GraphCache] | None = None,
    ) -> None:
        """Move the network to its device.

        Args:
            net: (B, 3, H, W) in, (B, 3, scale * H, scale * W) out; changed in place.
            device: ``cpu`` or ``cuda:N``.
            precision: fp32, bf16 or fp16.
            threads: see ``set_up_device``.
            memory: of the device, which decides how many tiles run at once; without it one does,
                as on a CPU, where more gain nothing.
            graphs: makes a cache of graphs for what runs on batches of bytes.
        """
        set_up_device(device, threads)
        self._device = torch.device(device)
        self._dtype = DTYPES[precision]
        self._memory = memory
        self._needs: tuple[Line, float] | None = None
        self._too_many_pixels: float = math.inf
        self._pictures_since = 0
        net = net.eval().to(self._device, self._dtype)
        self._net = net.to(memory_format=torch.channels_last)
        self._broken = torch.zeros((), dtype=torch.bool, device=self._device)
        self._graphs = graphs(self._levels) if graphs else None
        self.program: Program = self._graphs or self._levels
        self._staging = Staging(self.program, self._device)
        self.device = f"{device} (torch {precision})"
        self.largest_batch = 1 if memory is None else _LARGEST_FLOAT_BATCH
        # The weights are laid out anew on the default stream, which the others do not wait for.
        self._staging.settle()

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Session``."""
        return run_within_memory(self._run, batch)

    def batch_for(self, height: int, width: int) -> int:
        """See ``LevelSession``; on the first call two small tiles run, to learn what they need."""
        if self._memory is None:
            return BUCKETS[0]
        if self._needs is None:
            self._needs = run_within_memory(self._probe, self._memory)
        tile_bytes, staged_bytes = self._needs
        bucket = largest_bucket(
            height * width,
            tile_bytes,
            staged_bytes,
            free_bytes=self._memory.free_bytes(),
            most_staged=_MOST_STAGED_BYTES,
        )
        while bucket > 1 and bucket * height * width >= self._too_many_pixels:
            bucket //= 2
        return bucket

    def run_levels(
        self, batches: Iterable[Sequence[NDArray[np.uint8]]]
    ) -> Generator[NDArray[np.uint8], None, None]:
        """See ``LevelSession``.

        Raises:
            WorkerError: a result had values that are no numbers; known when all have been given.
        """
        pending: deque[Callable[[], NDArray[np.uint8]]] = deque()
        self._remember_shortage()
        pixels = 0
        try:
            for batch in batches:
                pixels = bucket_of(len(batch)) * batch[0].shape[0] * batch[0].shape[1]
                pending.append(run_within_memory(self._staging.submit, batch))
                if len(pending) == _UNDER_WAY:
                    yield pending.popleft()()
            while pending:
                yield pending.popleft()()
        except DeviceMemoryError:
            self._too_many_pixels, self._pictures_since = pixels, 0
            self.release()
            raise
        finally:
            self._staging.settle()
            broken = bool(self._broken)
            self._broken.zero_()
            self._staging.settle()
        if broken:
            raise WorkerError(detail=NO_NUMBERS)

    def close(self) -> None:
        """See ``Session``."""
        self._net.to("cpu")
        self.release()

    def release(self) -> None:
        """See ``LevelSession``."""
        self._staging.release()
        if self._graphs is not None:
            self._graphs.clear()
        torch.cuda.empty_cache()

    def _remember_shortage(self) -> None:
        """Try larger batches again after a while: others may have let go of the memory."""
        self._pictures_since += 1
        if self._pictures_since > _REMEMBERED_PICTURES:
            self._too_many_pixels = math.inf

    def _levels(self, tiles: Tensor) -> Tensor:
        """Scale, run and round: (B, H, W, 3), uint8, in; (B, scale * H, scale * W, 3) out."""
        # Seen with the channels in front, such a tensor is channels-last already.
        batch = tiles.permute(0, 3, 1, 2).float().div_(255).to(self._dtype)
        result = self._net(batch).float()
        # Rounded to bytes they would be black; on the device, as nobody waits for each batch.
        self._broken.logical_or_(result.sum().isfinite().logical_not_())
        result = result.clamp_(0, 1).mul_(255).round_()
        levels: Tensor = result.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        return levels

    @torch.inference_mode()
    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        tensor = torch.from_numpy(batch).to(self._device, self._dtype)
        result = self._net(tensor.contiguous(memory_format=torch.channels_last))
        array: NDArray[np.float32] = result.float().cpu().contiguous().numpy()
        return array

    @torch.inference_mode()
    def _probe(self, memory: DeviceMemory) -> tuple[Line, float]:
        """Measure bytes per tile, by pixels, and bytes in and out for each source pixel."""
        points, staged = [], 0.0
        for side in _PROBED_SIDES:
            tile = torch.zeros(1, side, side, 3, dtype=torch.uint8, device=self._device)
            result = self._levels(tile)
            staged = (tile.numel() + result.numel()) / side**2
            del result
            run = functools.partial(self._levels, tile)
            points.append((float(side**2), memory.peak_bytes(run)))
        return fit_line(points), staged


def set_up_device(device: str, threads: int) -> None:
    """Set what holds for all networks of this process on a device.

    On CUDA, fp32 means fp32: TF32 has ten bits of precision and is no reference for anything. On
    the CPU, PyTorch's threads are limited.

    Args:
        device: ``cpu`` or ``cuda:N``.
        threads: CPU threads; 0 leaves PyTorch its own choice.
    """
    if device.startswith("cuda"):
        # Not by ``conv.fp32_precision``: PyTorch then refuses its own ``cudnn.flags``, which
        # ``torch.export`` uses, and so converting a network for the CPU.
        torch.backends.cudnn.allow_tf32 = False
    elif threads:
        torch.set_num_threads(threads)


def run_within_memory(run: Callable[[_In], _Out], batch: _In) -> _Out:
    """Run a network; the memory of a failed run is free again when its error arrives.

    Raises:
        DeviceMemoryError: the batch does not fit.
    """
    try:
        return run(batch)
    except RuntimeError as err:
        if not is_out_of_memory(err):
            raise
        failure = str(err)
    # Only here has the exception let go of the tensors that its frames held.
    torch.cuda.empty_cache()
    raise DeviceMemoryError(failure)
