"""Compares what the planner predicts with what jobs then take on this machine.

Run it as `python benchmarks/planner.py [--quick]`. Each job runs in a process of its own, so that
its memory is its own. It prints its table and writes it to `benchmarks/results/planner.md`, and the
figures to `planner.json`.
"""

from __future__ import annotations

import argparse
import io
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import page
from benchmarks.rounds import Contender, compete
from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.planning import JobPrediction, Planner
from enhancer_worker.pipeline.surroundings import result_pixels
from shopimg.contract import BUILT_IN, Deadline, Recipe, Restore, Role, Upscale

CATALOGUE = Path(__file__).parents[1] / "demoshop" / "catalogue"
GOAL = 0.25
NOISE = 5.0
JPEG_QUALITY = 80
REPEATED_PIXELS = 20_000_000
"""Up to so many pixels of results a job is repeated; a larger one runs once."""
NO_LIMIT = Deadline(math.inf)


def _recipe(name: str, *steps: Restore | Upscale) -> Recipe:
    return Recipe(name, (Role("main", steps),))


RECIPES = {
    recipe.name: recipe
    for recipe in (
        *(BUILT_IN[name] for name in ("clean", "white", "scene", "catalogue")),
        _recipe("restore", Restore()),
        _recipe("faithful x2", Upscale(scale=2, flavour="faithful")),
        _recipe("x3", Upscale(scale=3)),
        _recipe("x4", Upscale(scale=4)),
        _recipe("to 1600", Restore(), Upscale(to=1600)),
    )
}


@dataclass(frozen=True)
class Case:
    """One upload and what is made of it."""

    photo: str
    """Name of a picture of the sample catalogue."""
    recipe: str
    """A key of `RECIPES`."""
    size: tuple[int, int]
    """Width and height, pixels."""
    kind: str = "jpeg"
    """``jpeg``, ``png``, or ``alpha``: a PNG file that is half transparent."""

    @property
    def label(self) -> str:
        """Its name in the table."""
        return f"{self.photo}, {self.size[0]}x{self.size[1]}, {self.kind}, {self.recipe}"


