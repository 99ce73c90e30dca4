"""Measures how good the networks are, next to what else one would take.

Run it as `python benchmarks/quality.py --data DIR [--quick]`, with the benchmark sets in
`DIR/benchmarks/NAME/`. It prints its tables and writes them to `benchmarks/results/quality.md`,
and the figures to `quality.json`.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks import goals, page, prior
from benchmarks.methods import Method, has_bm3d, label, methods_for, shipped
from benchmarks.remembered import Remembered
from enhancer_worker.pipeline.colour import ciede2000, srgb_to_lab
from enhancer_worker.training.benchmarks import BenchmarkSet, UnknownBenchmarkError, parse_sets
from enhancer_worker.training.degradations import shrink
from enhancer_worker.training.evaluate import DEFAULT_SETS, protocol_deviations
from enhancer_worker.training.protocols import Case, Figures, Sample

CATALOGUE = Path(__file__).parents[1] / "demoshop" / "catalogue"
SETS = [DEFAULT_SETS, f"catalogue:clean={CATALOGUE}"]
SLOW_IMAGES = 4
QUICK_IMAGES = 2

PerImage = dict[str, list[Figures]]
"""Figures of every picture in order, by method; slow methods have those of the first few only."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write.

    Returns:
        Exit status: 0; 1 where a baseline differs from its published figures; 2 where a set is not
        there.
    """
    arguments, circumstances = _arguments(argv), page.circumstances()
    try:
        sets = parse_sets(arguments.set or SETS, arguments.data)
        started, known = time.monotonic(), Remembered(arguments.remember)
        measured = {one.name: {} for one in sets}
        for one in sets:
            measured[one.name] |= measure_set(one, arguments.limit, arguments.slow_images, known)
            known.write()
        beside_prior = measure_prior(arguments, known) if arguments.prior else {}
        known.write()
    except UnknownBenchmarkError as err:
        sys.stderr.write(f"{err}\n")
        return 2
    tables = {name: _means_by_case(cases) for name, cases in measured.items()}
    figures: dict[str, Any] = {
        **circumstances,
        "seconds": round(time.monotonic() - started),
        "versions": page.versions("torch", "openvino", "opencv-python-headless", "bm3d", "pillow"),
        "weights": {
            label(entry) + f" x{scale}": entry.name
            for scale in (1, 2, 3, 4)
            for entry in shipped(scale)
        },
        "images_at_most": arguments.limit,
        "tables": tables,
        "prior": {method: means(rows) for method, rows in beside_prior.items()},
        "subsets": {name: _subset_means(cases) for name, cases in measured.items()},
        "goals": [] if arguments.limit else goals.verdicts(tables),
        "protocol_deviations": [] if arguments.limit else protocol_deviations(_references(tables)),
    }
    page.write("quality", figures, to_markdown(figures), arguments.results)
    return 1 if figures["protocol_deviations"] else 0


def measure_set(
    one: BenchmarkSet, limit: int, slow_images: int, known: Remembered
) -> dict[str, PerImage]:
    """Judge every method on a set.

    Args:
        one: pictures and protocol.
        limit: pictures at most; 0: all.
        slow_images: pictures at most for slow methods.
        known: figures that need not be measured again.

    Returns:
        Figures by case and method.
    """
    paths = one.images()[: limit or None]
    jobs = [(case, position, path) for case in one.cases for position, path in enumerate(paths)]
    methods = {case.name: list(methods_for(case)) for case in one.cases}
    found: dict[str, PerImage] = {case.name: {} for case in one.cases}
    title = f"{one.name} ({one.protocol})"
    with click.progressbar(jobs, label=f"{title:<18}", file=sys.stderr) as bar:
        for case, position, path in bar:
            sample = case.prepare(path)
            for method in methods[case.name]:
                if not method.is_slow or position < slow_images:
                    rows = found[case.name].setdefault(method.label, [])
                    run = functools.partial(measure, case, method, sample)
                    rows.append(known.get(case, method, sample, run))
    return found


def measure_prior(arguments: argparse.Namespace, known: Remembered) -> PerImage:
    """Judge Deep Image Prior, and every other method on the same pictures."""
    args = prior.PriorArgs(arguments.prior, arguments.prior_steps, arguments.prior_channels)
    found: PerImage = {}
    for case, method, sample in prior.judged(arguments.data, args):
        run = functools.partial(measure, case, method, sample)
        found.setdefault(method.label, []).append(known.get(case, method, sample, run))
    return found


def measure(case: Case, method: Method, sample: Sample) -> Figures:
    """Judge one result: the protocol's figures, and how far its colours are off."""
    result = method.run(sample)
    figures = case.score(result, sample)
    if sample.gt.shape[1] == 1:
        return figures
    if case.name.startswith("x"):
        return figures | colour_difference(shrink(result, case.scale), sample.lq)
    return figures | colour_difference(result, sample.gt)


