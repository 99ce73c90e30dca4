"""Kernels of lenses and hands, and what they do to each frequency of a picture."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

Kernel = NDArray[np.float32]

RADIUS_PIXELS = 6
RADII = (0.05, 0.10, 0.15, 0.20, 0.27, 0.35)
"""Frequencies at which kernels are told apart, cycles per pixel."""
ANGLES = tuple(math.pi * step / 8 for step in range(8))
"""Directions of these frequencies, radians; a kernel that is its own mirror needs half a turn."""
FREQUENCIES = len(RADII) * len(ANGLES)


def gaussian_kernel(sigma_x: float, sigma_y: float, angle: float) -> Kernel:
    """Anisotropic Gaussian of sum one.

    Args:
        sigma_x: standard deviation along the first axis of the ellipse, pixels.
        sigma_y: standard deviation along the second one, pixels.
        angle: rotation of the ellipse, radians.

    Returns:
        (2r + 1, 2r + 1), float32.
    """
    x, y = _grid()
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    return _of_sum_one(np.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2)))


def disk_kernel(radius: float) -> Kernel:
    """Defocus: a disk of sum one with a soft rim.

    Args:
        radius: of the disk, pixels, at most `RADIUS_PIXELS`.
    """
    x, y = _grid()
    return _of_sum_one(np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def motion_kernel(length: float, angle: float) -> Kernel:
    """Hand shake along a straight line, of sum one.

    Args:
        length: of the line, pixels, at most twice `RADIUS_PIXELS`.
        angle: of the line, radians.
    """
    x, y = _grid()
    along = np.abs(x * math.cos(angle) + y * math.sin(angle))
    across = np.abs(y * math.cos(angle) - x * math.sin(angle))
    return _of_sum_one(np.clip(length / 2 + 0.5 - along, 0, 1) * np.clip(1 - across, 0, 1))


def transfer(kernel: Kernel) -> NDArray[np.float32]:
    """What is left of each of the frequencies `RADII` x `ANGLES`, in that order.

    Args:
        kernel: (2r + 1, 2r + 1), its own mirror about the centre, of sum one.

    Returns:
        (FREQUENCIES,), float32, -1 to 1; 1 throughout for a picture that is not blurred, negative
        where black and white change places.
    """
    values: NDArray[np.float32] = (_waves() * kernel).sum((1, 2)).astype(np.float32)
    return values


@functools.cache
def _waves() -> NDArray[np.float64]:
    """(FREQUENCIES, 2r + 1, 2r + 1): a cosine of each frequency."""
    x, y = _grid()
    radii, angles = (values.ravel()[:, None, None] for values in np.meshgrid(RADII, ANGLES))
    phase = radii * (x * np.cos(angles) + y * np.sin(angles))
    waves: NDArray[np.float64] = np.cos(2 * math.pi * phase)
    return waves


def _of_sum_one(weights: NDArray[np.floating]) -> Kernel:
    kernel: Kernel = (weights / weights.sum()).astype(np.float32)
    return kernel


def _grid() -> tuple[Kernel, Kernel]:
    side = np.arange(-RADIUS_PIXELS, RADIUS_PIXELS + 1, dtype=np.float32)
    x, y = np.meshgrid(side, side)
    return x, y
