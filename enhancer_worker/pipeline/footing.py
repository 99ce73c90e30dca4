"""Where and how broadly a product stands, told from its silhouette."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shopimg.contract import Backdrop

Floats = NDArray[np.float32]

_ROUNDNESS = 0.7
_FLATTEST, _STEEPEST = 0.2, 0.5
_FLOATING_GAP = 0.14
_SOLID_LEVEL = 128


@dataclass(frozen=True, slots=True)
class Ground:
    """The surface that a product stands on, in rows of a picture."""

    line: float
    """Row where the product's foremost point stands, or would, did it not float."""
    tilt: float
    """Rows per pixel of depth: 0 seen from its edge, 1 from above."""
    wall: float | None
    """Row where a wall rises; None where the surface goes on."""


def ground_of(
    bottom: float, height: float, frame_height: int, step: Backdrop, *, seamless: bool
) -> Ground:
    """Tell where the surface lies below a product.

    Args:
        bottom: row below the product's lowest one.
        height: of the product, pixels.
        frame_height: pixels.
        step: horizon and shadow mode.
        seamless: whether there is no wall.

    >>> ground_of(880, 500, 1000, Backdrop(horizon=0.6), seamless=False)
    Ground(line=880, tilt=0.43, wall=600.0)
    """
    horizon = step.horizon * frame_height
    line = bottom + (_FLOATING_GAP * height if step.shadow_mode == "floating" else 0)
    tilt = min(_STEEPEST, max(_FLATTEST, 0.15 + (bottom - horizon) / frame_height))
    # A product that stands above the horizon stands on nothing that a wall could end.
    wall = None if seamless or bottom <= horizon else horizon
    return Ground(line, round(tilt, 4), wall)


@dataclass(frozen=True, slots=True)
class Footing:
    """The lower edge of a silhouette."""

    lowest: Floats
    """(W,), float32: the lowest solid row of each column, -1 where there is none."""
    depth: float
    """How many rows of the surface the product covers."""

    @property
    def deepest(self) -> float:
        """The lowest row of all."""
        return float(self.lowest.max())

    @classmethod
    def of(cls, alpha: NDArray[np.uint8], tilt: float) -> Footing:
        """Find it; the depth is a guess: a round thing is as deep as it is wide where it stands.

        Args:
            alpha: (H, W), uint8, not empty.
            tilt: of the ground.
        """
        solid = alpha >= _SOLID_LEVEL
        height = alpha.shape[0]
        found = height - 1 - np.argmax(solid[::-1], axis=0)
        lowest = np.where(solid.any(axis=0), found, -1).astype(np.float32)
        width = float((lowest >= 0).sum())
        for _ in range(2):
            standing = np.flatnonzero(lowest >= lowest.max() - _ROUNDNESS * tilt * width / 2)
            width = float(standing[-1] - standing[0] + 1)
        # Seen from above, a body shows at least its own depth: a pencil is not a board.
        rows = np.flatnonzero(solid.any(axis=1))
        tall = float(rows[-1] - rows[0] + 1) if len(rows) else 0.0
        return cls(lowest, max(2.0, min(_ROUNDNESS * tilt * width, tall)))

    def standing(self, behind: float) -> NDArray[np.bool_]:
        """Tell which columns stand on the surface some rows behind the foremost point.

        A column stands as far in front as it reaches down, and the back is like the front. What
        reaches down nowhere, such as a handle, is in the middle.

        Args:
            behind: rows, 0 to ``depth``.
        """
        reached = self.deepest - min(behind, self.depth - behind) - 1.5
        if 0.25 < behind / self.depth < 0.75:
            reached = 0.0
        found: NDArray[np.bool_] = self.lowest >= reached
        return found & (self.lowest >= 0)
