"""Takes out the comb of networks that write a picture in squares of two pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Planes = NDArray[np.float32]

_SMOOTHING = (0.25, 0.5, 0.25)
"""Leaves nothing of what changes its sign from pixel to pixel, and all of a ramp."""
_REACH = 4.0
"""Over which a comb is alike, standard deviation, pixels: texture has no comb of that length."""
_STRONGEST = 4 / 255
"""A comb is some levels of 255 at most."""


def without_comb(planes: Planes) -> Planes:
    """Remove what alternates from row to row and from column to column over many pixels.

    Each output pixel of a pixel shuffle (arXiv 1609.05158) has weights of its own, so the four of a
    square differ by a little everywhere; enlarged, that is a grid on what should be smooth.

    Args:
        planes: (C, H, W), float32.

    Returns:
        Same shape; edges and ramps are as they were.
    """
    smooth = planes
    for axis in (1, 2):
        smooth = ndimage.convolve1d(smooth, _SMOOTHING, axis)
    # Beyond the border nobody knows how a ramp goes on, and an edge is no comb, however strong.
    fine = np.clip(planes - smooth, -_STRONGEST, _STRONGEST)[:, 1:-1, 1:-1]
    places = np.indices(planes.shape[1:]) % 2
    rows, columns = np.float32(1) - 2 * places.astype(np.float32)
    even = planes.copy()
    for sign in (rows, columns, rows * columns):
        comb = ndimage.gaussian_filter(fine * sign[1:-1, 1:-1], (0, _REACH, _REACH), mode="mirror")
        even -= sign * np.pad(comb, ((0, 0), (1, 1), (1, 1)), "edge")
    return even
