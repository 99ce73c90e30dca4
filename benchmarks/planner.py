"""Compares what the planner predicts with what jobs then take on this machine.

Run it as `python -m benchmarks.planner --data DIR [--limit N]`. It prints its table and writes it
to `benchmarks/results/planner.md`, and the figures to `planner.json`.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import page
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.measuring import cost_of
from enhancer_worker.pipeline.decode import open_source
from enhancer_worker.pipeline.planning import (
    TimedEngine,
    measure_surroundings,
    net_runs,
    predict_job,
)
from enhancer_worker.pipeline.run import run_recipe
from shopimg.contract import Deadline, Recipe, Restore, Role, Upscale

GOAL = 0.25
NO_LIMIT = Deadline(math.inf)
# Restoring always: the planner cannot know which uploads look clean.
RECIPE = Recipe("planned", (Role("main", (Restore(always=True), Upscale(scale=2))),))


def main() -> None:
    """Predict, run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with uploads/*.jpg")
    parser.add_argument("--limit", type=int, default=12, help="pictures at most")
    arguments = parser.parse_args()
    paths = sorted((arguments.data / "uploads").glob("*/*.jpg")) or sorted(
        (arguments.data / "uploads").glob("*.jpg")
    )
    rows = compare(paths[:: max(1, len(paths) // arguments.limit)][: arguments.limit])
    figures: dict[str, Any] = {
        **page.circumstances(),
        "goal": GOAL,
        "median_error": statistics.median(abs(row["error"]) for row in rows),
        "pictures": rows,
    }
    page.write("planner", figures, to_lines(figures), page.RESULTS)


def compare(paths: list[Path]) -> list[dict[str, Any]]:
    """Predict every picture, then run it."""
    config, rows = WorkerConfig(), []
    engine = TimedEngine(config)
    sizes = {path: open_source(path.read_bytes()).size for path in paths}
    runs = [run for size in sizes.values() for run in net_runs(*size, RECIPE, engine)]
    with tempfile.TemporaryDirectory() as cache:
        nets = {run.net.name: run.net for run in runs}
        costs = {name: cost_of(net, config.threads, Path(cache)) for name, net in nets.items()}
    around = measure_surroundings(RECIPE, engine, NO_LIMIT)
    for path, size in sizes.items():
        predicted = predict_job(size, RECIPE, engine, costs, around).seconds
        content = path.read_bytes()
        run_recipe(content, RECIPE, engine=engine, deadline=NO_LIMIT)  # compiles the tile's shape
        started = time.perf_counter()
        run_recipe(content, RECIPE, engine=engine, deadline=NO_LIMIT)
        seconds = time.perf_counter() - started
        rows.append(
            {
                "picture": path.name,
                "size": list(size),
                "predicted_seconds": predicted,
                "seconds": seconds,
                "error": predicted / seconds - 1,
            }
        )
    engine.close()
    return rows


def to_lines(figures: dict[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    rows = [
        [
            row["picture"],
            "x".join(map(str, row["size"])),
            f"{row['predicted_seconds']:.2f}",
            f"{row['seconds']:.2f}",
            f"{row['error']:+.0%}",
        ]
        for row in figures["pictures"]
    ]
    return [
        "# Planner",
        "",
        page.preface(figures, "python -m benchmarks.planner --data DIR"),
        f"Median error {figures['median_error']:.0%}, goal {figures['goal']:.0%}.",
        "",
        *page.markdown_table(["picture", "size", "predicted s", "measured s", "error"], rows),
    ]


if __name__ == "__main__":
    main()
