"""Reads `.safetensors` files; one that is missing or damaged is told in a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from shopimg.contract import WorkerError

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_TOLD = 240
"""Characters of a reason of PyTorch's that are passed on."""


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


def load_state(net: nn.Module, path: Path, name: str) -> None:
    """Give a network the tensors of a file, which must have all of them and no others.

    Args:
        net: changed in place.
        path: the file.
        name: what to call the network where the file does not fit it.

    Raises:
        WorkerError: the file is missing, damaged or of another network.
    """
    state = read_state(path)
    try:
        net.load_state_dict(state)
    except RuntimeError as err:
        # PyTorch names every tensor, a line each.
        reason = shorten(str(err), MOST_TOLD, placeholder=" ...")
        raise WorkerError(detail=f"{path} does not fit {name}: {reason}") from err


@contextmanager
def _told(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise WorkerError(detail=f"there is no file {path}")
    try:
        yield
    except (OSError, SafetensorError) as err:
        raise WorkerError(detail=f"{path} is no whole .safetensors file: {err}") from err
