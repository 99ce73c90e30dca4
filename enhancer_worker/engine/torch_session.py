"""Runs networks through PyTorch: on CUDA in production, on the CPU for comparisons and tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from enhancer_worker.engine.session import DeviceMemoryError
from enhancer_worker.errors import is_out_of_memory

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_LARGEST_CUDA_BATCH = 8


class TorchSession:
    """A network as PyTorch module, channels-last, without gradients."""

    def __init__(
        self, net: torch.nn.Module, *, device: str, precision: str = "fp32", threads: int = 0
    ) -> None:
        """Move the network to its device.

        Args:
            net: (B, 3, H, W) in, (B, 3, scale * H, scale * W) out; changed in place.
            device: ``cpu`` or ``cuda:N``.
            precision: fp32, bf16 or fp16.
            threads: see ``use_threads``.
        """
        use_threads(device, threads)
        self._device = torch.device(device)
        self._dtype = _DTYPES[precision]
        net = net.eval().to(self._device, self._dtype)
        self._net = net.to(memory_format=torch.channels_last)
        self.device = f"{device} (torch {precision})"
        self.largest_batch = _LARGEST_CUDA_BATCH if self._device.type == "cuda" else 1

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Session``."""
        return run_within_memory(self._run, batch)

    def close(self) -> None:
        """See ``Session``."""
        self._net.to("cpu")
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        tensor = torch.from_numpy(batch).to(self._device, self._dtype)
        result = self._net(tensor.contiguous(memory_format=torch.channels_last))
        array: NDArray[np.float32] = result.float().cpu().contiguous().numpy()
        return array


def use_threads(device: str, threads: int) -> None:
    """Limit PyTorch's threads in this process, where networks run on the CPU.

    Args:
        device: ``cpu`` or ``cuda:N``.
        threads: CPU threads; 0 leaves PyTorch its own choice.
    """
    if device == "cpu" and threads:
        torch.set_num_threads(threads)


def run_within_memory(run: Run, batch: NDArray[np.float32]) -> NDArray[np.float32]:
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
