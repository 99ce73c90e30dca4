"""Deep Image Prior beside bicubic and ours: on a few pictures, as it is fitted to each of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from PIL import Image
from torch import Tensor

from benchmarks.methods import Method, methods_for
from enhancer_worker.research.deep_image_prior import FitConfig, HourglassConfig, enlarge
from enhancer_worker.training.benchmarks import parse_sets
from enhancer_worker.training.protocols import Case, Sample

SET, CASE = "set5", "x4"
"""Where the paper (Ulyanov et al. 2018, arXiv 1711.10925) has figures too: 29.90 dB."""


@dataclass(frozen=True)
class PriorArgs:
    """How much of it is run."""

    pictures: int = 0
    """The smallest of the set, as the time of a fit grows with the pixels; 0: none."""
    steps: int = 2000
    """Iterations on each picture; the paper has 2,000."""
    channels: int = 128
    """Of the fitted net; the paper has 128."""

    @property
    def label(self) -> str:
        """Name of its row."""
        net = "" if self.channels == PriorArgs.channels else f", {self.channels} channels"
        noun = "picture" if self.pictures == 1 else "pictures"
        return f"Deep Image Prior ({self.pictures} {noun}, {self.steps:,} iterations{net})"


def judged(data: Path, args: PriorArgs) -> Iterator[tuple[Case, Method, Sample]]:
    """Yield what is to be measured, with a progress bar over pictures on standard error.

    Raises:
        UnknownBenchmarkError: the set is not there.
    """
    (one,) = parse_sets([SET], data)
    (case,) = (case for case in one.cases if case.name == CASE)
    methods = [*methods_for(case), Method(args.label, lambda sample: _fitted(sample, case, args))]
    paths = sorted(one.images(), key=_area)[: args.pictures]
    with click.progressbar(paths, label="Deep Image Prior  ", file=sys.stderr) as bar:
        for path in bar:
            sample = case.prepare(path)
            for method in methods:
                yield case, method, sample


def _area(path: Path) -> int:
    with Image.open(path) as image:
        return image.width * image.height


def _fitted(sample: Sample, case: Case, args: PriorArgs) -> Tensor:
    config = HourglassConfig(channels=args.channels)
    return enlarge(sample.lq, case.scale, config, FitConfig(args.steps))
