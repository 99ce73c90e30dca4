"""The engines that are compared: each function here prepares one, in a process of its own.

They import what they need themselves, so that the memory of one process shows one engine alone.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    import torch

# ruff: noqa: PLC0415 - see the docstring
Pixels = NDArray[np.uint8]
"""(H, W, 3), uint8, RGB."""
ONNX_TILE_PIXELS = 512
SCRIPT_TILE_PIXELS = 400
SCRIPT_PAD_PIXELS = 10
CALIBRATION_CROPS = 40
CALIBRATION_SIDE_PIXELS = 128


def picture(path: str, width: int, height: int) -> Pixels:
    """Return what is measured: a photograph resized, or noise where there is none."""
    if not path:
        return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    with Image.open(path) as image:
        size = (width, height)
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def ours(net: str, precision: str, source: tuple[str, int, int]) -> Callable[[], Pixels]:
    """The engine as jobs use it.

    Args:
        net: weight name.
        precision: as ``ENHANCER_PRECISION``.
        source: arguments of `picture`.
    """
    from enhancer_worker.config import WorkerConfig
    from enhancer_worker.engine.device import choose_placement
    from enhancer_worker.engine.engine import Engine
    from enhancer_worker.engine.loading import load
    from enhancer_worker.nets.zoo import ZOO
    from shopimg.contract import Deadline

    config = WorkerConfig(device="cpu", precision=precision)
    engine = Engine(config)
    loaded = load(ZOO[net], choose_placement("cpu", precision), config)
    if precision == "int8" and "int8" not in loaded.session.device:
        raise LookupError(f"{net} ships without int8")
    pixels = picture(*source)
    deadline = Deadline(math.inf)
    return lambda: engine.run(loaded, pixels, deadline).pixels


def pytorch_eager(net: str, source: tuple[str, int, int]) -> Callable[[], Pixels]:
    """Baseline (a): fp32, the whole picture at once, default memory format."""
    import torch

    from enhancer_worker.nets.zoo import load_net

    torch.set_num_threads(threads())
    module = load_net(net)
    pixels = picture(*source)

    @torch.inference_mode()
    def run() -> Pixels:
        return _to_pixels(_padded(module, _to_tensor(pixels)))

    return run


def tile_loop(net: str, source: tuple[str, int, int]) -> Callable[[], Pixels]:
    """Baseline (b): the same weights through spandrel, in tiles as Real-ESRGAN's script cuts them.

    spandrel does not know the layout of our restorer; there the tile loop runs our own module. Nor
    does it know the back-projection of our faithful upscalers, which the loop is spared.
    """
    import torch

    from enhancer_worker.nets.zoo import ZOO, load_net

    torch.set_num_threads(threads())
    module: Any = load_net(net)
    scale = ZOO[net].scale
    if scale > 1:
        from spandrel import ModelLoader

        module = ModelLoader(device="cpu").load_from_state_dict(dict(module.state_dict())).eval()
    pixels = picture(*source)

    @torch.inference_mode()
    def run() -> Pixels:
        lq = _to_tensor(pixels)
        height, width = lq.shape[-2:]
        result = lq.new_zeros((1, 3, height * scale, width * scale))
        for top in range(0, height, SCRIPT_TILE_PIXELS):
            for left in range(0, width, SCRIPT_TILE_PIXELS):
                _script_tile(module, lq, result, (top, left))
        return _to_pixels(result)

    return run


def onnx(
    net: str, source: tuple[str, int, int], model: str, *, in_tiles: bool
) -> Callable[[], Pixels]:
    """Baseline (c): ONNX Runtime, on the whole picture or in tiles as we cut them.

    Args:
        net: weight name.
        source: arguments of `picture`.
        model: path of the exported model.
        in_tiles: whether tiles of the size that our engine chooses, with its exact halo, are used.
    """
    import onnxruntime

    from enhancer_worker.engine.runner import run_tiled
    from enhancer_worker.engine.session import LoadedNet
    from enhancer_worker.engine.tiling import Geometry
    from enhancer_worker.nets.zoo import ZOO
    from shopimg.contract import Deadline

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    class OnnxSession:
        device = "cpu (onnxruntime)"
        largest_batch = 1

        def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            result: NDArray[np.float32] = session.run(None, {name: batch})[0]
            return result

        def close(self) -> None:
            pass

    entry = ZOO[net]
    geometry = Geometry(entry.scale, entry.halo, entry.multiple_of)
    loaded = LoadedNet(net, "", geometry, OnnxSession())
    pixels = picture(*source)
    margins = 24 * geometry.margin
    size = max(ONNX_TILE_PIXELS, margins) if in_tiles else max(pixels.shape)
    return lambda: run_tiled(loaded, pixels, tile_size=size, deadline=Deadline(math.inf)).pixels


def export_in_process(net: str, exact: Path, photos: Sequence[str]) -> None:
    """Write `exact`, and its int8 version beside it, in a process that is gone afterwards.

    Where that fails, the contenders that need the files fail too, and the others still run.
    """
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_export, args=(net, exact, photos))
    process.start()
    process.join()
    if process.exitcode:
        sys.stderr.write(f"{net} could not be exported for ONNX Runtime\n")


def _export(net: str, exact: Path, photos: Sequence[str]) -> None:
    quantise_onnx(export_onnx(net, exact.parent), [Path(photo) for photo in photos])


def export_onnx(net: str, folder: Path) -> Path:
    """Write a network as ONNX with free height and width; for `onnx`."""
    import torch

    from enhancer_worker.nets.zoo import ZOO, load_net

    path = folder / f"{net}.onnx"
    multiple = ZOO[net].multiple_of
    example = torch.zeros(1, 3, 16 * multiple, 24 * multiple)
    height = multiple * torch.export.Dim("height", min=8, max=16_384 // multiple)
    width = multiple * torch.export.Dim("width", min=8, max=16_384 // multiple)
    torch.onnx.export(
        load_net(net), (example,), path, dynamo=True, dynamic_shapes=({2: height, 3: width},),
        external_data=False, verbose=False,
    )  # fmt: skip
    return path


def quantise_onnx(exact: Path, photos: Sequence[Path]) -> Path:
    """Quantise an exported model to int8 with ONNX Runtime's own static quantisation.

    Args:
        exact: of `export_onnx`.
        photos: crops of them calibrate the ranges, as 40 real crops do for our own int8.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Crops(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._crops = iter(photos[:CALIBRATION_CROPS])

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            path = next(self._crops, None)
            return None if path is None else {"lq": _crop(path)}

    prepared, path = exact.with_suffix(".prepared.onnx"), exact.with_suffix(".int8.onnx")
    quant_pre_process(exact, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared, path, Crops(), per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return path


def threads() -> int:
    """CPU threads that every contender gets."""
    return len(os.sched_getaffinity(0))


def _crop(path: Path) -> NDArray[np.float32]:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))[
            :CALIBRATION_SIDE_PIXELS, :CALIBRATION_SIDE_PIXELS
        ]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def _to_tensor(pixels: Pixels) -> torch.Tensor:
    import torch

    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float().contiguous() / 255


