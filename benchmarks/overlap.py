"""Measures what it gains to write one picture of a job while the next one is made.

Run it as `python benchmarks/overlap.py [--rounds 7] [--quick]`. Every job runs in two processes in
turns, of which one has `ENHANCER_OVERLAP=0`. It prints its table and writes it to
`benchmarks/results/overlap.md`, the figures to `overlap.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import jobs, page
from benchmarks.engines import picture
from benchmarks.recipes import PHOTO
from benchmarks.rounds import Contender, Outcome, compete
from shopimg.contract import BUILT_IN, Deadline

# ruff: noqa: PLC0415 - the process of a job imports what a worker imports, and the parent nothing
BASELINE, OVERLAPPING = "one after the other", "overlapping"
RECIPES = {**jobs.RECIPES, "catalogue": BUILT_IN["catalogue"]}
JOBS = {
    "clean 512": ("clean", 512, 512),
    "clean 1000": ("clean", 1000, 1000),
    "catalogue 1000": ("catalogue", 1000, 1000),
    "restore 24 MP": ("restore", 6000, 4000),
}
QUICK_JOBS = {"clean 96": ("clean", 96, 96), "catalogue 160": ("catalogue", 160, 160)}
MOST_LARGE_ROUNDS = 2


def prepare(recipe: str, size: tuple[int, int], *, overlap: bool) -> Callable[[], str]:
    """Load a worker's enhancer, in a process of its own.

    Args:
        recipe: a key of `RECIPES`.
        size: width and height of the upload, pixels.
        overlap: as ``ENHANCER_OVERLAP``.

    Returns:
        What runs one job, JPEG in, files out, and returns the digest of its files. It remembers
        nothing between jobs.
    """
    from enhancer_worker.backend import NeuralEnhancer
    from enhancer_worker.config import WorkerConfig
    from enhancer_worker.engine.precision import has_int8_units

    content = jobs.jpeg(picture(str(PHOTO), *size))
    # Left alone, each process races precisions, and on a busy machine two may choose differently.
    precision = "int8" if has_int8_units() else "fp32"
    config = WorkerConfig(
        device="cpu", precision=precision, overlap=overlap, step_cache_megabytes=0
    )
    enhancer = NeuralEnhancer(config)
    small = jobs.jpeg(picture(str(PHOTO), 64, 64))
    enhancer.enhance(small, RECIPES[recipe], deadline=Deadline(math.inf))

    def run() -> str:
        images = enhancer.enhance(content, RECIPES[recipe], deadline=Deadline(math.inf))
        return hashlib.sha256(b"".join(image.content for image in images)).hexdigest()

    return run


def measure(rounds: int, wanted: Mapping[str, tuple[str, int, int]]) -> dict[str, Any]:
    """Run every job both ways in turns; figures by job.

    Args:
        rounds: turns of each way after the first; of the largest job at most two.
        wanted: recipe, width and height by job.

    Raises:
        RuntimeError: a job failed, or its files differ.
    """
    found = {}
    for name, (recipe, width, height) in wanted.items():
        sys.stderr.write(f"{name}\n")
        contenders = [
            Contender(label, prepare, {"recipe": recipe, "size": (width, height), "overlap": on})
            for label, on in ((BASELINE, False), (OVERLAPPING, True))
        ]
        turns = min(rounds, MOST_LARGE_ROUNDS) if name == jobs.LARGE_JOB else rounds
        outcomes = compete(contenders, turns)
        found[name] = {label: _figures(name, outcome) for label, outcome in outcomes.items()}
        if outcomes[BASELINE].result != outcomes[OVERLAPPING].result:
            raise RuntimeError(f"{name}: the files are not the same")
    return found


def _figures(name: str, outcome: Outcome) -> dict[str, Any]:
    if outcome.failure:
        raise RuntimeError(f"{name}: {outcome.failure}")
    return outcome.figures()


def to_markdown(figures: Mapping[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    rows = []
    for name, ways in figures["jobs"].items():
        baseline = ways[BASELINE]["median_seconds"]
        rows += [
            [
                name,
                label,
                f"{way['median_seconds']:.3f}",
                f"{way['fastest_seconds']:.3f} - {way['slowest_seconds']:.3f}",
                f"{baseline / way['median_seconds']:.2f} x",
                f"{way['peak_over_idle_megabytes']:.0f}",
            ]
            for label, way in ways.items()
        ]
    header = ["job", "", "seconds", "spread", "speed", "memory, MB"]
    return [
        "# Overlap",
        "",
        page.preface(figures, "python benchmarks/overlap.py"),
        "",
        "One job of an idle worker, JPEG 85 in, files out, networks loaded; medians over the "
        "turns, and the fastest and slowest one. *Overlapping*: a second thread encodes and checks "
        "one picture of a job while the first one judges its text or makes the next picture. "
        "Memory: the peak above the idle process. Both ways give the same files.",
        *(["", "A trial: its figures mean nothing."] if figures["quick"] else []),
        "",
        *page.markdown_table(header, rows),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    arguments = _arguments(argv)
    figures = {
        **page.circumstances(),
        "quick": arguments.quick,
        "jobs": measure(arguments.rounds, QUICK_JOBS if arguments.quick else JOBS),
    }
    page.write("overlap", figures, to_markdown(figures), arguments.results)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each way after the first")
    parser.add_argument("--quick", action="store_true", help="small uploads, one turn")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    found = parser.parse_args(argv)
    if found.quick:
        found.rounds = 1
    return found


if __name__ == "__main__":
    sys.exit(main())
