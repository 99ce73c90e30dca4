"""The networks that ship, and what the engine must know of each; torch is imported on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from enhancer_worker.nets.manifest import SHIPPED_WEIGHTS, verified_weights
from shopimg.contract import WorkerError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """One shipped network."""

    name: str
    """Weight name; its files are `weights/NAME.safetensors`, `NAME.xml` and `NAME.bin`."""
    kind: str
    """Step that it serves: "upscale" or "restore"."""
    scale: int
    """Output pixels per input pixel along one axis."""
    halo: int
    """Source pixels around an aligned block that can change its result."""
    multiple_of: int
    """Height and width of the input must be multiples of this many pixels."""
    build: Callable[[], nn.Module]
    """Makes the network with fresh weights."""


def _upscaler(scale: int) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from enhancer_worker.nets.srvgg import SRVGG, SRVGGConfig  # noqa: PLC0415 - needs torch

        return SRVGG(SRVGGConfig(scale=scale))

    return build


def _restorer() -> nn.Module:
    from enhancer_worker.nets.unet_restorer import (  # noqa: PLC0415 - needs torch
        UNetRestorer,
        UNetRestorerConfig,
    )

    return UNetRestorer(UNetRestorerConfig())


ZOO: dict[str, ZooEntry] = {
    entry.name: entry
    for entry in (
        ZooEntry("upscale_x2_s", "upscale", 2, halo=10, multiple_of=1, build=_upscaler(2)),
        ZooEntry("upscale_x4_s", "upscale", 4, halo=10, multiple_of=1, build=_upscaler(4)),
        ZooEntry("restore_s", "restore", 1, halo=54, multiple_of=4, build=_restorer),
    )
}
"""What ships, by weight name."""


def zoo_entry(name: str) -> ZooEntry:
    """Look a network up by its weight name.

    Raises:
        WorkerError: no network of this name ships.

    >>> zoo_entry("restore_s").halo
    54
    """
    if name not in ZOO:
        raise WorkerError(detail=f"no network {name!r}; there are {', '.join(ZOO)}")
    return ZOO[name]


def load_net(name: str, weights_dir: Path = SHIPPED_WEIGHTS) -> nn.Module:
    """Build a network with its trained weights, in evaluation mode, on the CPU.

    Args:
        name: weight name.
        weights_dir: folder with `weights.json`; the file must have the digest listed there.

    Raises:
        WorkerError: unknown name, missing or altered file, or weights of another layout.
    """
    return read_net(name, verified_weights(name, weights_dir))


def read_net(name: str, path: Path) -> nn.Module:
    """Build a network with the weights of any file, such as one of an unfinished training.

    Args:
        name: weight name, which tells the architecture.
        path: a `.safetensors` file; its digest is not checked.

    Raises:
        WorkerError: unknown name, or weights of another layout.
    """
    from safetensors.torch import load_file  # noqa: PLC0415 - needs torch

    net = zoo_entry(name).build()
    try:
        net.load_state_dict(load_file(path))
    except (OSError, RuntimeError) as err:
        raise WorkerError(detail=f"{path} does not fit {name}: {err}") from err
    return net.eval().requires_grad_(False)
