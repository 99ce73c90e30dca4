"""Judges the shipped networks, or any others of the same names, on benchmarks."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import torch
from torch import nn

from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS
from enhancer_worker.nets.zoo import ZOO, load_net, read_net
from enhancer_worker.training.benchmarks import Figures, cases_of, images_of, summarize
from shopimg.contract import WorkerError

DEFAULT_SETS = "set5,b100,cbsd68,live1"
BICUBIC_PSNR_Y = {
    ("set5", "x2"): 33.66,
    ("b100", "x2"): 29.56,
    ("set5", "x4"): 28.42,
    ("b100", "x4"): 25.96,
}
"""Published bicubic references, dB; reproducing them proves the protocol."""
BICUBIC_TOLERANCE_DB = 0.03

Report = dict[str, dict[str, Figures]]


@dataclass(frozen=True)
class EvaluateArgs:
    """What to judge, and on what."""

    data: Path
    """Folder with `benchmarks/NAME/*.png|webp`."""
    sets: tuple[str, ...]
    """Benchmark names."""
    weights: Path | None = None
    """Folder with `NAME.safetensors` (digests not checked; nets without a file are left out), or
    one such file; None: the shipped weights."""
    limit: int = 0
    """Images per benchmark at most; 0: all. For a quick look."""


def collect_nets(weights: Path | None) -> dict[str, nn.Module]:
    """Load what shall be judged, by weight name.

    Raises:
        WorkerError: there is no such file, or it does not fit its name.
    """
    if weights is None:
        return {name: load_net(name) for name in ZOO}
    if weights.is_file():
        return {weights.stem: read_net(weights.stem, weights)}
    files = {name: weights / f"{name}.safetensors" for name in ZOO}
    found = {name: read_net(name, path) for name, path in files.items() if path.exists()}
    if not found:
        raise WorkerError(detail=f"{weights} holds none of {', '.join(ZOO)}")
    return found


def evaluate(args: EvaluateArgs, nets: dict[str, nn.Module]) -> Report:
    """Measure all nets on all their benchmarks, with a progress bar on standard error.

    Returns:
        Figures by benchmark and case, such as `report["set5"]["x2"]["psnr_y"]`.
    """
    jobs = [
        (benchmark, case, path)
        for benchmark in args.sets
        for case in cases_of(benchmark)
        if case.net in nets
        for path in images_of(args.data, benchmark)[: args.limit or None]
    ]
    measured: dict[tuple[str, str], list[Figures]] = {}
    with click.progressbar(jobs, label="Evaluating", file=sys.stderr) as bar:
        for benchmark, case, path in bar:
            figures = case.measure(nets[case.net], path)
            measured.setdefault((benchmark, case.name), []).append(figures)
    report: Report = {}
    for (benchmark, case_name), per_image in measured.items():
        report.setdefault(benchmark, {})[case_name] = summarize(per_image)
    return report


def protocol_deviations(report: Report) -> list[str]:
    """Bicubic figures that differ from the published ones by more than the tolerance."""
    deviations = []
    for (benchmark, case), published in BICUBIC_PSNR_Y.items():
        figures = report.get(benchmark, {}).get(case)
        if figures and abs(figures["psnr_y_bicubic"] - published) > BICUBIC_TOLERANCE_DB:
            measured = figures["psnr_y_bicubic"]
            deviations.append(f"{benchmark} {case}: bicubic {measured:.2f}, published {published}")
    return deviations


def table(report: Report) -> str:
    """The report as aligned text, one line per case."""
    lines = []
    for benchmark, cases in report.items():
        for case, figures in cases.items():
            values = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
            lines.append(f"{benchmark:<8} {case:<8} {values}")
    return "\n".join(lines) + "\n"


def parse_evaluate(argv: Sequence[str]) -> tuple[EvaluateArgs, bool, int]:
    """Read the command line: (arguments, whether to write JSON, threads)."""
    parser = argparse.ArgumentParser(prog="enhancer_worker evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with benchmarks/NAME/")
    parser.add_argument("--set", default=DEFAULT_SETS, help="benchmarks, separated by commas")
    parser.add_argument("--weights", type=Path, help=f"folder or file; default {SHIPPED_WEIGHTS}")
    parser.add_argument("--limit", type=int, default=0, help="images per benchmark; 0: all")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: all")
    found = parser.parse_args(argv)
    sets = tuple(name.strip() for name in found.set.split(",") if name.strip())
    return EvaluateArgs(found.data, sets, found.weights, found.limit), found.json, found.threads


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Use `count` CPU threads inside; 0 leaves the number as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate and write the report; status 1 where the bicubic references are not met.

    The references are only compared when whole benchmarks were measured.
    """
    args, as_json, threads = parse_evaluate(sys.argv[1:] if argv is None else argv)
    with cpu_threads(threads):
        report = evaluate(args, collect_nets(args.weights))
    sys.stdout.write(json.dumps(report) + "\n" if as_json else table(report))
    deviations = [] if args.limit else protocol_deviations(report)
    for deviation in deviations:
        sys.stderr.write(f"Protocol differs: {deviation}\n")
    return 1 if deviations else 0
