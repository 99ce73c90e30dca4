"""Rectangles of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels; what ends it is not in it any more."""

    left: int
    """Column of its first pixel."""
    top: int
    """Row likewise."""
    right: int
    """Column after its last pixel."""
    bottom: int
    """Row likewise."""

    @property
    def width(self) -> int:
        """Pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> tuple[slice, slice]:
        """Rows and columns, to cut it out of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def turned(self) -> Box:
        """Return the same rectangle of the transposed picture."""
        return Box(self.top, self.left, self.bottom, self.right)

    def lowered(self, rows: int) -> Box:
        """Return the rectangle further down."""
        return Box(self.left, self.top + rows, self.right, self.bottom + rows)


def box_of(marked: NDArray[np.uint8] | NDArray[np.bool_]) -> Box | None:
    """Find the smallest box around every pixel that is not 0 or False; None where all are.

    Args:
        marked: (H, W).
    """
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
