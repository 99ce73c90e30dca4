"""Runs networks through PyTorch: on CUDA in production, on the CPU for comparisons and tests."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from enhancer_worker.engine.session import DeviceMemoryError

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_LARGEST_CUDA_BATCH = 8


class TorchSession:
    """A network as PyTorch module, channels-last, without gradients."""

    def __init__(self, net: torch.nn.Module, *, device: str, precision: str = "fp32") -> None:
        """Move the network to its device.

        Args:
            net: (B, 3, H, W) in, (B, 3, scale * H, scale * W) out; changed in place.
            device: ``cpu`` or ``cuda:N``.
            precision: fp32, bf16 or fp16.
        """
        self._device = torch.device(device)
        self._dtype = _DTYPES[precision]
        net = net.eval().to(self._device, self._dtype)
        self._net = net.to(memory_format=torch.channels_last)
        self.device = f"{device} (torch {precision})"
        self.largest_batch = _LARGEST_CUDA_BATCH if self._device.type == "cuda" else 1

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Session``."""
        try:
            return self._run(batch)
        except torch.OutOfMemoryError as err:
            failure = str(err)
        # Only here has the exception let go of the tensors that its frames held.
        torch.cuda.empty_cache()
        raise DeviceMemoryError(failure)

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