def colour_difference(first: Tensor, second: Tensor) -> Figures:
    """CIEDE2000 between two pictures: mean and 95th percentile over the pixels.

    Args:
        first: (1, 3, H, W), float32, about [0, 1], RGB.
        second: same shape.
    """
    labs = [
        srgb_to_lab((image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())
        for image in (first, second)
    ]
    difference = ciede2000(*labs)
    return {"de00": float(difference.mean()), "de00_p95": float(np.percentile(difference, 95))}


def means(rows: Sequence[Figures]) -> Figures:
    """Mean of every figure over pictures, and how many there were."""
    summary = {name: round(fmean(row[name] for row in rows), 4) for name in rows[0]}
    return {**summary, "images": len(rows)}


def _means_by_case(cases: dict[str, PerImage]) -> dict[str, dict[str, Figures]]:
    return {
        case: {method: means(rows) for method, rows in methods.items()}
        for case, methods in cases.items()
    }


def _subset_means(cases: dict[str, PerImage]) -> dict[str, dict[str, Figures]]:
    """Means over those pictures that the slow methods have seen too; empty without such."""
    found = {}
    for case, methods in cases.items():
        fewest = min(len(rows) for rows in methods.values())
        if fewest < max(len(rows) for rows in methods.values()):
            found[case] = {method: means(rows[:fewest]) for method, rows in methods.items()}
    return found


def _references(tables: dict[str, Any]) -> dict[str, Any]:
    """The report that `protocol_deviations` compares."""
    return {
        name: {
            case: {
                f"psnr_y_{method}": methods[method]["psnr_y"]
                for method in ("bicubic", "input")
                if "psnr_y" in methods.get(method, {})
            }
            for case, methods in cases.items()
        }
        for name, cases in tables.items()
    }


def to_markdown(figures: dict[str, Any]) -> list[str]:
    """Lay the figures out as a page."""
    lines = ["# Quality", "", page.preface(figures, "python benchmarks/quality.py --data DIR"), ""]
    limit = figures["images_at_most"]
    if limit:
        lines += [f"**Only the first {limit} pictures of each set: a trial, not a result.**", ""]
    lines += [
        "PSNR in dB / SSIM: of luma for super-resolution and JPEG, of RGB otherwise. dE: mean "
        "CIEDE2000 between the downscaled result and the input for super-resolution, between "
        "result and truth otherwise.",
    ]
    for name, cases in figures["tables"].items():
        for title, part in _by_kind(name, cases):
            lines += ["", f"## {title}", "", *_table(part)]
        subset = figures["subsets"][name]
        if subset:
            count = next(iter(next(iter(subset.values())).values()))["images"]
            lines += ["", f"The first {count:.0f} pictures, for slow methods:", "", *_table(subset)]
    if figures["prior"]:
        title = f"## Without any training data: {prior.SET} {prior.CASE}"
        lines += ["", title, "", *_table({prior.CASE: figures["prior"]})]
    lines += ["", *goals.to_markdown(figures["goals"])]
    for deviation in figures["protocol_deviations"]:
        lines.append(f"**Protocol differs: {deviation}**")
    if not has_bm3d():
        lines += ["", "BM3D was not installed (`pip install bm3d`, non-commercial licence)."]
    return lines


def _by_kind(name: str, cases: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Split a set that was judged by several protocols."""
    kinds: dict[str, dict[str, Any]] = {}
    for case, methods in cases.items():
        kinds.setdefault(_kind(case), {})[case] = methods
    for kind, part in kinds.items():
        count = next(iter(next(iter(part.values())).values()))["images"]
        yield f"{kind}: {name}, {count:.0f} pictures", part


def _kind(case: str) -> str:
    if case.startswith("sigma"):
        return "Colour denoising"
    if case.startswith("x"):
        return "Super-resolution"
    if case.startswith("photo"):
        return "Enlarged uploads"
    if case.startswith("q"):
        return "JPEG artefacts"
    return "Do no harm" if case == "clean" else "Deblurring"


def _table(cases: dict[str, dict[str, Figures]]) -> list[str]:
    most = max(row["images"] for methods in cases.values() for row in methods.values())
    names = list(dict.fromkeys(name for methods in cases.values() for name in methods))
    full = [
        name
        for name in names
        if all(methods[name]["images"] == most for methods in cases.values() if name in methods)
    ]
    rows = [[name, *(_cell(methods.get(name)) for methods in cases.values())] for name in full]
    return page.markdown_table(["", *cases], rows)


def _cell(row: Figures | None) -> str:
    if row is None:
        return "-"
    decibels = row.get("psnr_y", row.get("psnr_rgb", math.nan))
    text = f"{decibels:.2f} / {row.get('ssim_y', row.get('ssim_rgb', math.nan)):.4f}"
    return f"{text}, dE {row['de00']:.2f}" if "de00" in row else text


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with benchmarks/NAME/")
    parser.add_argument("--set", action="append", help="as of `enhancer_worker evaluate`")
    parser.add_argument("--limit", type=int, default=0, help="pictures per set; 0: all")
    parser.add_argument(
        "--slow-images", type=int, default=SLOW_IMAGES, help="pictures per set for BM3D"
    )
    parser.add_argument(
        "--prior",
        type=int,
        default=0,
        help="smallest pictures of set5 x4 for Deep Image Prior; 0: none",
    )
    parser.add_argument(
        "--prior-steps", type=int, default=prior.PriorArgs.steps, help="its iterations on each"
    )
    parser.add_argument(
        "--prior-channels", type=int, default=prior.PriorArgs.channels, help="of its net"
    )
    parser.add_argument("--quick", action="store_true", help="two pictures per set, no BM3D")
    parser.add_argument(
        "--remember", type=Path, help="JSON file: what it knows is not measured again"
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all")
    parser.add_argument("--results", type=Path, default=page.RESULTS, help="folder to write to")
    found = parser.parse_args(argv)
    if found.quick:
        found.limit, found.slow_images = QUICK_IMAGES, 0
    if found.threads:
        torch.set_num_threads(found.threads)
    return found


if __name__ == "__main__":
    sys.exit(main())
