"""Measures the engine against PyTorch, a Real-ESRGAN-like tile loop and ONNX Runtime.

Run it as `python benchmarks/engine.py --data DIR [--quick]`. Every engine runs the same network
in a process of its own, in turns. It prints its tables and writes them to
`benchmarks/results/engine.md`, and the figures to `engine.json`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import engines, jobs, page
from benchmarks.rounds import Contender, Outcome, compete

BASELINE = "PyTorch eager fp32 (a)"
SCRIPT = "tile loop (b)"
ROUNDS = 7
PHOTO_PATTERNS = ("photos/*/*.jpg", "uploads/*.jpg", "benchmarks/b100/*.webp")


@dataclass(frozen=True)
class Workload:
    """One picture and the network that is run over it."""

    name: str
    """Title in the tables."""
    net: str
    """Weight name."""
    width: int
    """Source pixels."""
    height: int
    """Source pixels."""
    rounds: int | None = None
    """Turns of every engine; None: as many as asked for."""
    is_large: bool = False
    """Whether engines that would hold the whole picture's features at once are left out."""

    @property
    def source_pixels(self) -> int:
        """Pixels that go in."""
        return self.width * self.height


WORKLOADS = (
    Workload("512 -> 2048", "upscale_x4_s", 512, 512),
    Workload("1000 -> 2000", "upscale_x2_s", 1000, 1000),
    Workload("restore 1 MP", "restore_s", 1000, 1000),
    Workload("restore 24 MP", "restore_s", 6000, 4000, rounds=0, is_large=True),
)
QUICK_WORKLOADS = (
    Workload("96 -> 384", "upscale_x4_s", 96, 96),
    Workload("200 -> 400", "upscale_x2_s", 200, 200),
    Workload("restore 0.06 MP", "restore_s", 250, 250),
    Workload("restore 0.5 MP", "restore_s", 800, 600, rounds=0, is_large=True),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    arguments = _arguments(argv)
    photos = find_photos(arguments.data)
    if not photos:
        sys.stderr.write(f"no photographs below {arguments.data}\n")
        return 2
    started = time.monotonic()
    figures: dict[str, Any] = {
        **page.circumstances(),
        "quick": arguments.quick,
        "threads": engines.threads(),
        "versions": page.versions("torch", "openvino", "onnxruntime", "spandrel", "nncf"),
        "workloads": {},
    }
    workloads = QUICK_WORKLOADS if arguments.quick else WORKLOADS
    with tempfile.TemporaryDirectory() as folder:
        for workload in workloads:
            sys.stderr.write(f"{workload.name}, {workload.net}\n")
            contenders = contenders_for(workload, photos, Path(folder))
            rounds = arguments.rounds if workload.rounds is None else workload.rounds
            outcomes = compete(contenders, rounds)
            figures["workloads"][workload.name] = summarize(workload, outcomes)
    sys.stderr.write("whole jobs\n")
    figures["jobs"] = jobs.measure(str(photos[0]), arguments.rounds, quick=arguments.quick)
    figures["bars"] = bars(figures)
    figures["seconds"] = round(time.monotonic() - started)
    page.write("engine", figures, to_markdown(figures), arguments.results)
    return 0


def find_photos(data: Path) -> list[Path]:
    """Photographs that calibrate int8 and are measured, sorted; from the first folder with any."""
    for pattern in PHOTO_PATTERNS:
        found = sorted(data.glob(pattern))
        if found:
            return found
    return []


def contenders_for(workload: Workload, photos: Sequence[Path], folder: Path) -> list[Contender]:
    """Every engine that can do a workload, the baseline first.

    Args:
        workload: net and size.
        photos: the first one is measured, others calibrate int8.
        folder: where exported models lie.
    """
    source = (str(photos[0]), workload.width, workload.height)
    common = {"net": workload.net, "source": source}
    exact = folder / f"{workload.net}.onnx"
    if not exact.exists():
        engines.export_in_process(workload.net, exact, [str(path) for path in spread(photos)])
    quantised = exact.with_suffix(".int8.onnx")
    found = []
    if not workload.is_large:
        found.append(Contender(BASELINE, engines.pytorch_eager, common))
    found.append(Contender(SCRIPT, engines.tile_loop, common))
    for name, model in (("fp32", exact), ("int8", quantised)):
        for in_tiles in (False, True):
            if in_tiles or not workload.is_large:
                words = "tiles" if in_tiles else "whole picture"
                options = {**common, "model": str(model), "in_tiles": in_tiles}
                found.append(Contender(f"ONNX Runtime {name}, {words} (c)", engines.onnx, options))
    for precision in ("fp32", "int8", "auto"):
        options = {**common, "precision": precision}
        found.append(Contender(f"ours {precision}", engines.ours, options))
    return found


def spread(photos: Sequence[Path]) -> list[Path]:
    """Pick photographs from the whole list, as many as int8 is calibrated with."""
    step = max(1, len(photos) // engines.CALIBRATION_CROPS)
    return list(photos[::step][: engines.CALIBRATION_CROPS])


def summarize(workload: Workload, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Figures of a workload: times, memory, speed against the baseline, distance of the pixels."""
    references = [o for o in outcomes.values() if not o.failure and o.result is not None]
    baseline = references[0]
    engines_figures = {}
    for label, outcome in outcomes.items():
        figures = outcome.figures()
        if not outcome.failure:
            figures |= {
                "source_megapixels_per_second": workload.source_pixels
                / 1e6
                / outcome.median_seconds,
                "times_as_fast_as_baseline": baseline.median_seconds / outcome.median_seconds,
                **distance(outcome.result, baseline.result),
            }
        engines_figures[label] = figures
    return {
        "net": workload.net,
        "width": workload.width,
        "height": workload.height,
        "baseline": next(label for label, one in outcomes.items() if one is baseline),
        "engines": engines_figures,
    }


def distance(pixels: Any, reference: Any) -> dict[str, float]:
    """How far two results are apart: highest difference in levels, and PSNR (100 at most)."""
    highest, total = 0, 0
    for first, second in zip(pixels, reference, strict=True):  # rows: a large picture stays small
        difference = first.astype(np.int32) - second
        highest = max(highest, int(np.abs(difference).max()))
        total += int((difference**2).sum())
    mean = total / pixels.size
    decibels = 100.0 if mean == 0 else min(100.0, float(10 * np.log10(255**2 / mean)))
    return {"levels_apart": highest, "psnr_to_baseline": decibels}


def bars(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the engine should reach, what it does, and whether that is enough."""
    found = []
    for name, workload in figures["workloads"].items():
        speeds = {
            label: 1 / one["median_seconds"]
            for label, one in workload["engines"].items()
            if "failure" not in one
        }
        best = {
            who: max((s for label, s in speeds.items() if who in label), default=None)
            for who in ("ours", "(a)", "(b)", "(c)")
        }
        for who, least in (("(a)", 3.0), ("(b)", 3.5), ("(c)", 1.0)):
            if best["ours"] and best[who]:
                goal = f"{name}: times as fast as the best {who}"
                found.append(_bar(goal, best["ours"] / best[who], least))
    return [*found, *jobs.bars(figures["jobs"])]


def _bar(goal: str, measured: float, least: float) -> dict[str, Any]:
    words = f">= {least:g}"
    return {"goal": goal, "bar": words, "measured": measured, "met": measured >= least}


def to_markdown(figures: Mapping[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    lines = ["# Engine", "", page.preface(figures, "python benchmarks/engine.py --data DIR"), ""]
    if figures["quick"]:
        lines += ["**A trial on small pictures, not a result.**", ""]
    versions = ", ".join(f"{name} {one}" for name, one in figures["versions"].items())
    lines += [
        f"{figures['threads']} threads each; {versions}. Every engine in its own process, in "
        "turns; medians over the turns, and the fastest and slowest one. Memory: highest resident "
        "memory above that of the same process with everything loaded. Pixels per second are those "
        "that go in.",
    ]
    for name, workload in figures["workloads"].items():
        rows = [_row(label, one) for label, one in workload["engines"].items()]
        header = ["engine", "seconds", "spread", "Mpixel/s", "speed", "memory, MB", "pixels apart"]
        lines += ["", f"## {name}, `{workload['net']}`", "", *page.markdown_table(header, rows)]
        lines += ["", f"Speed and pixels against {workload['baseline']}."]
    lines += ["", *jobs.to_markdown(figures["jobs"]), "", "## Bars", ""]
    rows = [
        [one["goal"], one["bar"], f"{one['measured']:.2f}", "met" if one["met"] else "**not met**"]
        for one in figures["bars"]
    ]
    return [*lines, *page.markdown_table(["what", "bar", "measured", ""], rows)]


def _row(label: str, one: Mapping[str, Any]) -> list[str]:
    if "failure" in one:
        return [label, one["failure"], *itertools.repeat("-", 5)]
    return [
        label,
        f"{one['median_seconds']:.3f}",
        f"{one['fastest_seconds']:.3f} - {one['slowest_seconds']:.3f}",
        f"{one['source_megapixels_per_second']:.2f}",
        f"{one['times_as_fast_as_baseline']:.2f} x",
        f"{one['peak_over_idle_megabytes']:.0f}",
        f"{one['levels_apart']} levels, {one['psnr_to_baseline']:.1f} dB",
    ]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/ or uploads/")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of every engine")
    parser.add_argument("--quick", action="store_true", help="small pictures, two rounds")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    found = parser.parse_args(argv)
    if found.quick:
        found.rounds = min(found.rounds, 2)
    return found


if __name__ == "__main__":
    sys.exit(main())
