"""Networks from elsewhere: checkpoint files that an operator has put beside the worker.

Real-ESRGAN, SwinIR, SCUNet, NAFNet and some forty others are recognised by the names and shapes
of their tensors; spandrel (extra ``spandrel``) knows how to build them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.device import Placement
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.nets.manifest import verified_file
from shopimg.contract import RecipeError, WorkerError

if TYPE_CHECKING:
    import torch
    from spandrel import ImageModelDescriptor

_RGB = 3
_OVERLAP_PIXELS = {"SUPPORTED": 32, "DISCOURAGED": 96}
_TILE_PIXELS = {"SUPPORTED": 256, "DISCOURAGED": 1024}
_TILE_PIXELS_ON_CPU = {"SUPPORTED": 256, "DISCOURAGED": 384}
_WHOLE_PICTURE = 1 << 20


def load_foreign(file: str, sha256: str, placement: Placement, config: WorkerConfig) -> LoadedNet:
    """Load a checkpoint that a recipe names.

    Args:
        file: name of a file in ``ENHANCER_NETWORKS_DIR``.
        sha256: what the file's digest must be, 64 hexadecimal digits.
        placement: device and precision; networks from elsewhere always run through PyTorch.
        config: where the files are, and whether pickled ones may be read.

    Raises:
        RecipeError: the file is not a network from three channels to three.
        WorkerError: no folder is set, the file is missing or another one, it is pickled and that
            is not allowed, or spandrel is not installed.
    """
    if config.networks_dir is None:
        raise WorkerError(detail=f"{file}: set ENHANCER_NETWORKS_DIR to the folder that holds it")
    path = config.networks_dir / file
    if path.suffix != ".safetensors" and not config.allow_pickled_networks:
        raise WorkerError(
            detail=f"{file} is not a .safetensors file; convert it, or set "
            "ENHANCER_ALLOW_PICKLED_NETWORKS=1 if you trust where it comes from"
        )
    verified_file(path, sha256)
    descriptor = _describe(path)
    dtype = _precision(descriptor, placement)
    tiling = descriptor.tiling.name
    tile_pixels = _TILE_PIXELS_ON_CPU if placement.device == "cpu" else _TILE_PIXELS
    return LoadedNet(
        name=path.name,
        digest=sha256,
        geometry=Geometry(descriptor.scale, 0, 1),
        session=ForeignSession(
            descriptor, device=placement.device, precision=dtype, threads=config.threads
        ),
        overlap=_OVERLAP_PIXELS.get(tiling, 0),
        tile_size=tile_pixels.get(tiling, _WHOLE_PICTURE),
    )


class ForeignSession:
    """A network as spandrel describes it; it pads its input to the sizes that it demands."""

    largest_batch = 1

    def __init__(
        self,
        descriptor: ImageModelDescriptor[Any],
        *,
        device: str,
        precision: str,
        threads: int = 0,
    ) -> None:
        """Move the network to its device.

        Args:
            descriptor: changed in place.
            device: ``cpu`` or ``cuda:N``.
            precision: fp32, bf16 or fp16, one that the network supports.
            threads: CPU threads; 0 leaves PyTorch its own choice.
        """
        # A CPU worker must not pay for this import.
        import torch  # noqa: PLC0415

        from enhancer_worker.engine import torch_session  # noqa: PLC0415

        torch_session.set_up_device(device, threads)
        self._run_within_memory = torch_session.run_within_memory
        self._torch = torch
        self._dtype = torch_session.DTYPES[precision]
        self._place = torch.device(device)
        self._descriptor = descriptor.eval().to(self._place, self._dtype)
        self.device = f"{device} (torch {precision}, {descriptor.architecture.name})"

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Session``."""
        return self._run_within_memory(self._run, batch)

    def close(self) -> None:
        """See ``Session``."""
        self._descriptor.cpu()
        if self._place.type == "cuda":
            self._torch.cuda.empty_cache()

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._torch.inference_mode():
            lq = self._torch.from_numpy(batch).to(self._place, self._dtype)
            result: torch.Tensor = self._descriptor(lq)
            return cast(NDArray[np.float32], result.float().cpu().contiguous().numpy())


def _describe(path: Path) -> ImageModelDescriptor[Any]:
    try:
        # It imports torchvision, which fails in its own ways where the two do not match.
        from spandrel import (  # noqa: PLC0415 - optional
            ImageModelDescriptor,
            ModelLoader,
            UnsupportedModelError,
        )
    except Exception as err:
        raise WorkerError(
            detail=f"{path.name} needs the extra shopimg[spandrel]: {type(err).__name__}: {err}"
        ) from err
    try:
        descriptor = ModelLoader().load_from_file(path)
    except UnsupportedModelError as err:
        raise RecipeError(f"{path.name} is not a network of any known architecture.") from err
    except Exception as err:
        raise WorkerError(detail=f"{path} cannot be loaded: {type(err).__name__}: {err}") from err
    channels = (descriptor.input_channels, descriptor.output_channels)
    if not isinstance(descriptor, ImageModelDescriptor) or channels != (_RGB, _RGB):
        raise RecipeError(f"{path.name} does not turn one colour picture into another.")
    return descriptor


def _precision(descriptor: ImageModelDescriptor[Any], placement: Placement) -> str:
    """Choose fp32 on CPUs; else the precision that was asked for, if the network survives it.

    Left to us, that is bfloat16, where the GPU has it: half precision overflows in most
    transformers.
    """
    supported: Mapping[str, bool] = {
        "bf16": descriptor.supports_bfloat16,
        "fp16": descriptor.supports_half,
    }
    if placement.device == "cpu":
        return "fp32"
    wanted = placement.precision
    if wanted == "auto":
        wanted = "bf16" if _multiplies_bfloat16(placement.device) else "fp32"
    return wanted if supported.get(wanted, False) else "fp32"


def _multiplies_bfloat16(device: str) -> bool:
    """Whether the GPU has units for it: one before Ampere emulates it, slower than fp32."""
    import torch  # noqa: PLC0415 - a CPU worker must not pay for this import

    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
