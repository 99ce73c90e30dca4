"""Measures networks on this machine once, and keeps the figures in the user's cache folder."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np

from enhancer_worker.engine.files import write_whole
from enhancer_worker.engine.planner import NetCost, fit_line
from enhancer_worker.engine.runner import run_tiled
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.engine.tiling import round_up
from shopimg.contract import Deadline

KEPT_AS = ("cost-", "around-")
"""How the names of kept figures begin: of networks, and of what surrounds them."""
_MEASURED_SIDES = (128, 320, 768)
_LAPS = 3
_ENOUGH_SECONDS = 4.0
_NO_LIMIT = Deadline(math.inf)
_CPU_FACTS = Path("/proc/cpuinfo")
_STATUS = Path("/proc/self/status")
_CLEAR_PEAK = Path("/proc/self/clear_refs")


def machine_key(device: str, digest: str, threads: int) -> str:
    """Tell apart what makes old figures worthless: machine, versions, weights, precision.

    Args:
        device: a session's words, such as ``cuda:0 (torch fp16)``.
        digest: sha256 of the weights.
        threads: of the engine; 0 for all.

    Returns:
        16 hexadecimal digits.
    """
    facts = [
        *(*machine_facts(), threads, device, digest),
        *(_gpu_model(device), _MEASURED_SIDES),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def machine_facts() -> list[str | int]:
    """List what makes figures of another machine, or of another installation, worthless."""
    packages = [package_version(name) for name in ("openvino", "torch", "shopimg")]
    return [cpu_model(), len(os.sched_getaffinity(0)), *packages]


def forget_costs(cache_dir: Path) -> None:
    """Delete what was measured; it is measured again when it is needed."""
    for path in cache_dir.glob("*.json"):
        if path.name.startswith(KEPT_AS):
            path.unlink(missing_ok=True)


def known_cost(net: LoadedNet, threads: int, cache_dir: Path) -> NetCost | None:
    """Read what was measured before; None where nothing fits or the file is damaged."""
    try:
        return NetCost.from_table(json.loads(_path(net, threads, cache_dir).read_text()))
    except (OSError, ValueError):
        return None


def cost_of(net: LoadedNet, threads: int, cache_dir: Path) -> NetCost:
    """Return the cost of a network, measuring it where that was not done before.

    Several workers may do so at once: each writes a whole file and renames it, the last one wins.

    Args:
        net: ready to run.
        threads: of the engine; 0 for all.
        cache_dir: made if it is missing; where it cannot be written, nothing is kept.
    """
    known = known_cost(net, threads, cache_dir)
    if known is not None:
        return known
    cost = measure(net)
    path = _path(net, threads, cache_dir)
    with contextlib.suppress(OSError):
        write_whole(path, json.dumps(cost.to_table()).encode())
    return cost


def measure(net: LoadedNet) -> NetCost:
    """Time a network on tiles of a few sizes: medians after one run that compiles.

    Reading tiles from a picture and writing them into one takes its time, and counts.
    """
    seconds, peaks, kept, warm_ups = [], [], [], []
    for side in sorted({_usable(side, net) for side in _MEASURED_SIDES}):
        pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
        run = functools.partial(run_tiled, net, pixels, tile_size=side, deadline=_NO_LIMIT)
        idle = start_peak()
        first, *laps = timed_runs(run)
        lap, area = statistics.median(laps), float(side * side)
        warm_ups.append(max(0.0, first - lap))
        seconds.append((area, lap))
        peaks.append((area, float(max(0, peak_bytes() - idle))))
        kept.append((area, float(max(0, start_peak() - idle))))
    memory = fit_line(peaks), fit_line(kept)
    return NetCost(fit_line(seconds), *memory, statistics.median(warm_ups))


def timed_runs(run: Callable[[], object]) -> list[float]:
    """Time something that runs once to warm up, then a few times, or less often if it is slow.

    Returns:
        Seconds of each run, two at least.
    """
    found = list[float]()
    while len(found) < 2 or (len(found) <= _LAPS and sum(found[1:]) < _ENOUGH_SECONDS):
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return found


def start_peak() -> int:
    """Begin a new peak of memory, where the system can.

    Returns:
        Bytes of this process now.
    """
    # What was freed but kept would be used again, and the next piece of work seem to need less.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    try:
        _CLEAR_PEAK.write_text("5")
    except OSError:  # not Linux, or not allowed: the peak so far counts
        return peak_bytes()
    return _status_bytes("VmRSS")


def peak_bytes() -> int:
    """Highest memory of this process since ``start_peak``, bytes; 0 where that is not told."""
    return _status_bytes("VmHWM")


def cpu_model() -> str:
    """Name of the CPU."""
    try:
        lines = _CPU_FACTS.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0]


def _gpu_model(device: str) -> str:
    """Name of the GPU that a session's words speak of; empty on CPUs."""
    if not device.startswith("cuda"):
        return ""
    import torch  # noqa: PLC0415 - a CPU worker must not pay for this import

    return torch.cuda.get_device_name(device.partition(" ")[0])


def _path(net: LoadedNet, threads: int, cache_dir: Path) -> Path:
    key = machine_key(net.session.device, net.digest, threads)
    return cache_dir / f"{KEPT_AS[0]}{key}.json"


def _usable(side: int, net: LoadedNet) -> int:
    return round_up(max(side, net.geometry.smallest_tile), net.geometry.multiple_of)


def _status_bytes(field: str) -> int:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)


def package_version(package: str) -> str:
    """Version of an installed package; empty where it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
