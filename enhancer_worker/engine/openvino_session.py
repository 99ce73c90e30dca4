"""Runs exported networks on CPUs through OpenVINO, compiled once per tile shape."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from enhancer_worker.engine.eight_bits import eight_bit
from enhancer_worker.engine.precision import has_int8_units

_HINTS = {"int8": "f32", "fp32": "f32", "bf16": "bf16", "fp16": "f16"}
"""How OpenVINO computes what the network itself does not quantise."""
_LARGEST_CACHE = 4


class OpenVinoSession:
    """A network on the CPU. PyTorch is not needed."""

    largest_batch = 1

    def __init__(
        self, model: ov.Model | Path, *, threads: int = 0, precision: str = "fp32"
    ) -> None:
        """Prepare the network; it is compiled when the first tile of a shape arrives.

        Args:
            model: one input (B, 3, H, W), float32; one output; B, H and W may be dynamic. Or an
                exported ``.xml`` file; its ``.bin`` lies beside it.
            threads: CPU threads; 0 for all that the process may use.
            precision: int8 (of a quantised network), fp32, bf16 or fp16. It is always set: left
                alone, OpenVINO chooses bf16 on CPUs that have it, which is visible in flat areas.
        """
        self._core = ov.Core()
        self._model = self._core.read_model(model) if isinstance(model, Path) else model
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
        }
        if precision == "int8" and not has_int8_units():
            # Rounded as quantised, summed up in fp32: slow, and right where 8-bit sums overflow.
            self._options["LP_TRANSFORMS_MODE"] = "NO"
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = threads
        self._requests: OrderedDict[tuple[str | int, ...], ov.InferRequest] = OrderedDict()
        self.device = f"cpu (openvino {precision})"

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Session``."""
        return cast(NDArray[np.float32], self._run(batch))

    def batch_for(self, height: int, width: int) -> int:
        """See ``LevelSession``; more tiles at once gain nothing on a CPU."""
        return self.largest_batch

    def run_levels(
        self, batches: Iterable[Sequence[NDArray[np.uint8]]]
    ) -> Generator[NDArray[np.uint8], None, None]:
        """See ``LevelSession``."""
        for tiles in batches:
            yield cast(NDArray[np.uint8], self._run(np.stack(tiles)))

    def release(self) -> None:
        """See ``LevelSession``; compiled networks stay, as the memory is the system's."""

    def close(self) -> None:
        """See ``Session``."""
        self._requests.clear()

    def _run(self, batch: NDArray[Any]) -> NDArray[Any]:
        key = (batch.dtype.name, *batch.shape)
        if key not in self._requests:
            while len(self._requests) >= _LARGEST_CACHE:
                self._requests.popitem(last=False)
            self._requests[key] = self._compile(batch)
        self._requests.move_to_end(key)
        results = self._requests[key].infer([batch], share_inputs=True)
        return cast(NDArray[Any], results[0])

    def _compile(self, batch: NDArray[Any]) -> ov.InferRequest:
        model = (self._pixel_model if batch.dtype == np.uint8 else self._model).clone()
        model.reshape(ov.PartialShape(list(batch.shape)))
        return self._core.compile_model(model, "CPU", self._options).create_infer_request()

    @functools.cached_property
    def _pixel_model(self) -> ov.Model:
        return eight_bit(self._model)
