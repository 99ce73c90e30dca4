"""Judges the backdrop network beside real pictures, DCGAN and no network at all.

Run it as `python benchmarks/backdrop.py --data PREPARED [--dcgan dcgan.safetensors]`, with the
folder that `python -m enhancer_worker prepare-backdrops` has written. It prints its tables and
writes them to `benchmarks/results/backdrop.md`, and the figures to `backdrop.json`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import page
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS
from enhancer_worker.pipeline.backdrops.gan import generated
from enhancer_worker.pipeline.steps.outcome import Tools
from enhancer_worker.research.backdrop_commands import NETWORK_FILE, figures_of
from shopimg.contract import Backdrop, Deadline

SIZES = (1024, 2000)
COLUMNS = {
    "kid_own": "KID-own",
    "kid_own_photographs": "KID-own, photographs",
    "fid_own": "FID-own",
    "is_own": "IS-own",
    "precision": "precision",
    "recall": "recall",
    "palette_error": "palette error",
    "style_accuracy": "style accuracy",
    "diversity": "diversity",
}
DIGITS = {"fid_own": 1, "is_own": 2, "palette_error": 2, "precision": 2, "recall": 2}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write.

    Returns:
        Exit status: 0; 1 where the network does not beat DCGAN and the baseline on KID-own.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="prepared pictures")
    parser.add_argument("--dcgan", type=Path, help="weights of `train backdrop --net dcgan`")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    arguments = parser.parse_args(argv)
    nets = [SHIPPED_WEIGHTS / NETWORK_FILE, *([arguments.dcgan] if arguments.dcgan else [])]
    figures: dict[str, Any] = {**page.circumstances()}
    figures |= figures_of(arguments.data, nets)
    figures["seconds"] = seconds_by_size()
    page.write("backdrop", figures, to_markdown(figures), arguments.results)
    return 0 if wins(figures["results"]) else 1


def wins(results: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether our network is nearer to real pictures than all others."""
    own = results["backdrop_s"]["kid_own"]
    others = [f["kid_own"] for n, f in results.items() if n not in {"backdrop_s", "real halves"}]
    return own < min(others)


def seconds_by_size() -> dict[str, float]:
    """Seconds of one delivered backdrop by its side, after a first one; the median of three."""
    tools = Tools(Engine(WorkerConfig()), Deadline(600))
    found = {}
    for side in SIZES:
        taken = []
        for seed in range(4):
            started = time.perf_counter()
            generated(Backdrop(style="wood_table", seed=seed), side, side, tools)
            taken.append(time.perf_counter() - started)
        found[str(side)] = sorted(taken[1:])[1]
    return found


def to_markdown(figures: Mapping[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    results = figures["results"]
    seconds = ", ".join(f"{taken:.2f} s at {side}" for side, taken in figures["seconds"].items())
    return [
        "# Backdrops",
        "",
        page.preface(figures, "python benchmarks/backdrop.py --data PREPARED --dcgan FILE"),
        "",
        f"Held-out pictures in two halves of {results['real halves']['pictures']}: contenders are "
        "asked for the conditions of one half with new seeds, and judged by the other. The first "
        "row is the floor: one half of the real pictures judged by the other. Features are those "
        f"of our own frozen `{figures['features']}`: figures that end in `own` must not be "
        "compared with published ones. The palette error is the CIEDE2000 of both regions' mean "
        "colours; style accuracy is that of a linear classifier of the same features; diversity "
        "is the feature distance of pictures of one condition, of that of any two real ones.",
        "",
        *page.markdown_table(["", *COLUMNS.values()], rows_of(results)),
        "",
        f"One backdrop by the step's generator, upscaler and grain included: {seconds} pixels.",
    ]


def rows_of(results: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """One row per contender."""
    return [
        [name, *(_shown(key, figures.get(key)) for key in COLUMNS)]
        for name, figures in results.items()
    ]


def _shown(key: str, value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS.get(key, 3)}f}"


if __name__ == "__main__":
    sys.exit(main())