def _to_pixels(result: torch.Tensor) -> Pixels:
    levels = result[0].clamp(0, 1).mul(255).round().byte()
    array: Pixels = levels.permute(1, 2, 0).contiguous().numpy()
    return array


def _padded(module: Any, lq: torch.Tensor) -> torch.Tensor:
    """Run a net that wants sizes of a multiple; nothing is added where they fit."""
    from torch.nn import functional

    multiple = int(getattr(module, "multiple_of", 1))
    height, width = lq.shape[-2:]
    padding = (0, -width % multiple, 0, -height % multiple)
    if not any(padding):
        return _tensor(module(lq))
    result = _tensor(module(functional.pad(lq, padding, mode="replicate")))
    scale = result.shape[-1] // (width + padding[1])
    return result[..., : height * scale, : width * scale]


def _tensor(result: Any) -> torch.Tensor:
    found: torch.Tensor = result
    return found


def _script_tile(
    module: Any, lq: torch.Tensor, result: torch.Tensor, corner: tuple[int, int]
) -> None:
    """Enlarge one tile with ten pixels around it, and keep its inner part."""
    scale = result.shape[-1] // lq.shape[-1]
    (top, left), (height, width) = corner, lq.shape[-2:]
    bottom, right = min(top + SCRIPT_TILE_PIXELS, height), min(left + SCRIPT_TILE_PIXELS, width)
    above, before = max(top - SCRIPT_PAD_PIXELS, 0), max(left - SCRIPT_PAD_PIXELS, 0)
    below, behind = min(bottom + SCRIPT_PAD_PIXELS, height), min(right + SCRIPT_PAD_PIXELS, width)
    tile = _padded(module, lq[..., above:below, before:behind])
    y, x = (top - above) * scale, (left - before) * scale
    kept = tile[..., y : y + (bottom - top) * scale, x : x + (right - left) * scale]
    result[..., top * scale : bottom * scale, left * scale : right * scale] = kept
