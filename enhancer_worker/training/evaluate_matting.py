"""Judges the matting net and its refinement on held-out products and on photographs with masks."""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from enhancer_worker.matting.coarse import Run, coarse_matte
from enhancer_worker.matting.foreground import foreground
from enhancer_worker.matting.refine import full_alpha
from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS
from enhancer_worker.nets.zoo import load_net, read_net
from enhancer_worker.training.fit_matting import NAME
from enhancer_worker.training.matting_metrics import (
    Figures,
    FMeasure,
    fringe_figures,
    region_figures,
)
from enhancer_worker.training.matting_sets import (
    EDGES,
    MATTING_TEST,
    Judged,
    edges,
    masked_photographs,
    matting_test,
)
from enhancer_worker.training.mistakes import told

DEFAULT_SETS = f"{MATTING_TEST},{EDGES},ecssd100"
ALL = "all"


def torch_run(net: nn.Module) -> Run:
    """A net of PyTorch as the pipeline calls a session."""

    @torch.inference_mode()
    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = net(torch.from_numpy(batch)).numpy()
        return result

    return run


def judge(run: Run, pictures: Iterable[Judged]) -> dict[str, Figures]:
    """Mean figures per kind of picture, and of all of them where there are several kinds.

    Args:
        run: the net.
        pictures: what to judge it on.
    """
    found: dict[str, list[Figures]] = {}
    largest: dict[str, FMeasure] = {}
    for one in pictures:
        began = time.perf_counter()
        alpha = full_alpha(one.picture, coarse_matte(run, one.picture))
        seconds = {"seconds": time.perf_counter() - began}
        for kind in (one.kind, ALL):
            figures = region_figures(alpha, one.alpha) | fringes(one, alpha) | seconds
            found.setdefault(kind, []).append(figures)
            largest.setdefault(kind, FMeasure()).add(alpha, one.alpha)
    if len(found) == 2:
        found.pop(ALL)
    return {
        kind: {name: round(fmean(f[name] for f in figures), 4) for name in figures[0]}
        | {"max_f": round(largest[kind].largest(), 4), "pictures": len(figures)}
        for kind, figures in found.items()
    }


def fringes(one: Judged, alpha: NDArray[np.uint8]) -> Figures:
    """What is left of the old background along an edge, where the true colours are known.

    Figures that end in `raw` are of the picture's own colours, as a mask alone would cut them out.
    """
    if one.colour is None:
        return {}
    ours, raw = (
        fringe_figures(colour, alpha, one.colour, one.alpha)
        for colour in (foreground(one.picture, alpha), one.picture)
    )
    return ours | {f"{name}_raw": value for name, value in raw.items()}


def pictures_of(name: str, args: argparse.Namespace) -> Iterable[Judged]:
    """What a set consists of."""
    if name == MATTING_TEST:
        return matting_test(args.data, args.renderings, args.limit)
    if name == EDGES:
        return edges(args.data, args.limit)
    return masked_photographs(args.data / "benchmarks" / name, args.limit)


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate and write a table, or JSON as it goes into `weights.json`.

    Returns:
        Exit status: 0, or 2 where nothing could be judged.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="with cutouts/, benchmarks/ ...")
    parser.add_argument("--renderings", type=Path, help="what render-scans --held-out has written")
    parser.add_argument("--set", default=DEFAULT_SETS, help=f"default {DEFAULT_SETS}")
    parser.add_argument("--weights", type=Path, help=f"a file; default that of {SHIPPED_WEIGHTS}")
    parser.add_argument("--limit", type=int, default=0, help="pictures per kind; 0: all")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    args = parser.parse_args(sys.argv[1:] if argv is None else argv)

    def evaluate() -> int:
        net = read_net(NAME, args.weights) if args.weights else load_net(NAME)
        names = [name.strip() for name in args.set.split(",") if name.strip()]
        report = {name: judge(torch_run(net), pictures_of(name, args)) for name in names}
        sys.stdout.write(json.dumps(report) + "\n" if args.json else table(report))
        return 0

    return told(evaluate)


def table(report: dict[str, dict[str, Figures]]) -> str:
    """Figures as aligned text, one line per kind."""
    lines = []
    for name, kinds in report.items():
        for kind, figures in kinds.items():
            values = "  ".join(f"{key} {value:.4g}" for key, value in figures.items())
            lines.append(f"{name:<13} {kind:<11} {values}\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.exit(main())
