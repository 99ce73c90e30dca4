"""Exports networks to OpenVINO and records them in `weights.json`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from torch import nn

from enhancer_worker.engine.loading import convert
from enhancer_worker.nets.manifest import MANIFEST_NAME, SHIPPED_WEIGHTS, file_digest
from enhancer_worker.nets.zoo import ZOO, ZooEntry, read_net, zoo_entry
from shopimg.contract import WorkerError

LARGEST_DIFFERENCE = 1e-4
"""Most that an exported network may differ from PyTorch in fp32, of a range of 1."""
CHECKED_SIZES = ((1, 48, 80), (2, 100, 36))
"""(batch, height, width) on which an export is compared."""
WEIGHTS_LICENCE = "BSD-3-Clause"


class ExportError(WorkerError):
    """The exported network does not compute what PyTorch computes."""


def export_net(entry: ZooEntry, weights: Path, out: Path) -> list[Path]:
    """Write one network as OpenVINO IR, fp32, with dynamic batch, height and width.

    Args:
        entry: which network.
        weights: its `.safetensors` file.
        out: folder for `NAME.xml` and `NAME.bin`.

    Returns:
        The two files.

    Raises:
        ExportError: the result differs from PyTorch's by more than `LARGEST_DIFFERENCE`.
    """
    net = read_net(entry.name, weights)
    model = convert(net, entry.multiple_of)
    difference = largest_difference(model, net)
    if difference > LARGEST_DIFFERENCE:
        raise ExportError(detail=f"{entry.name} differs from PyTorch by {difference:.2g}")
    path = out / f"{entry.name}.xml"
    ov.save_model(model, path, compress_to_fp16=False)
    return [path, path.with_suffix(".bin")]


@torch.no_grad()
def largest_difference(model: ov.Model, net: nn.Module) -> float:
    """Largest absolute difference between both engines on noise of several sizes, of 1."""
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(model, "CPU", options)
    rng = np.random.default_rng(0)
    worst = 0.0
    for batch, height, width in CHECKED_SIZES:
        lq = rng.random((batch, 3, height, width), dtype=np.float32)
        expected = net(torch.from_numpy(lq)).numpy()
        worst = max(worst, float(np.abs(compiled(lq)[0] - expected).max()))
    return worst


def write_entry(
    out: Path, entry: ZooEntry, files: Sequence[Path], facts: Mapping[str, Any]
) -> None:
    """Add or replace one entry of `weights.json`.

    Args:
        out: the weights folder.
        entry: which network.
        files: the exported files.
        facts: `command`, `data`, `metrics` and `date` of the training.
    """
    manifest_path = out / MANIFEST_NAME
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {"weights": {}}
    weights = out / f"{entry.name}.safetensors"
    net = read_net(entry.name, weights)
    manifest["weights"][entry.name] = {
        "sha256": file_digest(weights),
        "openvino_sha256": {path.name: file_digest(path) for path in files},
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "net": net.describe(),  # type: ignore[operator]
        "licence": WEIGHTS_LICENCE,
        **facts,
    }
    ordered = {name: manifest["weights"][name] for name in ZOO if name in manifest["weights"]}
    manifest_path.write_text(json.dumps({"weights": ordered}, indent=2) + "\n")


def known_facts(out: Path, name: str) -> dict[str, Any]:
    """What `weights.json` already says about the training of a network, else empty values."""
    path = out / MANIFEST_NAME
    entry = json.loads(path.read_text())["weights"].get(name, {}) if path.exists() else {}
    empty = {"command": "", "data": [], "metrics": {}, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    return {key: entry.get(key, default) for key, default in empty.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Export the named networks (all by default) and record their digests."""
    parser = argparse.ArgumentParser(prog="enhancer_worker export", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"weight names; default: {' '.join(ZOO)}")
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED_WEIGHTS, help="folder with NAME.safetensors"
    )
    parser.add_argument("--facts", type=Path, help="JSON: command, data, metrics, date by name")
    args = parser.parse_args(sys.argv[1:] if argv is None else argv)
    facts = json.loads(args.facts.read_text()) if args.facts else {}
    for name in args.names or ZOO:
        entry = zoo_entry(name)
        files = export_net(entry, args.weights / f"{name}.safetensors", args.weights)
        write_entry(
            args.weights, entry, files, {**known_facts(args.weights, name), **facts.get(name, {})}
        )
        sys.stdout.write(f"{name}: {', '.join(path.name for path in files)}\n")
    return 0
