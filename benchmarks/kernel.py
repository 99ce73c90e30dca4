"""Measures a network alone on a device: batches that are there already, then with their way."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks import engines
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.buckets import BUCKETS
from enhancer_worker.engine.device import choose_placement
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.loading import load
from enhancer_worker.engine.session import DeviceMemoryError, LoadedNet
from enhancer_worker.engine.torch_session import TorchSession, run_within_memory
from enhancer_worker.nets.zoo import ZOO
from shopimg.contract import Deadline

NET = "upscale_x4_m"
"""Tier M: 512 pixels to 2048."""
PEAK_TFLOPS = {
    "H100 PCIe": 756.0,
    "H100 NVL": 835.0,
    "H200 NVL": 835.0,
    "H100": 989.0,
    "H200": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L40": 181.0,
    "L4": 121.0,
    "T4": 65.0,
}
"""Dense peaks in half precision by the makers' data sheets, by words of the device's name; the
first that fits counts."""


def measure_kernel(
    config: WorkerConfig, side: int, seconds: float, buckets: Sequence[int] = BUCKETS
) -> dict[str, Any]:
    """Run the network again and again on pictures that fit into one tile.

    Args:
        config: device and precision.
        side: of a picture, pixels.
        seconds: length of each measurement.
        buckets: pictures at once.

    Returns:
        Pictures per second by bucket, without transfers; of the best bucket with transfers; and one
        at a time with everything the engine does around a network.
    """
    net = tier_m(config)
    session = net.session
    if not isinstance(session, TorchSession):
        raise TypeError(f"{session.device} runs no PyTorch")
    alone: dict[int, float] = {}
    stream = _stream(session)
    for bucket in buckets:
        run = partial(_resident, session, stream, side, seconds)
        try:
            alone[bucket] = run_within_memory(run, bucket)
        except DeviceMemoryError:
            break
    best = max(alone, key=lambda bucket: alone[bucket])
    # The engine keeps its buffers small.
    staged = min(best, session.batch_for(side, side))
    pixels = engines.picture("", side, side)
    engine, deadline = Engine(config), Deadline(math.inf)
    laps = repeat(lambda: engine.run(net, pixels, deadline), seconds)
    found = {
        "net": net.name,
        "device": session.device,
        "images_per_second_by_bucket": alone,
        "images_per_second": alone[best],
        "best_bucket": best,
        "staged_bucket": staged,
        "images_per_second_with_transfers": _streamed(session, side, staged, seconds),
        "images_per_second_of_the_engine": len(laps) / sum(laps),
        "median_milliseconds_of_the_engine": 1000 * statistics.median(laps),
        "operations_per_image": operations(NET, side),
    }
    session.close()
    engine.close()
    return found


def tier_m(config: WorkerConfig) -> LoadedNet:
    """Load tier M."""
    return load(ZOO[NET], choose_placement(config.device, config.precision), config)


def operations(net: str, side: int) -> float:
    """Multiplications and additions for one picture: two per weight and source pixel."""
    weights = sum(
        parameter.numel() for parameter in ZOO[net].build().parameters() if parameter.ndim == 4
    )
    return 2.0 * weights * side**2


def roofline(kernel: Mapping[str, Any], peak_tflops: float) -> dict[str, float]:
    """Share of what the GPU could do at most; none where its peak in the precision is unknown."""
    achieved = kernel["operations_per_image"] * kernel["images_per_second"] / 1e12
    if not peak_tflops or "fp32" in kernel["device"]:
        return {"tflops": achieved}
    return {"tflops": achieved, "peak_tflops": peak_tflops, "share": achieved / peak_tflops}


def peak_of(name: str) -> float:
    """Peak of a GPU, or 0 where it is not in the table.

    >>> peak_of("NVIDIA H100 80GB HBM3"), peak_of("NVIDIA L40"), peak_of("NVIDIA GeForce RTX 4090")
    (989.0, 181.0, 0.0)
    """
    words = f" {name.replace('-', ' ')} "
    return next((peak for part, peak in PEAK_TFLOPS.items() if f" {part} " in words), 0.0)


def repeat(run: Callable[[], Any], seconds: float) -> list[float]:
    """Warm up, then run again and again; seconds of each."""
    warm_up(run)
    return timed(run, seconds)


def warm_up(run: Callable[[], Any]) -> None:
    """Run as often as graphs and clocks need to settle."""
    for _ in range(3):
        run()


def timed(run: Callable[[], Any], seconds: float) -> list[float]:
    """Run again and again; seconds of each."""
    laps: list[float] = []
    end = time.perf_counter() + seconds
    while not laps or time.perf_counter() < end:
        started = time.perf_counter()
        run()
        laps.append(time.perf_counter() - started)
    return laps


def _device(session: TorchSession) -> torch.device:
    return torch.device(session.device.partition(" ")[0])


def _stream(session: TorchSession) -> Any:
    """One for all batches: graphs are never recorded on the default one, and share its memory."""
    device = _device(session)
    options = {"device": device} if device.type == "cuda" else {}
    return torch.get_device_module(device).Stream(**options)


def _resident(session: TorchSession, stream: Any, side: int, seconds: float, bucket: int) -> float:
    """Pictures per second of batches that lie on the device."""
    device = _device(session)
    module: Any = torch.get_device_module(device)
    with torch.inference_mode(), module.stream(stream):
        batch = torch.randint(0, 256, (bucket, side, side, 3), dtype=torch.uint8, device=device)

        def run() -> None:
            session.program(batch)
            module.synchronize()

        laps = repeat(run, seconds)
    return bucket * len(laps) / sum(laps)


def _streamed(session: TorchSession, side: int, bucket: int, seconds: float) -> float:
    """Pictures per second with bytes going there and back."""
    batch = [engines.picture("", side, side)] * bucket
    count = 8

    def run() -> None:
        for _ in session.run_levels([batch] * count):
            pass

    laps = repeat(run, seconds)
    return count * bucket * len(laps) / sum(laps)
