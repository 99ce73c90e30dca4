"""Whole jobs, file to file: where their time goes, and what memory they need."""

from __future__ import annotations

import dataclasses
import io
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from PIL import Image

from benchmarks import page
from benchmarks.engines import picture
from benchmarks.rounds import Contender, compete
from shopimg.contract import CLEAN, Deadline, Recipe, Restore, Role

# ruff: noqa: PLC0415 - the process of a job imports what a worker imports, and the parent nothing
JPEG_QUALITY = 85
NETWORK_SHARE_BAR = 0.75
MEMORY_BAR_MEGABYTES = 1500
RECIPES = {"clean": CLEAN, "restore": Recipe("restore", (Role("main", (Restore(),)),))}
LARGE_JOB = "restore 24 MP"
SIZES = {"clean 512": ("clean", 512, 512), LARGE_JOB: ("restore", 6000, 4000)}
QUICK_SIZES = {"clean 96": ("clean", 96, 96), "restore 0.5 MP": ("restore", 800, 600)}


def prepare(recipe: str, source: tuple[str, int, int]) -> Callable[[], dict[str, float]]:
    """Load a worker's enhancer, in a process of its own.

    Args:
        recipe: a key of `RECIPES`.
        source: arguments of `picture`.

    Returns:
        What runs one job, JPEG in, JPEG out, and returns seconds by step, those in the network
        included.
    """
    from enhancer_worker.backend import NeuralEnhancer
    from enhancer_worker.config import WorkerConfig

    content = jpeg(picture(*source))
    watches = time_networks()
    enhancer = NeuralEnhancer(WorkerConfig(device="cpu"))
    enhancer.enhance(jpeg(picture("", 64, 64)), RECIPES[recipe], deadline=Deadline(math.inf))

    def run() -> dict[str, float]:
        for watch in watches.values():
            watch.seconds = 0.0
        started = time.perf_counter()
        (image,) = enhancer.enhance(content, RECIPES[recipe], deadline=Deadline(math.inf))
        total = time.perf_counter() - started
        steps = {report.name: report.seconds for report in image.steps}
        in_network = sum(watch.seconds for watch in watches.values())
        return {"total": total, "network": in_network, **steps}

    return run


def jpeg(pixels: Any, comment: str = "") -> bytes:
    """Encode (H, W, 3), uint8, as sellers' files are; another comment makes another upload."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, comment=comment)
    return buffer.getvalue()


def time_networks() -> dict[str, Stopwatch]:
    """Let every network that this process loads from now on be timed.

    Returns:
        Seconds by kind of network, filled as they run.
    """
    from enhancer_worker.engine import engine as engine_module
    from enhancer_worker.engine.session import LoadedNet
    from enhancer_worker.nets.zoo import ZooEntry

    watches: dict[str, Stopwatch] = {}
    load = engine_module.load

    def load_timed(entry: ZooEntry, *arguments: Any) -> LoadedNet:
        net = load(entry, *arguments)
        watch = watches.setdefault(entry.kind, Stopwatch())
        return dataclasses.replace(net, session=TimedSession(net.session, watch))

    engine_module.load = load_timed
    return watches


class Stopwatch:
    """Seconds that were spent somewhere."""

    seconds = 0.0


class TimedSession:
    """A session that counts the seconds spent in it."""

    def __init__(self, session: Any, stopwatch: Stopwatch) -> None:
        """Take what is timed."""
        self._session = session
        self._stopwatch = stopwatch

    def __getattr__(self, name: str) -> Any:
        """Whatever else the session has."""
        return getattr(self._session, name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run the network."""
        return self._timed(self._session, *arguments, **options)

    def run_levels(self, batches: Any) -> Iterator[Any]:
        """Run the network over batches of pixels."""
        results = self._session.run_levels(batches)
        while (levels := self._timed(next, results, None)) is not None:
            yield levels

    def _timed(self, run: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return run(*arguments, **options)
        finally:
            self._stopwatch.seconds += time.perf_counter() - started


def repeat(recipe: str, source: tuple[str, int, int], times: int) -> Callable[[], dict[str, Any]]:
    """As `prepare`, but one run is several jobs: the first one, and medians of the others."""
    run = prepare(recipe, source)

    def runs() -> dict[str, Any]:
        first = run()
        others = [run() for _ in range(times)] or [first]
        medians = {name: statistics.median(one[name] for one in others) for name in first}
        return {"first": first["total"], "jobs": len(others), **medians}

    return runs


def measure(photo: str, rounds: int, *, quick: bool) -> dict[str, Any]:
    """Run every job in its own process, one after the other.

    Args:
        photo: path of the picture; it is resized.
        rounds: jobs behind every median; the large one runs once.
        quick: small pictures.
    """
    found = {}
    for name, (recipe, width, height) in (QUICK_SIZES if quick else SIZES).items():
        options = {
            "recipe": recipe,
            "source": (photo, width, height),
            "times": rounds if recipe == "clean" else 0,
        }
        (outcome,) = compete([Contender(name, repeat, options)], rounds=0).values()
        found[name] = {"failure": outcome.failure} if outcome.failure else {
            "recipe": recipe,
            "width": width,
            "height": height,
            "seconds": outcome.result,
            "network_share": outcome.result["network"] / outcome.result["total"],
            "idle_megabytes": outcome.idle_bytes / 1e6,
            "peak_over_idle_megabytes": (outcome.peak_bytes - outcome.idle_bytes) / 1e6,
        }  # fmt: skip
    return found


def bars(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The bars of jobs; of the memory only where the large job really was large."""
    judged = []
    for name, job in found.items():
        if "failure" in job:
            judged.append({"goal": name, "bar": "runs", "measured": math.nan, "met": False})
            continue
        if job["recipe"] == "clean":
            share = job["network_share"]
            met = share >= NETWORK_SHARE_BAR
            goal = f"{name}: share of the time in the network"
            judged.append(_bar(goal, f">= {NETWORK_SHARE_BAR}", share, met))
        if name == LARGE_JOB:
            memory = job["peak_over_idle_megabytes"]
            goal = f"{name}: MB above the idle process"
            met = memory <= MEMORY_BAR_MEGABYTES
            judged.append(_bar(goal, f"<= {MEMORY_BAR_MEGABYTES}", memory, met))
    return judged


def _bar(goal: str, bar: str, measured: float, met: bool) -> dict[str, Any]:
    return {"goal": goal, "bar": bar, "measured": measured, "met": met}


def to_markdown(found: Mapping[str, Any]) -> list[str]:
    """Lay jobs out as a table."""
    rows = []
    for name, job in found.items():
        if "failure" in job:
            rows.append([name, job["failure"], "-", "-", "-", "-"])
            continue
        seconds = job["seconds"]
        parts = {key: value for key, value in seconds.items() if key not in PARTS_LEFT_OUT}
        shares = ", ".join(f"{key} {value:.3f}" for key, value in parts.items())
        rows.append(
            [
                name,
                f"{seconds['total']:.3f}",
                f"{seconds['first']:.3f}",
                f"{job['network_share']:.0%}",
                shares,
                f"{job['peak_over_idle_megabytes']:.0f} over {job['idle_megabytes']:.0f}",
            ]
        )
    header = ["job", "seconds", "first one", "in the network", "steps, seconds", "memory, MB"]
    return [
        "## Whole jobs, JPEG in, JPEG out",
        "",
        *page.markdown_table(header, rows),
        "",
        "The process is idle when its networks are loaded and have run over a small picture.",
    ]


PARTS_LEFT_OUT = {"total", "first", "jobs", "network"}
