"""Reads `weights.json`: which weight files ship, their digests, and how they came to be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shopimg.contract import WorkerError

SHIPPED_WEIGHTS = Path(__file__).parent.parent / "weights"
MANIFEST_NAME = "weights.json"


@dataclass(frozen=True, slots=True)
class Int8Record:
    """What is known about the 8-bit version of a network."""

    sha256: Mapping[str, str]
    """Digests of `NAME.int8.xml` and `NAME.int8.bin`, by file name."""
    loss_db: float
    """What it loses on the kind of held-out photographs where it loses most, dB."""
    chosen: bool
    """Whether that is little enough to run it without being asked."""


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
    config: Mapping[str, Any] = field(default_factory=dict)
    """Every option of the training run; empty where the run did not record them."""
    int8: Int8Record | None = None
    """The 8-bit version for CPUs, where there is one."""

    @property
    def files(self) -> dict[str, str]:
        """Digests of all its files, by file name."""
        int8 = self.int8.sha256 if self.int8 else {}
        return {self.file: self.sha256, **self.openvino_sha256, **int8}

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


def read_record(name: str, weights_dir: Path = SHIPPED_WEIGHTS) -> WeightsRecord:
    """One entry of a folder's `weights.json`.

    Raises:
        WorkerError: the manifest cannot be read, or does not list the name; the detail says what
            it lists.
    """
    records = read_manifest(weights_dir)
    if name not in records:
        listed = ", ".join(records) or "nothing"
        raise WorkerError(
            detail=f"{weights_dir / MANIFEST_NAME} does not list {name}; it lists {listed}"
        )
    return records[name]


def verified_weights(name: str, weights_dir: Path = SHIPPED_WEIGHTS) -> Path:
    """Path of a `.safetensors` file whose digest is the one in the manifest.

    Raises:
        WorkerError: unknown name, missing file or another digest.
    """
    record = read_record(name, weights_dir)
    return verified_file(weights_dir / record.file, record.sha256)


def verified_openvino(name: str, weights_dir: Path = SHIPPED_WEIGHTS) -> Path:
    """Path of an exported `.xml` file; it and its `.bin` have the manifest's digests.

    Raises:
        WorkerError: unknown name, missing file or another digest.
    """
    record = read_record(name, weights_dir)
    for file, sha256 in record.openvino_sha256.items():
        verified_file(weights_dir / file, sha256)
    return weights_dir / f"{name}.xml"


def verified_int8(name: str, weights_dir: Path = SHIPPED_WEIGHTS) -> Path:
    """Path of the 8-bit `.xml` file; it and its `.bin` have the manifest's digests.

    Raises:
        WorkerError: unknown name, no 8-bit version, missing file or another digest.
    """
    record = read_record(name, weights_dir)
    if record.int8 is None:
        raise WorkerError(detail=f"{weights_dir / MANIFEST_NAME} lists no int8 version of {name}")
    for file, sha256 in record.int8.sha256.items():
        verified_file(weights_dir / file, sha256)
    return weights_dir / int8_file(name)


def int8_file(name: str) -> str:
    """File name of the 8-bit version of a network.

    >>> int8_file("restore_s")
    'restore_s.int8.xml'
    """
    return f"{name}.int8.xml"


def verified_file(path: Path, sha256: str) -> Path:
    """Path of a file that has a digest.

    Raises:
        WorkerError: it cannot be read, or has another digest.
    """
    try:
        found = file_digest(path)
    except OSError as err:
        raise WorkerError(detail=f"cannot read {path}: {err.strerror}") from err
    if found != sha256:
        raise WorkerError(detail=f"{path} has sha256 {found}, expected {sha256}")
    return path


def file_digest(path: Path) -> str:
    """sha256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
        config=entry.get("config", {}),
        int8=_int8_record(entry["int8"]) if entry.get("int8") else None,
    )


def _int8_record(entry: Mapping[str, Any]) -> Int8Record:
    return Int8Record(dict(entry["sha256"]), float(entry["loss_db"]), bool(entry["chosen"]))
