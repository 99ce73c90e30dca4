"""Reads `weights.json`: which weight files ship, their digests, and how they came to be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopimg.contract import WorkerError

SHIPPED_WEIGHTS = Path(__file__).parent.parent / "weights"
MANIFEST_NAME = "weights.json"


@dataclass(frozen=True, slots=True)
class WeightsRecord:
    """One entry of `weights.json`."""

    name: str
    """Weight name, a key of `zoo.ZOO`."""
    sha256: str
    """Digest of `NAME.safetensors`, 64 hexadecimal digits."""
    openvino_sha256: Mapping[str, str]
    """Digests of the exported `NAME.xml` and `NAME.bin`, by file name."""
    parameters: int
    """Trained numbers."""
    net: Mapping[str, Any]
    """Network and the fields of its config."""
    command: str
    """Training command; folders are placeholders."""
    data: tuple[Mapping[str, str], ...]
    """Training sets: `name` and `licence` of each."""
    licence: str
    """Licence of the weights themselves."""
    metrics: Mapping[str, Any]
    """What `evaluate` measured, by benchmark."""
    date: str
    """Day on which the training ended, ISO 8601."""

    @property
    def file(self) -> str:
        """File name of the weights."""
        return f"{self.name}.safetensors"


def read_manifest(weights_dir: Path = SHIPPED_WEIGHTS) -> dict[str, WeightsRecord]:
    """All entries of a folder's `weights.json`, by weight name.

    Raises:
        WorkerError: the file is missing or is not understood.
    """
    path = weights_dir / MANIFEST_NAME
    try:
        entries = json.loads(path.read_text())["weights"]
        return {name: _record(name, entry) for name, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise WorkerError(detail=f"{path}: {type(err).__name__}: {err}") from err


def verified_weights(name: str, weights_dir: Path = SHIPPED_WEIGHTS) -> Path:
    """Path of a `.safetensors` file whose digest is the one in the manifest.

    Raises:
        WorkerError: unknown name, missing file or another digest.
    """
    record = _known(name, weights_dir)
    return _verified(weights_dir / record.file, record.sha256)


def verified_openvino(name: str, weights_dir: Path = SHIPPED_WEIGHTS) -> Path:
    """Path of an exported `.xml` file; it and its `.bin` have the manifest's digests.

    Raises:
        WorkerError: unknown name, missing file or another digest.
    """
    record = _known(name, weights_dir)
    for file, sha256 in record.openvino_sha256.items():
        _verified(weights_dir / file, sha256)
    return weights_dir / f"{name}.xml"


def file_digest(path: Path) -> str:
    """sha256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _known(name: str, weights_dir: Path) -> WeightsRecord:
    records = read_manifest(weights_dir)
    if name not in records:
        raise WorkerError(detail=f"{weights_dir / MANIFEST_NAME} does not list {name}")
    return records[name]


def _verified(path: Path, sha256: str) -> Path:
    try:
        found = file_digest(path)
    except OSError as err:
        raise WorkerError(detail=f"cannot read {path}: {err.strerror}") from err
    if found != sha256:
        raise WorkerError(detail=f"{path} has sha256 {found}, expected {sha256}")
    return path


def _record(name: str, entry: Mapping[str, Any]) -> WeightsRecord:
    return WeightsRecord(
        name=name,
        sha256=entry["sha256"],
        openvino_sha256=dict(entry["openvino_sha256"]),
        parameters=entry["parameters"],
        net=entry["net"],
        command=entry["command"],
        data=tuple(entry["data"]),
        licence=entry["licence"],
        metrics=entry["metrics"],
        date=entry["date"],
    )
