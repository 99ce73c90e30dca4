"""Compares two methods on the same pictures: a contact sheet to look at and a table of figures."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from enhancer_worker.nets.zoo import ZooEntry, load_net, read_net, zoo_entry
from enhancer_worker.training.benchmarks import PROTOCOLS
from enhancer_worker.training.checks import refuse_unwritable
from enhancer_worker.training.contact_sheet import (
    DIFFERENCE_GAIN,
    Cell,
    Row,
    difference,
    draw_sheet,
    liveliest_window,
    to_image,
)
from enhancer_worker.training.data import read_tile, to_tensor
from enhancer_worker.training.degradations import antialiased_bicubic
from enhancer_worker.training.evaluate import cpu_threads
from enhancer_worker.training.metrics import psnr
from enhancer_worker.training.pictures import named_pictures
from enhancer_worker.training.protocols import Case, Figures, Sample, run_padded
from enhancer_worker.training.ranges import NOT_NEGATIVE, POSITIVE, whole_number
from enhancer_worker.training.weight_files import SUFFIX, entry_of, picture_maker
from shopimg.contract import WorkerError

DEFAULT_RESTORATION = "sigma25"
SHEET_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")
"""Ends of the name of a sheet."""
CASES = {case.name: case for cases in PROTOCOLS.values() for case in cases}


class ComparisonError(WorkerError):
    """The two methods cannot be compared, or there is nothing to compare them on."""


@dataclass(frozen=True)
class Method:
    """One of the two."""

    name: str
    """Its heading."""
    scale: int
    """Output pixels per input pixel along one axis."""
    run: Callable[[Tensor], Tensor]
    """Of (1, 3, h, w), float32, about [0, 1]: (1, 3, scale * h, scale * w)."""


@dataclass(frozen=True)
class Window:
    """The part of one picture in which A and B differ most; of the whole, little would be seen."""

    left: int
    """Pixels of the results."""
    top: int
    """Pixels of the results."""
    given: Tensor
    """What both were given, (1, 3, side, side); repeated pixels, as any interpolation would be a
    method of its own."""
    results: tuple[Tensor, Tensor]
    """What A and B made of it, (1, 3, side, side)."""
    gt: Tensor | None
    """The truth, where it is known, (1, 3, side, side)."""

    @property
    def side(self) -> int:
        """Its height and width, pixels."""
        return self.given.shape[-1]

    def middle(self, side: int) -> "Window":
        """Its middle, `side` pixels wide and high."""
        inset = (self.side - side) // 2
        part = (..., slice(inset, inset + side), slice(inset, inset + side))
        first, second = self.results
        return Window(
            self.left + inset,
            self.top + inset,
            self.given[part],
            (first[part], second[part]),
            None if self.gt is None else self.gt[part],
        )


@dataclass(frozen=True)
class Compared:
    """Both results on one picture."""

    file: str
    """Its name, below the folder that was given."""
    size: tuple[int, int]
    """Width and height of the results, pixels."""
    window: Window
    """What is shown of them."""
    figures: tuple[Figures, Figures]
    """Of A and of B; empty without a truth."""
    psnr_between: float
    """How alike the two results are, dB."""


def find_method(name: str, scale: int, net: str = "") -> Method:
    """Understand what A or B names.

    Args:
        name: a weight name, a `.safetensors` file, `bicubic`, `lanczos` or `input`.
        scale: of `bicubic` and `lanczos`.
        net: weight name of files that are not named after one.

    Raises:
        WorkerError: there is no such network or file, or it makes no pictures.
    """
    if name in {"bicubic", "lanczos"}:
        resize = _bicubic if name == "bicubic" else _lanczos
        return Method(name, scale, lambda lq: resize(lq, scale))
    if name == "input":
        return Method(name, 1, lambda lq: lq)
    entry = _entry(name, net)
    if name.endswith(SUFFIX):
        file = Path(name)
        return _of_net("/".join(file.parts[-2:]), entry.scale, read_net(entry.name, file))
    return _of_net(name, entry.scale, load_net(name))


def find_pair(first: str, second: str, scale: int | None, net: str = "") -> tuple[Method, Method]:
    """Understand A and B; where one has no scale of its own it gets that of the other.

    Raises:
        ComparisonError: they have different scales, or none.
    """
    own = [_own_scale(name, net) for name in (first, second)]
    known = {number for number in [*own, scale] if number is not None}
    if len(known) != 1:
        told = " and ".join(map(str, sorted(known))) or "none: give --scale"
        raise ComparisonError(detail=f"{first} and {second} need one scale, not {told}")
    (common,) = known
    return find_method(first, common, net), find_method(second, common, net)


@torch.no_grad()
def compare(
    pair: tuple[Method, Method], pictures: Mapping[str, Path], case: Case | None, side: int
) -> list[Compared]:
    """Run both on all pictures, with a progress bar on standard error.

    Args:
        pair: A and B.
        pictures: files by name; ground truth if a case is given, else inputs.
        case: how ground truth becomes input, and what is measured.
        side: of what is kept to be shown of each, at most, pixels.
    """
    compared = []
    with click.progressbar(pictures.items(), label="Comparing", file=sys.stderr) as bar:
        for name, file in bar:
            if case:
                sample = case.prepare(file)
            else:
                lq = to_tensor([read_tile(file)])
                sample = Sample(lq, lq)
            results = (pair[0].run(sample.lq), pair[1].run(sample.lq))
            figures = tuple(case.score(result, sample) if case else {} for result in results)
            gt = sample.gt.expand(-1, 3, -1, -1) if case else None
            height, width = results[0].shape[-2:]
            window = _window(sample.lq, results, gt, min(side, height, width))
            alike = psnr(*results)
            compared.append(
                Compared(name, (width, height), window, (figures[0], figures[1]), alike)
            )
    return compared


def sheet(compared: Sequence[Compared], names: tuple[str, str]) -> Image.Image:
    """Contact sheet of the window of each picture in which A and B differ most."""
    side = min(one.window.side for one in compared)
    middle = ["truth"] if compared[0].window.gt is not None else []
    columns = ["input", f"A: {names[0]}", f"B: {names[1]}"]
    heading = f"A minus B, {DIFFERENCE_GAIN} x"
    rows = [_row(one, side) for one in compared]
    return draw_sheet([*columns, *middle, heading], rows, side)


def report(compared: Sequence[Compared], names: tuple[str, str]) -> dict[str, Any]:
    """All figures as plain values: per picture, and their means."""
    keys = compared[0].figures[0].keys()
    means = {
        letter: {key: round(fmean(one.figures[i][key] for one in compared), 4) for key in keys}
        for i, letter in enumerate("AB")
    }
    return {
        "A": names[0],
        "B": names[1],
        "mean": {**means, "psnr_between": round(fmean(one.psnr_between for one in compared), 2)},
        "images": {
            one.file: {
                "A": {key: round(value, 4) for key, value in one.figures[0].items()},
                "B": {key: round(value, 4) for key, value in one.figures[1].items()},
                "psnr_between": round(one.psnr_between, 2),
            }
            for one in compared
        },
    }


def markdown(found: dict[str, Any]) -> str:
    """The report as a Markdown table; without a truth it says how alike A and B are."""
    keys = list(found["mean"]["A"])
    heads = [f"{key} {letter}" for key in keys for letter in "AB"] + ["A to B, dB"]
    lines = [f"A: {found['A']}, B: {found['B']}", "", "| picture | " + " | ".join(heads) + " |"]
    lines.append("| --- |" + " ---: |" * len(heads))
    for name, one in [*found["images"].items(), ("**mean**", found["mean"])]:
        values = [f"{one[letter][key]:.4g}" for key in keys for letter in "AB"]
        lines.append(f"| {name} | " + " | ".join([*values, f"{one['psnr_between']:.2f}"]) + " |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str]) -> int:
    """Compare, write the sheet and the figures, and print the table."""
    args = _parser().parse_args(argv)
    if args.out.suffix.lower() not in SHEET_SUFFIXES:
        raise ComparisonError(detail=f"--out {args.out} is none of {', '.join(SHEET_SUFFIXES)}")
    refuse_unwritable(args.out.parent)
    pair = find_pair(args.a, args.b, args.scale, args.net)
    case = _case_of(args.case, pair[0].scale) if args.data else None
    pictures = list(named_pictures(args.data or args.images).items())[: args.limit or None]
    with cpu_threads(args.threads):
        compared = compare(pair, dict(pictures), case, args.side)
    names = (pair[0].name, pair[1].name)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(compared, names).save(args.out)
    found = report(compared, names)
    args.out.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n")
    args.out.with_suffix(".md").write_text(markdown(found))
    sys.stdout.write(markdown(found))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="enhancer_worker compare", description=__doc__)
    kinds = "weight name, .safetensors file, bicubic, lanczos or input"
    parser.add_argument("a", metavar="A", help=kinds)
    parser.add_argument("b", metavar="B", help=kinds)
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument(
        "--data",
        type=Path,
        help="ground truth: a picture, a folder of them, or the report.json of finetune, which "
        "stands for the photographs that judged there",
    )
    pictures.add_argument("--images", type=Path, help="inputs: a picture or a folder of them")
    parser.add_argument("--out", type=Path, required=True, help="PNG; .json and .md beside it")
    parser.add_argument("--case", choices=CASES, help="how --data becomes input; by the scale")
    natural, positive = whole_number(NOT_NEGATIVE), whole_number(POSITIVE)
    parser.add_argument("--scale", type=positive, help="of bicubic and lanczos")
    parser.add_argument(
        "--net", default="", help="weight name of files that are not named after one"
    )
    parser.add_argument("--side", type=positive, default=256, help="of each window, pixels")
    parser.add_argument("--limit", type=natural, default=8, help="pictures at most; 0: all")
    parser.add_argument("--threads", type=natural, default=0, help="CPU threads; 0: all")
    return parser


def _case_of(name: str | None, scale: int) -> Case:
    case = CASES.get(name or (f"x{scale}" if scale > 1 else DEFAULT_RESTORATION))
    if case is None or case.scale != scale:
        raise ComparisonError(detail=f"no case {name or f'x{scale}'} for a scale of {scale}")
    return case


def _own_scale(name: str, net: str) -> int | None:
    if name in {"bicubic", "lanczos"}:
        return None
    if name == "input":
        return 1
    return _entry(name, net).scale


def _entry(name: str, net: str) -> ZooEntry:
    entry = entry_of(Path(name), net) if name.endswith(SUFFIX) else zoo_entry(name)
    return picture_maker(entry, "compared")


def _of_net(name: str, scale: int, net: nn.Module) -> Method:
    return Method(name, scale, lambda lq: run_padded(net, lq, scale))


def _bicubic(lq: Tensor, scale: int) -> Tensor:
    return antialiased_bicubic(lq, (lq.shape[-2] * scale, lq.shape[-1] * scale))


def _lanczos(lq: Tensor, scale: int) -> Tensor:
    small = to_image(lq)
    size = (small.width * scale, small.height * scale)
    large = small.resize(size, Image.Resampling.LANCZOS)
    return to_tensor([np.asarray(large)])


def _window(lq: Tensor, results: tuple[Tensor, Tensor], gt: Tensor | None, side: int) -> Window:
    """Cut out copies, so that nothing holds the whole pictures."""
    top, left = liveliest_window(*results, side)

    def part(picture: Tensor) -> Tensor:
        return picture[..., top : top + side, left : left + side].clone()

    given = functional.interpolate(lq, results[0].shape[-2:], mode="nearest")
    first, second = map(part, results)
    return Window(left, top, part(given), (first, second), None if gt is None else part(gt))


def _row(one: Compared, side: int) -> Row:
    window = one.window.middle(side)
    cells = [Cell(window.given, "")]
    cells += [
        Cell(result, _caption(figures))
        for result, figures in zip(window.results, one.figures, strict=True)
    ]
    if window.gt is not None:
        cells.append(Cell(window.gt, ""))
    cells.append(Cell(difference(*window.results), f"{one.psnr_between:.2f} dB apart"))
    width, height = one.size
    return Row(one.file, f"{width} x {height}, at {window.left}, {window.top}", tuple(cells))


def _caption(figures: Figures) -> str:
    for name, value in figures.items():
        if name.startswith("psnr"):
            kind = name.removeprefix("psnr_").upper()
            return f"{value:.2f} dB ({kind})"
    return ""
