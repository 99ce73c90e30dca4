"""Measures what the built-in recipes take for one upload, by step, and what other scenes take.

Run it as `python benchmarks/recipes.py [--side 1000] [--rounds 5] [--quick]`. Each recipe runs in a
process of its own, every time on another upload, so that nothing is remembered between them. It
prints its tables and writes them to `benchmarks/results/recipes.md`, the figures to `recipes.json`.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import jobs, page
from benchmarks.engines import picture
from benchmarks.rounds import Contender, compete
from shopimg.contract import BUILT_IN, Deadline, EnhancedImage, Recipe, with_options

# ruff: noqa: PLC0415 - the process of a recipe imports what a worker imports, and the parent nothing
PHOTO = Path(__file__).parents[1] / "demoshop" / "catalogue" / "mug.jpg"
NAMES = ("clean", "white", "scene", "catalogue")
OTHER_SCENES = "catalogue, other scenes"
CATALOGUE_BAR_SECONDS = 12.0
"""Of `catalogue` for an upload of 1,000 x 1,000 pixels, on two cores."""
CUTOUT_BAR_SECONDS = 0.15
"""Of all looks of the cut-out network at one upload, on two cores."""
QUICK_SIDE_PIXELS = 160

Laps = list[dict[str, float]]


def prepare(recipe: str, side: int, rounds: int, folder: str) -> Callable[[], dict[str, Laps]]:
    """Load a worker's enhancer, in a process of its own.

    Args:
        recipe: name of a built-in one.
        side: of the upload, pixels.
        rounds: uploads after the first one.
        folder: what the worker remembers of its steps.

    Returns:
        What runs the recipe on one upload after the other. Laps by what was asked for: seconds by
        step, of which `total` is all and `cutout network` what its network took.
    """
    from enhancer_worker.backend import NeuralEnhancer
    from enhancer_worker.config import WorkerConfig

    pixels = picture(str(PHOTO), side, side)
    watches = jobs.time_networks()
    enhancer = NeuralEnhancer(WorkerConfig(device="cpu", cache_dir=Path(folder)))

    def lap(content: bytes, wanted: Recipe) -> dict[str, float]:
        for watch in watches.values():
            watch.seconds = 0.0
        started = time.perf_counter()
        images = enhancer.enhance(content, wanted, deadline=Deadline(math.inf))
        total = time.perf_counter() - started
        network = watches["cutout"].seconds if "cutout" in watches else 0.0
        return {"total": total, **seconds_by_step(images), "cutout network": network}

    def run() -> dict[str, Laps]:
        laps: dict[str, Laps] = {recipe: []}
        for number in range(rounds + 1):
            content = jobs.jpeg(pixels, comment=str(number))
            laps[recipe].append(lap(content, BUILT_IN[recipe]))
            if recipe == "catalogue":
                others = with_options(BUILT_IN[recipe], {"background.seed": 1})
                laps.setdefault(OTHER_SCENES, []).append(lap(content, others))
        return laps

    return run


def seconds_by_step(images: Sequence[EnhancedImage]) -> dict[str, float]:
    """Add up over the pictures of a job what its steps took; what they share is counted once."""
    seconds: Counter[str] = Counter()
    for image in images:
        for report in image.steps:
            seconds[report.name] += report.seconds
    return dict(seconds)


def measure(side: int, rounds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run every recipe; figures by what was asked for.

    Raises:
        RuntimeError: a recipe failed.
    """
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            options = {"recipe": name, "side": side, "rounds": rounds, "folder": folder}
            (outcome,) = compete([Contender(name, prepare, options)], rounds=0).values()
        if outcome.failure:
            raise RuntimeError(f"{name}: {outcome.failure}")
        memory = (outcome.peak_bytes - outcome.idle_bytes) / 1e6
        for asked, laps in outcome.result.items():
            yield asked, {**summarize(laps), "peak_over_idle_megabytes": memory}


def summarize(laps: Laps) -> dict[str, Any]:
    """The first lap apart, and medians of the others by step.

    >>> summarize([{"total": 9.0}, {"total": 1.0}, {"total": 3.0}])
    {'first': 9.0, 'laps': 2, 'seconds': {'total': 2.0}}
    """
    others = laps[1:] or laps
    names = list(dict.fromkeys(name for one in others for name in one))
    medians = {name: statistics.median(one.get(name, 0.0) for one in others) for name in names}
    return {"first": laps[0]["total"], "laps": len(others), "seconds": medians}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    arguments, circumstances = _arguments(argv), page.circumstances()
    found = dict(measure(arguments.side, arguments.rounds))
    figures = {
        **circumstances,
        "side": arguments.side,
        "versions": page.versions("openvino", "numpy", "pillow"),
        "recipes": found,
        "bars": bars(found),
    }
    page.write("recipes", figures, to_markdown(figures), arguments.results)
    return 0


def bars(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was promised for two cores and an upload of a thousand pixels."""
    seconds = found["catalogue"]["seconds"]
    return [
        {"goal": goal, "bar": bar, "measured": measured, "met": measured <= bar}
        for goal, bar, measured in (
            ("catalogue, s", CATALOGUE_BAR_SECONDS, seconds["total"]),
            ("catalogue, the first one, s", CATALOGUE_BAR_SECONDS, found["catalogue"]["first"]),
            ("all looks of the cut-out network, s", CUTOUT_BAR_SECONDS, seconds["cutout network"]),
        )
    ]


def to_markdown(figures: Mapping[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    found = figures["recipes"]
    steps = list(dict.fromkeys(name for one in found.values() for name in one["seconds"]))
    rows = [
        [
            name,
            f"{one['first']:.2f}",
            *(f"{one['seconds'].get(step, 0.0):.2f}" for step in steps),
            f"{one['peak_over_idle_megabytes']:.0f}",
        ]
        for name, one in found.items()
    ]
    judged = [
        [one["goal"], f"{one['measured']:.3g}", f"<= {one['bar']:g}", "yes" if one["met"] else "no"]
        for one in figures["bars"]
    ]
    header = ["recipe", "first one", *steps, "memory, MB"]
    laps = next(iter(found.values()))["laps"]
    return [
        "# Recipes",
        "",
        page.preface(figures, "python benchmarks/recipes.py"),
        "",
        f"Seconds for one upload of {figures['side']}x{figures['side']} pixels, JPEG "
        f"{jobs.JPEG_QUALITY}, in an idle process: the first upload, with the loading of the "
        f"networks, and medians of {laps} others by step, summed over all pictures of the job. "
        f"*{OTHER_SCENES}*: asked for again with another seed. *cutout network* is part of "
        "*cutout*: all looks at the product. Memory: the peak above the idle process.",
        "",
        *page.markdown_table(header, rows),
        "",
        *page.markdown_table(["goal", "measured", "bar", "met"], judged),
    ]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1000, help="of the upload, pixels")
    parser.add_argument("--rounds", type=int, default=5, help="uploads after the first one")
    parser.add_argument("--quick", action="store_true", help="one small upload after the first")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    found = parser.parse_args(argv)
    if found.quick:
        found.side, found.rounds = QUICK_SIDE_PIXELS, 1
    return found


if __name__ == "__main__":
    sys.exit(main())
