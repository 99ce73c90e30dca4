"""Turns a weights name into a network that runs: found, verified, loaded."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.device import Placement
from enhancer_worker.engine.download import fetch_missing
from enhancer_worker.engine.precision import (
    BF16_FACTOR,
    INT8_FACTOR,
    Candidate,
    has_bf16_units,
    has_int8_units,
    pick_fastest,
)
from enhancer_worker.engine.session import LoadedNet, Session
from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.nets.manifest import (
    WeightsRecord,
    read_record,
    verified_int8,
    verified_openvino,
)
from enhancer_worker.nets.zoo import ZooEntry, load_net
from shopimg.contract import WorkerError

if TYPE_CHECKING:
    import openvino as ov
    from torch import nn

_LARGEST_SIDE = 16_384
_ALWAYS_EXACT = frozenset({"estimate", "blur", "cutout", "backdrop"})
_CONVERSION = threading.Lock()

logger = logging.getLogger(__name__)


def load(entry: ZooEntry, placement: Placement, config: WorkerConfig) -> LoadedNet:
    """Load a network.

    Args:
        entry: which one.
        placement: engine, device and precision; what judges uploads, cuts out or makes backdrops, a
            whole picture at once, always runs on the CPU in fp32.
        config: threads, and where the weights are.

    Raises:
        WorkerError: a file is missing or is not the one that ``weights.json`` pins; or the weights
            are of another network than this version runs; or int8 was asked for and there is none.
    """
    if entry.kind in _ALWAYS_EXACT:
        # Estimates and cut-outs meet thresholds, a backdrop shall be the same on any machine, and
        # none takes time: there is nothing to gain. Nor should they fail because a GPU is full.
        placement = placement.exact()
    record = read_record(entry.name, config.weights_dir)
    _check_net(entry, record)
    if placement.engine == "torch":
        session = _load_torch(record, placement, config)
    else:
        session = _load_openvino(entry, record, placement, config)
    logger.info("%s runs on %s", entry.name, session.device)
    geometry = Geometry(entry.scale, entry.halo, entry.multiple_of)
    return LoadedNet(entry.name, record.sha256, geometry, session, entry.flavour)


def convert(
    net: nn.Module, multiple_of: int, input_shape: tuple[int, int, int] | None = None
) -> ov.Model:
    """Convert a network to OpenVINO with dynamic batch, height and width.

    Args:
        net: in evaluation mode, on the CPU.
        multiple_of: what its height and width must be multiples of.
        input_shape: channels, height and width, where they are fixed; the batch then is one.
    """
    import openvino  # noqa: PLC0415 - only where there is no exported file
    import torch  # noqa: PLC0415 - likewise

    if input_shape is not None:
        fixed = torch.export.export(net, (torch.zeros(1, *input_shape),))
        with _kept_log_level():
            return openvino.convert_model(fixed)
    units = _LARGEST_SIDE // multiple_of
    # One pixel is a special case for the exporter, so the ranges begin above it.
    height = multiple_of * torch.export.Dim("height", min=8, max=units)
    width = multiple_of * torch.export.Dim("width", min=8, max=units)
    batch = torch.export.Dim("batch", min=1, max=64)
    example = torch.zeros(2, 3, 16 * multiple_of, 24 * multiple_of)
    shapes: Any = ({0: batch, 2: height, 3: width},)
    program = torch.export.export(net, (example,), dynamic_shapes=shapes)
    with _kept_log_level():
        return openvino.convert_model(program)


def _check_net(entry: ZooEntry, record: WeightsRecord) -> None:
    """Refuse weights of another network: an exported file runs, but its halo is not the entry's."""
    if entry.net and record.net != entry.net:
        raise WorkerError(
            detail=f"{entry.name} is {record.net} in weights.json, and this version runs "
            f"{entry.net}: use the weights of this version"
        )


@contextlib.contextmanager
def _kept_log_level() -> Iterator[None]:
    """Undo what OpenVINO does to the root logger: a failed conversion would leave it at ERROR.

    So would two at once, as each restores the level that it found.
    """
    with _CONVERSION:
        level, filters = logging.root.level, list(logging.root.filters)
        try:
            yield
        finally:
            logging.root.setLevel(level)
            logging.root.filters[:] = filters


def _load_torch(record: WeightsRecord, placement: Placement, config: WorkerConfig) -> Session:
    from enhancer_worker.engine.torch_loading import torch_session  # noqa: PLC0415 - needs torch

    fetch_missing(config.weights_dir / record.file, record.sha256, config.weights_url)

    def build() -> nn.Module:
        return load_net(record.name, config.weights_dir)

    return torch_session(build, record.sha256, placement, config)


def _load_openvino(
    entry: ZooEntry, record: WeightsRecord, placement: Placement, config: WorkerConfig
) -> Session:
    # A CUDA worker must not need OpenVINO, and a CPU worker must not import PyTorch.
    from enhancer_worker.engine.openvino_session import OpenVinoSession  # noqa: PLC0415

    def session(precision: str) -> OpenVinoSession:
        quantized = precision == "int8"
        model = _int8_model(record, config) if quantized else _exact_model(entry, record, config)
        return OpenVinoSession(model, threads=config.threads, precision=precision)

    if placement.precision != "auto":
        return session(placement.precision)
    candidates = []
    if record.int8 is not None and record.int8.chosen and has_int8_units():
        candidates.append(Candidate(session("int8"), INT8_FACTOR))
    if has_bf16_units():
        candidates.append(Candidate(session("bf16"), BF16_FACTOR))
    return pick_fastest(session("fp32"), candidates)


def _exact_model(entry: ZooEntry, record: WeightsRecord, config: WorkerConfig) -> ov.Model | Path:
    if record.openvino_sha256:
        for file, sha256 in record.openvino_sha256.items():
            fetch_missing(config.weights_dir / file, sha256, config.weights_url)
        return verified_openvino(record.name, config.weights_dir)
    fetch_missing(config.weights_dir / record.file, record.sha256, config.weights_url)
    net = load_net(record.name, config.weights_dir)
    return convert(net, entry.multiple_of, entry.input_shape)


def _int8_model(record: WeightsRecord, config: WorkerConfig) -> Path:
    files = record.int8.sha256 if record.int8 else {}
    for file, sha256 in files.items():
        fetch_missing(config.weights_dir / file, sha256, config.weights_url)
    return verified_int8(record.name, config.weights_dir)
