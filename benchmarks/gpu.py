"""Measures the engine on a GPU: the network alone, whole jobs, latency, several processes.

Run it as `python benchmarks/gpu.py --data DIR [--device cuda:0]` on a machine with CUDA. It prints
its tables and writes them to `benchmarks/results/gpu.md`, and the figures to `gpu.json`.

**It has not been run on a GPU yet**: none was at hand when it was written. Without CUDA it says so
and ends with status 2. `--device torch-cpu --side 64 --seconds 1` rehearses it on a CPU, which
shows that it runs and nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import itertools
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
from benchmarks.kernel import measure_kernel, peak_of, roofline, timed, warm_up
from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.measuring import cpu_model
from enhancer_worker.pipeline.decode import decode, open_source
from shopimg.contract import Deadline, Recipe, Role, Upscale

SIDE_PIXELS = 512
PROCESSES = (1, 2, 4)
SHARED_PART = 0.9
"""Of the GPU's memory that several processes divide; CUDA itself takes some in each."""
JOB = Recipe("upscale", (Role("main", (Upscale(scale=4),)),))
JPEG_QUALITY = 85
HALF = 0.5
DECODED_SIDES = 12
"""Sides of the measured pictures that the decoded ones have: 6144 pixels by default."""
SUBSAMPLINGS = {"4:4:4": 0, "4:2:0": 2}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write.

    Returns:
        Exit status: 0; 2 without CUDA or without photographs.
    """
    arguments = _arguments(argv)
    device, seconds, side = arguments.device, arguments.seconds, arguments.side
    rehearsal = device == "torch-cpu"
    if not rehearsal and not torch.cuda.is_available():
        sys.stderr.write("no CUDA device: nothing was measured\n")
        return 2
    photos = find_photos(arguments.data)
    if not photos:
        sys.stderr.write(f"no photographs below {arguments.data}\n")
        return 2
    circumstances = page.circumstances()
    content = jpeg(photos[0], side)
    name = cpu_model() if rehearsal else torch.cuda.get_device_name(device)
    kernel = measure_kernel(configured(device), side, seconds)
    processes = {count: together(count, device, content, seconds) for count in arguments.processes}
    fewest = min(processes)
    rate = processes[fewest]["images_per_second"] / fewest
    figures: dict[str, Any] = {
        **circumstances,
        "rehearsal": rehearsal,
        "gpu": name,
        "versions": page.versions("torch"),
        "input": f"{side} x {side}",
        "kernel": {**kernel, **roofline(kernel, arguments.peak_tflops or peak_of(name))},
        "processes": processes,
        "half_load": half_load(device, content, rate, seconds),
        "decoding": {
            name: decoding(device, jpeg(photos[0], DECODED_SIDES * side, number))
            for name, number in SUBSAMPLINGS.items()
        },
    }
    page.write("gpu", figures, to_markdown(figures), arguments.results)
    return 0


def configured(device: str, processes: int = 1) -> WorkerConfig:
    """Return the settings of the environment for one of several processes on a device."""
    share = SHARED_PART / processes if processes > 1 else 1.0
    config = WorkerConfig.from_environment()
    return dataclasses.replace(config, device=device, gpu_memory_share=share)


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
    arguments = (configured(device, count), content, seconds, barrier, laps)
    processes = [context.Process(target=_work, args=arguments) for _ in range(count)]
    for process in processes:
        process.start()
    found: list[list[float]] = [laps.get(timeout=300 + 2 * seconds) for _ in processes]
    for process in processes:
        process.join()
    return {
        "images_per_second": sum(len(one) / sum(one) for one in found),
        "median_milliseconds": 1000 * statistics.median(itertools.chain.from_iterable(found)),
    }


def _work(
    config: WorkerConfig, content: bytes, seconds: float, barrier: Barrier, laps: Any
) -> None:
    run = job(config, content)
    warm_up(run)
    barrier.wait(300)
    laps.put(timed(run, seconds))


def half_load(device: str, content: bytes, rate: float, seconds: float) -> dict[str, float]:
    """Latency of whole jobs that arrive at random, half as many as the worker could do.

    Args:
        device: of the engine.
        content: the upload.
        rate: jobs per second at full load.
        seconds: how long.
    """
    run = job(configured(device), content)
    warm_up(run)
    count = max(1, int(HALF * rate * seconds))
    arrivals = np.random.default_rng(0).exponential(1 / (HALF * rate), count)
    started = time.perf_counter()
    laps = []
    for arrival in np.cumsum(arrivals):
        time.sleep(max(0.0, started + arrival - time.perf_counter()))
        run()
        laps.append(time.perf_counter() - started - arrival)
    p50, p99 = np.percentile(laps, (50, 99)) * 1000
    return {"jobs": len(laps), "p50_milliseconds": p50, "p99_milliseconds": p99}


def decoding(device: str, content: bytes) -> dict[str, Any]:
    """Time the decoding of an upload by Pillow and on the device, to pixels in the host's memory.

    Args:
        device: of the engine.
        content: the upload.

    Returns:
        Milliseconds, medians of five, and which decoder the device's worker chose.
    """
    config = dataclasses.replace(configured(device), jpeg_decoder="torchcodec")
    found: dict[str, Any] = {}
    for name, decoder in (("pillow", None), ("device", Engine(config).device_jpeg)):
        laps = []
        for _ in range(5):
            started = time.perf_counter()
            _, facts = decode(open_source(content), decoder)
            laps.append(time.perf_counter() - started)
        found[f"{name}_milliseconds"] = 1000 * statistics.median(laps)
        found["decoder"] = facts.get("decoder", "pillow")
    return found


def job(config: WorkerConfig, content: bytes) -> Callable[[], Any]:
    """Return what runs one job, JPEG in, JPEG out."""
    enhancer = NeuralEnhancer(config)
    return lambda: enhancer.enhance(content, JOB, deadline=Deadline(math.inf))


def jpeg(photo: Path, side: int, subsampling: int = 2) -> bytes:
    """Return a photograph as an upload of the measured size."""
    buffer = io.BytesIO()
    pixels = engines.picture(str(photo), side, side)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=subsampling)
    return buffer.getvalue()


def to_markdown(figures: Mapping[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    kernel, half = figures["kernel"], figures["half_load"]
    share = f", {kernel['share']:.1%} of the peak" if "share" in kernel else ""
    buckets = [
        [str(bucket), f"{rate:.1f}", f"{1000 * bucket / rate:.2f}"]
        for bucket, rate in kernel["images_per_second_by_bucket"].items()
    ]
    rows = [
        [str(count), f"{one['images_per_second']:.1f}", f"{one['median_milliseconds']:.1f}"]
        for count, one in figures["processes"].items()
    ]
    decoded = [
        [
            name,
            f"{one['pillow_milliseconds']:.1f}",
            f"{one['device_milliseconds']:.1f}",
            one["decoder"],
        ]
        for name, one in figures["decoding"].items()
    ]
    rehearsal = ["**A rehearsal on a CPU: these figures tell nothing about a GPU.**", ""]
    return [
        "# GPU",
        "",
        page.preface(figures, "python benchmarks/gpu.py --data DIR"),
        "",
        *(rehearsal if figures["rehearsal"] else []),
        f"{figures['gpu']}, {figures['input']} pixels, x4, `{kernel['net']}`, {kernel['device']}.",
        "",
        f"Network alone: {kernel['images_per_second']:.1f} images per second in batches of "
        f"{kernel['best_bucket']}, {kernel['tflops']:.2f} TFLOP/s{share}; with transfers, in "
        f"batches of {kernel['staged_bucket']}, {kernel['images_per_second_with_transfers']:.1f}; "
        "one picture at a time, from the host's memory and back, "
        f"{kernel['images_per_second_of_the_engine']:.1f}.",
        "",
        *page.markdown_table(["batch", "images per second", "ms per batch"], buckets),
        "",
        *page.markdown_table(
            ["processes on the GPU", "whole jobs per second", "median ms per job"], rows
        ),
        "",
        f"At half load: p50 {half['p50_milliseconds']:.1f} ms, p99 {half['p99_milliseconds']:.1f} "
        f"ms of {half['jobs']} jobs, waiting included.",
        "",
        *page.markdown_table(
            ["JPEG of the largest size", "Pillow, ms", "on the device, ms", "which one runs"],
            decoded,
        ),
    ]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/ or uploads/")
    parser.add_argument("--device", default="cuda:0", help="cuda:N, or torch-cpu to rehearse")
    parser.add_argument("--side", type=int, default=SIDE_PIXELS, help="of the pictures, pixels")
    parser.add_argument(
        "--processes", type=int, nargs="+", default=PROCESSES, help="numbers of them to measure"
    )
    parser.add_argument("--seconds", type=float, default=20, help="length of every measurement")
    parser.add_argument("--peak-tflops", type=float, default=0, help="of a GPU not in the table")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