CASES = (
    Case("mug", "clean", (400, 300)),
    Case("vase", "clean", (348, 348), "png"),
    Case("book", "clean", (640, 800)),
    Case("toy-car", "clean", (1200, 400)),
    Case("lamp", "clean", (900, 900), "alpha"),
    Case("watch", "clean", (1500, 1200)),
    Case("soap", "restore", (800, 1000)),
    Case("headphones", "restore", (2400, 1600), "png"),
    Case("flask", "restore", (6000, 4000)),
    Case("shoe-box", "faithful x2", (700, 900)),
    Case("mug", "x3", (600, 500), "alpha"),
    Case("toy-car", "x4", (320, 320)),
    Case("watch", "x4", (800, 450), "png"),
    Case("lamp", "to 1600", (700, 500)),
    Case("book", "to 1600", (500, 900), "png"),
    Case("lamp", "white", (1000, 1000)),
    Case("shoe-box", "scene", (800, 600)),
    Case("mug", "catalogue", (1200, 900)),
)
"""Sizes from 0.1 to 24 megapixels, some with text."""
QUICK_CASES = (
    Case("mug", "clean", (120, 90)),
    Case("vase", "restore", (160, 120), "alpha"),
    Case("lamp", "white", (120, 120)),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Predict, run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few small pictures")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    arguments = parser.parse_args(argv)
    cases = QUICK_CASES if arguments.quick else CASES
    figures = page.circumstances()
    with tempfile.TemporaryDirectory() as cache:
        config = WorkerConfig.from_environment(
            # A job that repeats another one is not what is predicted.
            {"ENHANCER_CACHE_DIR": cache, "ENHANCER_STEP_CACHE_MEGABYTES": "0"}
        )
        started = time.perf_counter()
        predictions = predict(cases, config)
        measuring_seconds = time.perf_counter() - started
        rows = [compare(case, predictions[case], config) for case in cases]
    whole = {
        **figures,
        "quick": arguments.quick,
        "measuring_seconds": measuring_seconds,
        "goal": GOAL,
        **summary(rows),
    }
    page.write("planner", whole, to_lines(whole), arguments.results)
    return 0


def predict(cases: Sequence[Case], config: WorkerConfig) -> dict[Case, JobPrediction]:
    """Measure the machine as `plan` does, and predict every case."""
    engine, found = Engine(config), dict[Case, JobPrediction]()
    for name in dict.fromkeys(case.recipe for case in cases):
        sys.stderr.write(f"measuring the recipe {name}\n")
        planner = Planner(RECIPES[name], engine)
        found |= {case: planner.predict(case.size) for case in cases if case.recipe == name}
    engine.close()
    return found


def compare(case: Case, predicted: JobPrediction, config: WorkerConfig) -> dict[str, Any]:
    """Run one case and put the prediction beside what was measured.

    Raises:
        RuntimeError: the job failed.
    """
    contender = Contender(case.label, prepare, {"case": case, "config": config})
    rounds = 2 if result_pixels(case.size, RECIPES[case.recipe]) <= REPEATED_PIXELS else 0
    (outcome,) = compete([contender], rounds).values()
    if outcome.failure:
        raise RuntimeError(f"{case.label}: {outcome.failure}")
    first = predicted.seconds + predicted.warm_up_seconds
    # The only job of a large case is the first of its size.
    seconds = predicted.seconds if rounds else first
    memory = outcome.peak_bytes - outcome.idle_bytes
    return {
        "case": case.label,
        "megapixels": math.prod(case.size) / 1e6,
        "predicted_seconds": seconds,
        "seconds": outcome.median_seconds,
        "seconds_error": seconds / outcome.median_seconds - 1,
        "predicted_first_seconds": first,
        "first_seconds": outcome.first_seconds,
        "first_seconds_error": first / outcome.first_seconds - 1,
        "predicted_megabytes": predicted.peak_bytes / 1e6,
        "megabytes": memory / 1e6,
        "memory_error": predicted.peak_bytes / memory - 1,
    }


def prepare(case: Case, config: WorkerConfig) -> Callable[[], None]:
    """Load a worker's enhancer, in a process of its own, and run a small job of the recipe."""
    recipe, enhancer = RECIPES[case.recipe], NeuralEnhancer(config)
    content = upload(case)
    enhancer.forecast([case.size], recipe)  # loads the networks that this size needs
    small = upload(Case(case.photo, case.recipe, (64, 64)))
    enhancer.enhance(small, recipe, deadline=NO_LIMIT)

    def run() -> None:
        enhancer.enhance(content, recipe, deadline=NO_LIMIT)

    return run


def upload(case: Case) -> bytes:
    """Return a file as sellers send them: with noise, so that it is worth restoring."""
    with Image.open(CATALOGUE / f"{case.photo}.jpg") as image:
        pixels = np.asarray(image.convert("RGB").resize(case.size, Image.Resampling.LANCZOS))
    noise = np.random.default_rng(0).normal(0, NOISE, pixels.shape).astype(np.float32)
    noisy = Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    if case.kind == "alpha":
        noisy.putalpha(Image.linear_gradient("L").resize(case.size))
    if case.kind == "jpeg":
        noisy.save(buffer, "JPEG", quality=JPEG_QUALITY)
    else:
        noisy.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return median and 90th percentile of the errors, in absolute value, and the rows."""
    found: dict[str, Any] = {}
    for name in ("seconds", "first_seconds", "memory"):
        errors = sorted(abs(row[f"{name}_error"]) for row in rows)
        found[f"median_{name}_error"] = statistics.median(errors)
        found[f"p90_{name}_error"] = errors[math.ceil(0.9 * len(errors)) - 1]
    return {**found, "cases": list(rows)}


def to_lines(figures: Mapping[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    rows = [
        [
            row["case"],
            f"{row['predicted_seconds']:.2f}",
            f"{row['seconds']:.2f}",
            f"{row['seconds_error']:+.0%}",
            f"{row['first_seconds_error']:+.0%}",
            f"{row['predicted_megabytes']:.0f}",
            f"{row['megabytes']:.0f}",
            f"{row['memory_error']:+.0%}",
        ]
        for row in figures["cases"]
    ]
    header = [
        *("upload and recipe", "predicted s", "measured s", "error", "error of the first job"),
        *("predicted MB", "measured MB", "error"),
    ]
    errors = [
        [
            words,
            f"{figures[f'median_{name}_error']:.0%}",
            f"{figures[f'p90_{name}_error']:.0%}",
            f"median <= {figures['goal']:.0%}",
        ]
        for name, words in (
            ("seconds", "seconds"),
            ("first_seconds", "seconds of the first job of a size"),
            ("memory", "memory above the idle process"),
        )
    ]
    return [
        "# Planner",
        "",
        page.preface(figures, "python benchmarks/planner.py"),
        *(["", "**A trial on small pictures: the figures mean nothing.**"] * figures["quick"]),
        "",
        *page.markdown_table(["error of", "median", "90th percentile", "goal"], errors),
        "",
        f"Measuring the machine for all recipes took {figures['measuring_seconds']:.0f} s; it is "
        "kept. The planner is told the size of an upload, not what is on it: text is drawn twice "
        "and costs more than predicted. Jobs are medians of two; with results of more than "
        f"{REPEATED_PIXELS / 1e6:.0f} megapixels there is one only, the first of its size.",
        "",
        *page.markdown_table(header, rows),
    ]


if __name__ == "__main__":
    sys.exit(main())
