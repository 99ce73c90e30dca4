"""Judges the shipped networks, or any others of the same names, on benchmarks."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from torch import nn

from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS, read_manifest
from enhancer_worker.nets.zoo import ZOO, ZooEntry, load_net, read_net
from enhancer_worker.training.benchmarks import (
    PROTOCOLS,
    BenchmarkSet,
    parse_sets,
    summarize,
)
from enhancer_worker.training.protocols import Case, Figures, judge
from enhancer_worker.training.ranges import NOT_NEGATIVE, whole_number
from enhancer_worker.training.weight_files import PICTURE_KINDS, SUFFIX, entry_of, picture_maker
from shopimg.contract import FLAVOURS, WorkerError

DEFAULT_SETS = "set5,b100,set5:photo,cbsd68,live1,classic5,cbsd68:blur,cbsd68:clean"
TIERS = ("s", "m")
JUDGED = tuple(name for name, entry in ZOO.items() if entry.kind in PICTURE_KINDS)
"""Weight names of what can be judged."""
BICUBIC_PSNR_Y = {
    "set5": {"x2": 33.66, "x3": 30.39, "x4": 28.42},
    "set14": {"x2": 30.24, "x3": 27.55, "x4": 26.00},
    "b100": {"x2": 29.56, "x3": 27.21, "x4": 25.96},
    "urban100": {"x2": 26.88, "x3": 24.46, "x4": 23.14},
}
"""Published bicubic references, dB; reproducing them proves the protocol."""
JPEG_PSNR_Y = {
    "classic5": {"q10": 27.82, "q20": 30.12, "q30": 31.48, "q40": 32.43},
    "live1": {"q10": 27.77, "q20": 30.07, "q30": 31.41, "q40": 32.35},
}
"""Published figures of the compressed inputs, dB."""
PUBLISHED = (
    ("psnr_y_bicubic", "bicubic", BICUBIC_PSNR_Y),
    ("psnr_y_input", "JPEG input", JPEG_PSNR_Y),
)
"""Figure, words for it, and what it must be by benchmark and case."""
TOLERANCE_DB = 0.03

Report = dict[str, dict[str, Figures]]
Verdict = tuple[str, str, str, Figures]
"""(net, set, case, figures of one image)."""


@dataclass(frozen=True)
class EvaluateArgs:
    """What to judge, and on what."""

    sets: tuple[BenchmarkSet, ...]
    """Pictures and protocols."""
    weights: Path | None = None
    """Folder with `NAME.safetensors` (digests not checked; nets without a file are left out), or
    one such file; None: the shipped weights."""
    nets: tuple[str, ...] = ()
    """Weight names to judge; empty: one net per scale, of the tier and flavour below, or all that
    the folder holds. Of a file: whose weights it has; empty: its own name tells."""
    tier: str = ""
    """Size of the nets, one of `TIERS`; empty: s, or of a folder all."""
    flavour: str = ""
    """What the upscalers were trained for, one of `FLAVOURS`; empty: faithful, or of a folder
    all."""
    limit: int = 0
    """Images per benchmark at most; 0: all. For a quick look."""


def chosen_names(args: EvaluateArgs) -> tuple[str, ...]:
    """Weight names that the arguments mean; not all of a tier's upscalers need to ship."""
    if args.nets:
        return args.nets
    tier = args.tier or "s"
    suffix = "_photo" if args.flavour == "photo" else ""
    scales = [case.scale for case in PROTOCOLS["sr"]]
    upscalers = [f"upscale_x{scale}_{tier}{suffix}" for scale in scales]
    restorer = f"restore_{tier}"
    return (*upscalers, restorer if restorer in ZOO else "restore_s")


def collect_nets(args: EvaluateArgs) -> dict[str, nn.Module]:
    """Load what shall be judged, by weight name.

    Raises:
        WorkerError: there is no such file, it does not fit its name, or makes no pictures.
    """
    weights = args.weights
    if weights is None:
        shipped = read_manifest()
        names = [name for name in chosen_names(args) if args.nets or name in shipped]
        return {name: load_net(name) for name in names}
    if weights.is_file() or weights.suffix == SUFFIX:
        if len(args.nets) > 1:
            raise WorkerError(detail=f"{weights} has the weights of one network: give one --net")
        entry = picture_maker(entry_of(weights, "".join(args.nets)), "judged")
        return {entry.name: read_net(entry.name, weights)}
    wanted = args.nets or [name for name in JUDGED if _is_meant(ZOO[name], args)]
    files = {name: weights / f"{name}{SUFFIX}" for name in wanted}
    found = {name: read_net(name, path) for name, path in files.items() if path.exists()}
    if not found:
        raise WorkerError(detail=f"{weights} holds none of {', '.join(files)}")
    return found


def _is_meant(entry: ZooEntry, args: EvaluateArgs) -> bool:
    """Whether a net has the size and the flavour that are asked for; restorers have none."""
    if entry.kind != "upscale":
        return True
    is_of_tier = not args.tier or (entry.tier == args.tier and not entry.is_reference)
    return is_of_tier and args.flavour in {"", entry.flavour}


def nets_for(case: Case, nets: dict[str, nn.Module]) -> list[str]:
    """Names of the nets that a case is for, in their order."""
    return [name for name, net in nets.items() if getattr(net, "scale", 0) == case.scale]


