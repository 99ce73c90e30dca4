"""Averages weights of one network: those of two runs often beat either (model soups)."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from enhancer_worker.nets.manifest import file_digest
from enhancer_worker.nets.state_files import read_state
from enhancer_worker.training.averages import write_weights
from enhancer_worker.training.config_file import CONFIG_KEY, recorded_config
from enhancer_worker.training.weight_files import SUFFIX
from shopimg.contract import WorkerError


class AverageError(WorkerError):
    """Weights cannot be averaged."""


def average(files: Sequence[Path], shares: Sequence[float]) -> dict[str, Tensor]:
    """Weigh files of one network, whose weights must have one ancestor to be worth it.

    Model soups (Wortsman et al. 2022, arXiv 2203.05482).

    Args:
        files: `.safetensors`, two or more.
        shares: of each, above 0; together 1.

    Returns:
        All tensors by name, in the precision of the first file.

    Raises:
        AverageError: the shares are wrong, or the files are of different networks.
        WorkerError: a file is missing or damaged.
    """
    if len(files) < 2 or len(shares) != len(files):
        raise AverageError(detail=f"{len(shares)} shares for {len(files)} files, of two or more")
    if min(shares) <= 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        told = " + ".join(f"{share:g}" for share in shares)
        raise AverageError(detail=f"shares are above 0 and together 1, not {told}")
    states = [read_state(file) for file in files]
    layouts = [{key: value.shape for key, value in state.items()} for state in states]
    for file, layout in zip(files, layouts, strict=True):
        if layout != layouts[0]:
            raise AverageError(detail=f"{file} is of another network than {files[0]}")
    return {
        key: _weighed([state[key] for state in states], shares).to(first.dtype)
        for key, first in states[0].items()
    }


def header_of(files: Sequence[Path], shares: Sequence[float]) -> dict[str, str]:
    """What the header of an average tells: the config of its largest part, and what the parts are.

    Args:
        files: the parts.
        shares: of each.
    """
    largest, _ = max(zip(files, shares, strict=True), key=lambda part: part[1])
    parts = [
        f"{share:g} of {file.name}, sha256 {file_digest(file)}"
        for file, share in zip(files, shares, strict=True)
    ]
    told = {**recorded_config(largest), "average_of": parts}
    return {"format": "pt", CONFIG_KEY: json.dumps(told, sort_keys=True)}


def main(argv: Sequence[str]) -> int:
    """Write the average of some files."""
    parser = argparse.ArgumentParser(prog="enhancer_worker average", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="two or more .safetensors files")
    parser.add_argument("--shares", nargs="+", type=float, help="of each; default: equal ones")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    args = parser.parse_args(argv)
    if args.out.suffix != SUFFIX:
        parser.error(f"--out is a {SUFFIX} file")
    if args.out.resolve() in [file.resolve() for file in args.files]:
        parser.error(f"--out {args.out} would replace what it is made of")
    shares = args.shares or [1 / len(args.files)] * len(args.files)
    state = average(args.files, shares)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_weights(state, args.out, header_of(args.files, shares))
    sys.stdout.write(f"{args.out}: judge it before you use it, by evaluate or compare\n")
    return 0


def _weighed(tensors: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    result = torch.zeros(tensors[0].shape, dtype=torch.float64)
    for tensor, share in zip(tensors, shares, strict=True):
        result.add_(tensor.double(), alpha=share)
    return result
