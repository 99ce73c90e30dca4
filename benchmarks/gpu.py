"""Measures the engine on a GPU: the network alone, whole jobs, latency, several processes.

Run it as `python benchmarks/gpu.py --data DIR [--device cuda:0]` on a machine with CUDA. It prints
its tables and writes them to `benchmarks/results/gpu.md`, and the figures to `gpu.json`.

**It has not been run yet**: no GPU was at hand when it was written. Without CUDA it says so and
ends with status 2.
"""

from __future__ import annotations

import argparse
import io
import math
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks import engines, page
from benchmarks.engine import find_photos
from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.device import choose_placement
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.loading import load
from enhancer_worker.nets.manifest import read_manifest
from enhancer_worker.nets.zoo import ZOO
from shopimg.contract import Deadline, Recipe, Role, Upscale

NETS = ("upscale_x4_m", "upscale_x4_s")
"""Tier M where it ships."""
SIDE_PIXELS = 512
PROCESSES = (1, 2, 4)
JOB = Recipe("upscale", (Role("main", (Upscale(scale=4),)),))
JPEG_QUALITY = 85
HALF = 0.5
PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L40": 181.0, "L4": 121.0}
"""Dense bf16 peaks of the makers' data sheets, by a part of the device's name."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write.

    Returns:
        Exit status: 0; 2 without CUDA or without photographs.
    """
    arguments = _arguments(argv)
    if not torch.cuda.is_available():
        sys.stderr.write("no CUDA device: nothing was measured\n")
        return 2
    photos = find_photos(arguments.data)
    if not photos:
        sys.stderr.write(f"no photographs below {arguments.data}\n")
        return 2
    content = jpeg(photos[0])
    device, seconds = arguments.device, arguments.seconds
    name = torch.cuda.get_device_name(device)
    kernel = measure_kernel(device, seconds)
    alone = together(1, device, content, seconds)
    figures: dict[str, Any] = {
        **page.circumstances(),
        "gpu": name,
        "versions": page.versions("torch"),
        "input": f"{SIDE_PIXELS} x {SIDE_PIXELS}",
        "kernel": {**kernel, **roofline(kernel, arguments.peak_tflops or peak_of(name))},
        "processes": {1: alone}
        | {count: together(count, device, content, seconds) for count in PROCESSES if count > 1},
        "half_load": half_load(device, content, alone["images_per_second"], seconds),
    }
    page.write("gpu", figures, to_markdown(figures), arguments.results)
    return 0


def measure_kernel(device: str, seconds: float) -> dict[str, Any]:
    """Run the network over one picture again and again: no files, but tiling and transfers."""
    net = next(name for name in NETS if name in read_manifest())
    config = WorkerConfig(device=device)
    loaded = load(ZOO[net], choose_placement(device, config.precision), config)
    engine = Engine(config)
    pixels = engines.picture("", SIDE_PIXELS, SIDE_PIXELS)
    deadline = Deadline(math.inf)
    laps = repeat(lambda: engine.run(loaded, pixels, deadline), seconds)
    return {
        "net": net,
        "device": loaded.session.device,
        "images_per_second": len(laps) / sum(laps),
        "median_milliseconds": 1000 * statistics.median(laps),
        "operations_per_image": operations(net),
    }


def operations(net: str) -> float:
    """Multiplications and additions for one picture: two per weight and source pixel."""
    weights = sum(
        parameter.numel() for parameter in ZOO[net].build().parameters() if parameter.ndim == 4
    )
    return 2.0 * weights * SIDE_PIXELS**2


def roofline(kernel: Mapping[str, Any], peak_tflops: float) -> dict[str, float]:
    """Share of what the GPU could do at most; nothing where its peak is not known."""
    achieved = kernel["operations_per_image"] * kernel["images_per_second"] / 1e12
    if not peak_tflops:
        return {"tflops": achieved}
    return {"tflops": achieved, "peak_tflops": peak_tflops, "share": achieved / peak_tflops}


def peak_of(name: str) -> float:
    """Peak of a GPU, or 0 where it is not in the table.

    >>> peak_of("NVIDIA H100 80GB HBM3"), peak_of("NVIDIA GeForce RTX 4090")
    (989.0, 0.0)
    """
    return next((peak for part, peak in PEAK_TFLOPS.items() if part in name), 0.0)


