"""Exports networks to OpenVINO and records them in `weights.json`."""

import argparse
import contextlib
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from safetensors import safe_open
from torch import nn

from enhancer_worker.engine.loading import convert
from enhancer_worker.nets.manifest import (
    MANIFEST_NAME,
    SHIPPED_WEIGHTS,
    file_digest,
    int8_file,
)
from enhancer_worker.nets.state_files import read_header, read_state
from enhancer_worker.nets.zoo import ZOO, ZooEntry, read_net, zoo_entry
from enhancer_worker.training.adapters import fold_file
from enhancer_worker.training.averages import write_weights
from enhancer_worker.training.config_file import CONFIG_KEY, recorded_config
from enhancer_worker.training.quantize import VARIANTS, Material, export_int8, read_material
from shopimg.contract import WorkerError

LARGEST_DIFFERENCE = 1e-4
"""Most that an exported network may differ from PyTorch in fp32, of a range of 1."""
CHECKED_SHAPES = ((1, 3, 48, 80), (2, 3, 100, 36))
"""(batch, channels, height, width) on which an export is compared."""
CHECKED_PICTURE = ((1, 3, 320, 320),)
"""The same of a network that only ever sees whole pictures."""
UNKNOWN: Mapping[str, Any] = {"command": "", "data": [], "licence": "not recorded", "metrics": {}}
"""What is recorded of weights of which nobody told anything."""
TOLD = (*UNKNOWN, "date", "config", "remarks")
"""What stays as it was recorded as long as the weights are the same."""


class ExportError(WorkerError):
    """A network cannot be exported, or not so that it computes what PyTorch computes."""


