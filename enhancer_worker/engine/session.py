"""The one interface between the engine and a loaded network."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.tiling import Geometry


class DeviceMemoryError(MemoryError):
    """The device has no room for a batch of this size; a smaller one may fit."""


class Session(Protocol):
    """A network loaded on a device."""

    @property
    def device(self) -> str:
        """Words for reports, such as ``cpu (openvino)``."""
        ...

    @property
    def largest_batch(self) -> int:
        """Tiles that are worth running at once, at least 1."""
        ...

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            batch: (B, C, H, W), float32, as the network takes it. What enhances takes RGB in
                [0, 1]; H and W suit its geometry.

        Returns:
            float32, as the network gives it, valid until the next call. What enhances gives
            (B, 3, scale * H, scale * W), RGB, about [0, 1] (not clipped).

        Raises:
            DeviceMemoryError: the batch does not fit.
        """
        ...

    def close(self) -> None:
        """Give the memory back; the session is not used again."""
        ...


@runtime_checkable
class LevelSession(Session, Protocol):
    """A session that scales and rounds on its device, so that only bytes go there and back."""

    def batch_for(self, height: int, width: int) -> int:
        """Tiles of a size that are worth running at once, at least 1, a power of two.

        Args:
            height: of a tile, source pixels.
            width: likewise.

        Raises:
            DeviceMemoryError: there is no room even to find out.
        """
        ...

    def run_levels(
        self, batches: Iterable[Sequence[NDArray[np.uint8]]]
    ) -> Generator[NDArray[np.uint8], None, None]:
        """Run batches; one may be read and another written while the device computes a third.

        Args:
            batches: of tiles, (H, W, 3), uint8, RGB; all tiles of a batch have one size.

        Yields:
            The results of each batch, in order: (B, scale * H, scale * W, 3), uint8, RGB, as
            rounded from what calling the session gives. Valid until the next is asked for.

        Raises:
            DeviceMemoryError: a batch does not fit; results that were yielded are right.
        """
        ...

    def release(self) -> None:
        """Give back all memory of the device but the network's own."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedNet:
    """A network that is ready to run, and what is known about it."""

    name: str
    """Weight name, as listed in ``weights.json``."""
    digest: str
    """sha256 of the weights file, 64 hexadecimal digits."""
    geometry: Geometry
    """Scale, halo and alignment."""
    session: Session
    """Runs it."""
    flavour: str = ""
    """What it was trained for: ``faithful`` or ``photo``; empty for a network from elsewhere."""
    overlap: int | None = None
    """Source pixels over which neighbouring tiles are faded into each other; None where the halo
    is exact and nothing needs fading."""
    tile_size: int = 0
    """Longest side of a tile that suits the network, source pixels; 0 where any does."""
