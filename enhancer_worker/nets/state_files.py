"""Reads `.safetensors` files; one that is missing or damaged is told in a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from shopimg.contract import WorkerError

if TYPE_CHECKING:
    from torch import Tensor


def read_state(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, on the CPU, by name.

    Raises:
        WorkerError: there is no such file, or it is none of this format, or not whole.
    """
    from safetensors.torch import load_file  # noqa: PLC0415 - needs torch

    with _told(path):
        state: dict[str, Tensor] = load_file(path)
    return state


def read_header(path: Path) -> dict[str, str]:
    """The text values that the header of a file has beside its tensors.

    Raises:
        WorkerError: there is no such file, or it is none of this format, or not whole.
    """
    with _told(path), safe_open(path, "numpy") as file:
        return dict(file.metadata() or {})


@contextmanager
def _told(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise WorkerError(detail=f"there is no file {path}")
    try:
        yield
    except (OSError, SafetensorError) as err:
        raise WorkerError(detail=f"{path} is no whole .safetensors file: {err}") from err