def export_net(entry: ZooEntry, weights: Path, out: Path) -> list[Path]:
    """Write one network as OpenVINO IR, with dynamic batch, height and width.

    Weights in half precision stay so, which halves the files; the network computes in fp32.

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
    model = convert(net, entry.multiple_of, entry.input_shape)
    difference = largest_difference(model, net, _checked_shapes(entry))
    if difference > LARGEST_DIFFERENCE:
        raise ExportError(detail=f"{entry.name} differs from PyTorch by {difference:.2g}")
    path = out / f"{entry.name}.xml"
    ov.save_model(model, path, compress_to_fp16=_is_half(weights))
    return [path, path.with_suffix(".bin")]


def _is_half(weights: Path) -> bool:
    """Whether all numbers of a file have sixteen bits."""
    with safe_open(weights, "pt") as file:
        return {str(file.get_slice(key).get_dtype()) for key in file.keys()} == {"F16"}  # noqa: SIM118


@contextlib.contextmanager
def halved(weights: Path) -> Iterator[Path]:
    """Write a file whose numbers are rounded to half precision, beside the one that has them all.

    Args:
        weights: a `.safetensors` file.

    Yields:
        The other file, which is gone afterwards unless it was moved.

    Raises:
        ExportError: one of them is beyond its range.
        WorkerError: the file is missing or damaged.
    """
    header = read_header(weights)
    state = {key: value.half() for key, value in read_state(weights).items()}
    if not all(bool(value.isfinite().all()) for value in state.values()):
        raise ExportError(detail=f"{weights.name} has numbers beyond half precision")
    path = weights.with_suffix(".half")
    try:
        write_weights(state, path, header)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _checked_shapes(entry: ZooEntry) -> Sequence[tuple[int, int, int, int]]:
    if entry.input_shape is not None:
        return ((1, *entry.input_shape),)
    return CHECKED_PICTURE if entry.kind == "cutout" else CHECKED_SHAPES


@torch.no_grad()
def largest_difference(
    model: ov.Model, net: nn.Module, shapes: Sequence[tuple[int, int, int, int]] = CHECKED_SHAPES
) -> float:
    """Largest absolute difference between both engines on noise of several sizes, of 1."""
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(model, "CPU", options)
    rng = np.random.default_rng(0)
    worst = 0.0
    for shape in shapes:
        lq = rng.random(shape, dtype=np.float32)
        expected = net(torch.from_numpy(lq)).numpy()
        difference = float(np.abs(compiled(lq)[0] - expected).max())
        worst = max(worst, difference if math.isfinite(difference) else math.inf)
    return worst


def write_entry(
    out: Path, entry: ZooEntry, files: Sequence[Path], facts: Mapping[str, Any]
) -> None:
    """Add or replace one entry of `weights.json`.

    Args:
        out: the weights folder.
        entry: which network.
        files: the exported files.
        facts: `command`, `data`, `licence`, `metrics` and `date` of the training; `int8` where
            there is one.
    """
    known = read_entries(out)
    weights = out / f"{entry.name}.safetensors"
    net = read_net(entry.name, weights)
    known[entry.name] = {
        "sha256": file_digest(weights),
        "openvino_sha256": {path.name: file_digest(path) for path in files},
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "net": net.describe(),  # type: ignore[operator]
        **UNKNOWN,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "config": recorded_config(weights),
        **facts,
    }
    ordered = {name: known[name] for name in ZOO if name in known}
    (out / MANIFEST_NAME).write_text(json.dumps({"weights": ordered}, indent=2) + "\n")


def read_entries(out: Path) -> dict[str, Any]:
    """What `weights.json` of a folder says, by weight name; nothing where there is none yet.

    Raises:
        ExportError: it cannot be read.
    """
    path = out / MANIFEST_NAME
    if not path.exists():
        return {}
    found = _read_json(path).get("weights")
    if not isinstance(found, dict):
        raise ExportError(detail=f"{path} lists no weights: mend it, or remove it to begin anew")
    return found


def read_facts(path: Path) -> dict[str, Any]:
    """What `--facts` tells of trainings, by weight name.

    Raises:
        ExportError: there is no such file, or it is not understood.
    """
    facts = _read_json(path)
    if not all(isinstance(told, dict) for told in facts.values()):
        raise ExportError(detail=f'{path} is not {{"NAME": {{"licence": ...}}}}, facts by name')
    return facts


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except OSError as err:
        raise ExportError(detail=f"cannot read {path}: {err.strerror}") from err
    except ValueError as err:
        raise ExportError(detail=f"{path} is no JSON: {err}") from err
    if not isinstance(found, dict):
        raise ExportError(detail=f"{path} holds no JSON object")
    return found


def known_entry(out: Path, name: str) -> dict[str, Any]:
    """What `weights.json` says about the weights that lie there now; empty where of others."""
    entry: dict[str, Any] = read_entries(out).get(name, {})
    same = entry.get("sha256") == file_digest(out / f"{name}.safetensors")
    return entry if same else {}


def remove_int8(out: Path, name: str) -> None:
    """Take an 8-bit version away that was made of other weights."""
    stale = out / int8_file(name)
    stale.unlink(missing_ok=True)
    stale.with_suffix(".bin").unlink(missing_ok=True)


def fold_adapters(name: str, out: Path, adapters: Path) -> None:
    """Replace the weights that lie there by those with adapters folded in, and their config.

    Raises:
        AdapterError: the adapters belong to other weights.
    """
    path = out / f"{name}.safetensors"
    net = fold_file(read_net(name, path), adapters, file_digest(path))
    config = json.dumps(recorded_config(adapters), sort_keys=True)
    write_weights(net.state_dict(), path, {"format": "pt", CONFIG_KEY: config})


def export_entry(
    entry: ZooEntry,
    out: Path,
    material: Material | None,
    facts: Mapping[str, Any],
    *,
    half: bool = False,
) -> str:
    """Export one network, in 8 bits too where there are photographs, and record it.

    Args:
        entry: which network.
        out: folder with its `.safetensors` file.
        material: photographs for the 8-bit version; None keeps the one that there is.
        facts: replace what `weights.json` says about the training of the same weights.
        half: store the weights in half precision from now on.

    Returns:
        One line about what was written.

    Raises:
        ExportError: the export computes something else, or half precision cannot hold the weights.
    """
    weights = out / f"{entry.name}.safetensors"
    known = known_entry(out, entry.name)
    with halved(weights) if half else contextlib.nullcontext(weights) as used:
        # References of the literature are only compared with: no engine runs them.
        files = [] if entry.is_reference else export_net(entry, used, out)
        # The same weights in another network, such as one that got a back-projection, need a new
        # one.
        is_same_net = not entry.net or known.get("net") == entry.net
        int8 = {"int8": known["int8"]} if "int8" in known and is_same_net else {}
        if material and not entry.is_reference and entry.kind in VARIANTS:
            int8 = {"int8": export_int8(entry, files[0], material)}
        elif not int8:
            remove_int8(out, entry.name)
        # Not before, or weights.json knew nothing of the weights if this had failed.
        used.replace(weights)
    told = {key: known[key] for key in TOLD if key in known}
    write_entry(out, entry, files, {**told, **facts, **int8})
    made = [path.name for path in files] or ["recorded"]
    names = ", ".join((*made, *int8.get("int8", {}).get("sha256", ())))
    if not int8:
        return f"{entry.name}: {names}; no int8"
    eight = int8["int8"]
    use = "chosen" if eight["chosen"] else f"not chosen: {eight.get('objection', 'too much')}"
    return f"{entry.name}: {names}; int8 loses {eight['loss_db']:.3f} dB at most: {use}"


def _exported(names: Sequence[str], out: Path) -> list[ZooEntry]:
    """Networks to export: those named, or all that the folder has weights of."""
    entries = [zoo_entry(name) for name in names or ZOO]
    present = [entry for entry in entries if (out / f"{entry.name}.safetensors").is_file()]
    missing = [entry.name for entry in entries if entry not in present]
    if not present or (names and missing):
        wanted = ", ".join(f"{name}.safetensors" for name in missing if names) or "NAME.safetensors"
        raise ExportError(detail=f"nothing to export: no {wanted} in {out}, see --weights")
    return present


def main(argv: Sequence[str]) -> int:
    """Export the named networks (all with weights by default) and record their digests."""
    parser = argparse.ArgumentParser(prog="enhancer_worker export", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {' '.join(ZOO)}; default: all there are")
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED_WEIGHTS, help="folder with NAME.safetensors"
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with photos/, or any with pictures: makes the int8 versions and judges them",
    )
    parser.add_argument(
        "--facts", type=Path, help="JSON: command, data, licence, metrics, date by name"
    )
    parser.add_argument(
        "--adapters", type=Path, help="of finetune: fold them into the one named network first"
    )
    parser.add_argument(
        "--half",
        action="store_true",
        help="store the weights in half precision: half as large, computed in fp32 as before; "
        "what is known of them is kept, so evaluate them again",
    )
    args = parser.parse_args(argv)
    if args.adapters and len(args.names) != 1:
        parser.error("--adapters belong to one network: name it")
    entries = _exported(args.names, args.weights)
    facts = read_facts(args.facts) if args.facts else {}
    if facts and not any(entry.name in facts for entry in entries):
        raise ExportError(detail=f"{args.facts} tells of {', '.join(facts)} only")
    material = read_material(args.data) if args.data else None
    if args.adapters:
        fold_adapters(args.names[0], args.weights, args.adapters)
    for entry in entries:
        told = facts.get(entry.name, {})
        line = export_entry(entry, args.weights, material, told, half=args.half)
        sys.stdout.write(line + "\n")
    return 0
