"""Measures the engine against plain PyTorch on the same network and the same machine.

Run it as `python benchmarks/engine.py [--data DIR] [--runs N]`. It prints its table and writes it
to `benchmarks/results/engine.md`, and the figures to `engine.json`.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets.zoo import load_net
from shopimg.contract import CLEAN, Deadline

RESULTS = Path(__file__).parent / "results"
SIDE_PIXELS = 512
NO_LIMIT = Deadline(math.inf)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with uploads/*.jpg; noise without it")
    parser.add_argument("--runs", type=int, default=7, help="runs behind every median")
    arguments = parser.parse_args()
    pixels = read_pixels(arguments.data)
    # The job comes first: the peak of memory cannot fall again after whole-picture PyTorch.
    jobs = measure_job(pixels, arguments.runs)
    figures: dict[str, Any] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "hardware": hardware(),
        "commit": commit(),
        "runs": arguments.runs,
        "input": f"{SIDE_PIXELS}x{SIDE_PIXELS}",
        "upscale_x2": measure_network("upscale", 2, "upscale_x2_s", pixels, arguments.runs),
        "upscale_x4": measure_network("upscale", 4, "upscale_x4_s", pixels, arguments.runs),
        "restore": measure_network("restore", 1, "restore_s", pixels, arguments.runs),
        "clean_job": jobs,
    }
    table = to_markdown(figures)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "engine.json").write_text(json.dumps(figures, indent=2) + "\n")
    (RESULTS / "engine.md").write_text(table)
    print(table)  # noqa: T201 - this is a script


def read_pixels(data: Path | None) -> NDArray[np.uint8]:
    """Return the picture that is measured: (SIDE, SIDE, 3), uint8."""
    if data is None:
        shape = (SIDE_PIXELS, SIDE_PIXELS, 3)
        return np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    first = min((data / "uploads").glob("*.jpg"))
    size = (SIDE_PIXELS, SIDE_PIXELS)
    return np.array(Image.open(first).convert("RGB").resize(size, Image.Resampling.LANCZOS))


def measure_job(pixels: NDArray[np.uint8], runs: int) -> dict[str, Any]:
    """Measure the recipe `clean` from file to file, and where its time goes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    content = buffer.getvalue()
    enhancer = NeuralEnhancer()
    started = time.perf_counter()
    enhancer.enhance(content, CLEAN, deadline=NO_LIMIT)
    first_seconds = time.perf_counter() - started
    reports = [enhancer.enhance(content, CLEAN, deadline=NO_LIMIT)[0].steps for _ in range(runs)]
    medians = {
        report.name: statistics.median(steps[i].seconds for steps in reports)
        for i, report in enumerate(reports[0])
    }
    total = sum(medians.values())
    return {
        "first_job_seconds": first_seconds,
        "median_seconds": total,
        "share": {name: seconds / total for name, seconds in medians.items()},
        "peak_rss_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_network(
    kind: str, scale: int, name: str, pixels: NDArray[np.uint8], runs: int
) -> dict[str, Any]:
    """Measure one network in our engine and in eager fp32 PyTorch, in turns."""
    net = load_net(name)
    contenders: dict[str, Callable[[], NDArray[Any]]] = {
        "pytorch_eager_fp32": lambda: run_eager(net, pixels)
    }
    for precision in ("fp32", "auto"):
        engine = Engine(WorkerConfig(precision=precision))
        contenders[f"engine_{precision}"] = engine_run(engine, kind, scale, pixels)
    # One turn for each contender in every round: a busy machine then slows all alike.
    laps: dict[str, list[float]] = {contender: [] for contender in contenders}
    results = {contender: run() for contender, run in contenders.items()}
    for _ in range(runs):
        for contender, run in contenders.items():
            started = time.perf_counter()
            run()
            laps[contender].append(time.perf_counter() - started)
    medians = {contender: statistics.median(seconds) for contender, seconds in laps.items()}
    baseline = results["pytorch_eager_fp32"].astype(int)
    return {
        "device": Engine(WorkerConfig()).net(kind, scale).session.device,
        "median_seconds": medians,
        "times_as_fast": {
            contender: medians["pytorch_eager_fp32"] / seconds
            for contender, seconds in medians.items()
        },
        "largest_difference_levels": {
            contender: int(np.abs(result - baseline).max()) for contender, result in results.items()
        },
    }


def engine_run(
    engine: Engine, kind: str, scale: int, pixels: NDArray[np.uint8]
) -> Callable[[], NDArray[np.uint8]]:
    """Return what runs the picture through the engine once."""
    net = engine.net(kind, scale)
    return lambda: engine.run(net, pixels, NO_LIMIT).pixels


@torch.inference_mode()
def run_eager(net: torch.nn.Module, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Run the whole picture at once, as a notebook would: uint8 in, uint8 out."""
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    result: NDArray[np.uint8] = (
        net(batch)[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    )
    return result


def hardware() -> str:
    """Describe the machine in a line."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA"
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores {(models or [platform.machine()])[0]}, {cuda}, load {load:.1f}"


def commit() -> str:
    """Return the revision that is measured."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or "unknown"


def to_markdown(figures: dict[str, Any]) -> str:
    """Lay the figures out as a page."""
    lines = [
        "# Engine",
        "",
        f"{figures['date']}, {figures['hardware']}, commit {figures['commit']}, "
        f"medians of {figures['runs']} runs, {figures['input']} pixels. "
        "Made by `python benchmarks/engine.py`.",
        "",
        "| network | contender | seconds | times as fast as PyTorch | most levels apart |",
        "|---|---|---|---|---|",
    ]
    for name in ("upscale_x2", "upscale_x4", "restore"):
        part = figures[name]
        for contender, seconds in part["median_seconds"].items():
            label = f"{contender}: {part['device']}" if contender == "engine_auto" else contender
            lines.append(
                f"| {name} | {label} | {seconds:.3f} | {part['times_as_fast'][contender]:.2f} "
                f"| {part['largest_difference_levels'][contender]} |"
            )
    job = figures["clean_job"]
    shares = ", ".join(f"{name} {share:.0%}" for name, share in job["share"].items())
    lines += [
        "",
        f"Recipe `clean`, file to file: {job['median_seconds']:.3f} s ({shares}); the first job of "
        f"a process takes {job['first_job_seconds']:.2f} s with loading. Peak memory "
        f"{job['peak_rss_megabytes']:.0f} MB, PyTorch loaded by this script included.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