def together(count: int, device: str, content: bytes, seconds: float) -> dict[str, float]:
    """Run whole jobs in several processes at once.

    Args:
        count: processes.
        device: of all of them.
        content: the upload.
        seconds: how long, after all have loaded.
    """
    context = multiprocessing.get_context("spawn")
    barrier, laps = context.Barrier(count), context.Queue()
    arguments = (device, content, seconds, barrier, laps)
    processes = [context.Process(target=_work, args=arguments) for _ in range(count)]
    for process in processes:
        process.start()
    found = [lap for _ in processes for lap in laps.get(timeout=300 + 2 * seconds)]
    for process in processes:
        process.join()
    return {
        "images_per_second": len(found) / seconds,
        "median_milliseconds": 1000 * statistics.median(found),
    }


def _work(device: str, content: bytes, seconds: float, barrier: Barrier, laps: Any) -> None:
    run = job(device, content)
    run()
    barrier.wait(300)
    laps.put(repeat(run, seconds))


def half_load(device: str, content: bytes, rate: float, seconds: float) -> dict[str, float]:
    """Latency of whole jobs that arrive at random, half as many as the worker could do.

    Args:
        device: of the engine.
        content: the upload.
        rate: jobs per second at full load.
        seconds: how long.
    """
    run = job(device, content)
    run()
    arrivals = np.random.default_rng(0).exponential(1 / (HALF * rate), int(HALF * rate * seconds))
    started = time.perf_counter()
    laps = []
    for arrival in np.cumsum(arrivals):
        time.sleep(max(0.0, started + arrival - time.perf_counter()))
        run()
        laps.append(time.perf_counter() - started - arrival)
    p50, p99 = np.percentile(laps, (50, 99)) * 1000
    return {"jobs": len(laps), "p50_milliseconds": p50, "p99_milliseconds": p99}


def job(device: str, content: bytes) -> Callable[[], Any]:
    """Return what runs one job, JPEG in, JPEG out."""
    enhancer = NeuralEnhancer(WorkerConfig(device=device))
    return lambda: enhancer.enhance(content, JOB, deadline=Deadline(math.inf))


def repeat(run: Callable[[], Any], seconds: float) -> list[float]:
    """Run again and again after three times to warm up; seconds of each."""
    for _ in range(3):
        run()
    laps: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        run()
        laps.append(time.perf_counter() - started)
    return laps


def jpeg(photo: Path) -> bytes:
    """Return a photograph as an upload of the measured size."""
    buffer = io.BytesIO()
    pixels = engines.picture(str(photo), SIDE_PIXELS, SIDE_PIXELS)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def to_markdown(figures: Mapping[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    kernel, half = figures["kernel"], figures["half_load"]
    share = f", {kernel['share']:.1%} of the peak" if "share" in kernel else ""
    rows = [
        [str(count), f"{one['images_per_second']:.1f}", f"{one['median_milliseconds']:.1f}"]
        for count, one in figures["processes"].items()
    ]
    return [
        "# GPU",
        "",
        page.preface(figures, "python benchmarks/gpu.py --data DIR"),
        "",
        f"{figures['gpu']}, {figures['input']} pixels, x4, `{kernel['net']}`, {kernel['device']}.",
        "",
        f"Network alone: {kernel['images_per_second']:.1f} images per second, "
        f"{kernel['tflops']:.1f} TFLOP/s{share}.",
        "",
        *page.markdown_table(
            ["processes on the GPU", "whole jobs per second", "median ms per job"], rows
        ),
        "",
        f"At half load: p50 {half['p50_milliseconds']:.1f} ms, p99 {half['p99_milliseconds']:.1f} "
        f"ms of {half['jobs']} jobs, waiting included.",
    ]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/ or uploads/")
    parser.add_argument("--device", default="cuda:0", help="cuda:N")
    parser.add_argument("--seconds", type=float, default=20, help="length of every measurement")
    parser.add_argument("--peak-tflops", type=float, default=0, help="of a GPU not in the table")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