def evaluate(args: EvaluateArgs, nets: dict[str, nn.Module]) -> Iterator[Verdict]:
    """Measure all nets on all their benchmarks, with a progress bar on standard error.

    Raises:
        UnknownBenchmarkError: a folder holds no images.
    """
    jobs = [
        (benchmark.name, case, path)
        for benchmark in args.sets
        for case in benchmark.cases
        if nets_for(case, nets)
        for path in benchmark.images()[: args.limit or None]
    ]
    with click.progressbar(jobs, label="Evaluating", file=sys.stderr) as bar:
        for benchmark_name, case, path in bar:
            sample = case.prepare(path)
            for name in nets_for(case, nets):
                yield name, benchmark_name, case.name, judge(case, nets[name], sample)


def reports(verdicts: Iterable[Verdict]) -> list[dict[str, Report]]:
    """Sum verdicts up.

    Returns:
        Reports by net: in the first element of every case the net that was judged first, in the
        second one all others.
    """
    measured: dict[tuple[str, str], dict[str, list[Figures]]] = {}
    for net, benchmark, case, figures in verdicts:
        measured.setdefault((benchmark, case), {}).setdefault(net, []).append(figures)
    both: list[dict[str, Report]] = [{}, {}]
    for (benchmark, case), by_net in measured.items():
        for position, (net, per_image) in enumerate(by_net.items()):
            report = both[min(position, 1)].setdefault(net, {})
            report.setdefault(benchmark, {})[case] = summarize(per_image)
    return both


def merged(by_net: dict[str, Report]) -> Report:
    """One report of nets that have no case in common."""
    whole: Report = {}
    for report in by_net.values():
        for benchmark, cases in report.items():
            whole.setdefault(benchmark, {}).update(cases)
    return whole


def protocol_deviations(report: Report) -> list[str]:
    """Figures of bicubic and of JPEG inputs that differ from the published ones too much."""
    return [
        f"{benchmark} {case}: {words} {cases[case][figure]:.2f}, published {published:.2f}"
        for benchmark, cases in report.items()
        for figure, words, references in PUBLISHED
        for case, published in references.get(benchmark.lower(), {}).items()
        if abs(cases.get(case, {}).get(figure, published) - published) > TOLERANCE_DB
    ]


def table(by_net: dict[str, Report]) -> str:
    """Reports as aligned text, one line per case and net."""
    lines = []
    for net, report in by_net.items():
        for benchmark, cases in report.items():
            for case, figures in cases.items():
                values = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
                lines.append(f"{benchmark:<8} {case:<8} {net:<14} {values}")
    return "".join(f"{line}\n" for line in lines)


def parse_evaluate(argv: Sequence[str]) -> tuple[EvaluateArgs, bool, int]:
    """Read the command line: (arguments, whether to write JSON, threads).

    Raises:
        UnknownBenchmarkError: a set that cannot be judged.
    """
    parser = argparse.ArgumentParser(prog="enhancer_worker evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with benchmarks/NAME/")
    parser.add_argument(
        "--set",
        action="append",
        metavar="NAME[:PROTOCOL][=DIR]",
        help="what to judge on, several with commas between or the option repeated; PROTOCOL is "
        f"one of {', '.join(PROTOCOLS)} and follows from the name of a known set; default "
        + DEFAULT_SETS,
    )
    parser.add_argument("--weights", type=Path, help=f"folder or file; default {SHIPPED_WEIGHTS}")
    parser.add_argument(
        "--net",
        action="append",
        choices=JUDGED,
        help="judge this net; may be repeated. With --weights FILE: the net whose weights it has",
    )
    whole = "of a folder of weights: all"
    parser.add_argument(
        "--tier", choices=TIERS, default="", help=f"size of the nets; default s, {whole}"
    )
    parser.add_argument(
        "--flavour",
        choices=FLAVOURS,
        default="",
        help=f"of the upscalers; default faithful, {whole}",
    )
    natural = whole_number(NOT_NEGATIVE)
    parser.add_argument("--limit", type=natural, default=0, help="images per benchmark; 0: all")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--threads", type=natural, default=0, help="CPU threads; 0: all")
    found = parser.parse_args(argv)
    sets = parse_sets(found.set or [DEFAULT_SETS], found.data)
    names = tuple(dict.fromkeys(found.net or ()))
    args = EvaluateArgs(sets, found.weights, names, found.tier, found.flavour, found.limit)
    return args, found.json, found.threads


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Use `count` CPU threads inside; 0 leaves the number as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def main(argv: Sequence[str]) -> int:
    """Evaluate and write the report.

    The first net of each case stands in the report itself, as `report["set5"]["x2"]["psnr_y"]`,
    further ones below `report["nets"][NAME]`. What is published is only compared when whole
    benchmarks were measured.

    Returns:
        Exit status: 0; 1 where published references are not met.

    Raises:
        UnknownBenchmarkError: a set cannot be judged.
        UnreadablePictureError: nor one of its pictures.
        WorkerError: there are no such networks, or none is for any of the sets.
    """
    args, as_json, threads = parse_evaluate(argv)
    with cpu_threads(threads):
        first, others = reports(evaluate(args, collect_nets(args)))
    if not first:
        raise WorkerError(detail="No net is there for any of these sets.")
    report = merged(first)
    whole: dict[str, Any] = {**report, "nets": others} if others else dict(report)
    sys.stdout.write(json.dumps(whole) + "\n" if as_json else table(first) + table(others))
    deviations = [] if args.limit else protocol_deviations(report)
    for deviation in deviations:
        sys.stderr.write(f"Protocol differs: {deviation}\n")
    return 1 if deviations else 0
