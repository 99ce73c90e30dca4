"""Blur kernels of lenses and hands, and their application."""

import math

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]

BLUR_RADIUS_PIXELS = 6


def gaussian_kernel(sigma_x: float, sigma_y: float, angle: float) -> FloatImage:
    """Anisotropic Gaussian of sum one.

    Args:
        sigma_x: standard deviation along the first axis of the ellipse, pixels.
        sigma_y: standard deviation along the second one, pixels.
        angle: rotation of the ellipse, radians.

    Returns:
        (2r + 1, 2r + 1), float32.
    """
    x, y = _kernel_grid()
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    weights = np.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2))
    kernel: FloatImage = (weights / weights.sum()).astype(np.float32)
    return kernel


def blur(image: FloatImage, kernel: FloatImage) -> FloatImage:
    """Convolve each channel of (H, W, 3) with one odd-sized kernel; the border wraps around.

    By Fourier transform: it is ten times faster here than a direct convolution on one CPU core.
    """
    height, width = image.shape[:2]
    radius = kernel.shape[0] // 2
    centred = np.zeros((height, width), np.float32)
    centred[: kernel.shape[0], : kernel.shape[1]] = kernel
    spectrum = np.fft.rfft2(np.roll(centred, (-radius, -radius), (0, 1)))
    products = np.fft.rfft2(image, axes=(0, 1)) * spectrum[..., None]
    blurred = np.fft.irfft2(products, (height, width), (0, 1))
    return blurred.astype(np.float32)


def disk_kernel(radius: float) -> FloatImage:
    """Defocus: a disk of sum one with a soft rim.

    Args:
        radius: of the disk, pixels, at most `BLUR_RADIUS_PIXELS`.
    """
    x, y = _kernel_grid()
    inside = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    kernel: FloatImage = (inside / inside.sum()).astype(np.float32)
    return kernel


def motion_kernel(length: float, angle: float) -> FloatImage:
    """Hand shake along a straight line, of sum one.

    Args:
        length: of the line, pixels, at most twice `BLUR_RADIUS_PIXELS`.
        angle: of the line, radians.
    """
    x, y = _kernel_grid()
    along = np.abs(x * math.cos(angle) + y * math.sin(angle))
    across = np.abs(y * math.cos(angle) - x * math.sin(angle))
    weights = np.clip(length / 2 + 0.5 - along, 0, 1) * np.clip(1 - across, 0, 1)
    kernel: FloatImage = (weights / weights.sum()).astype(np.float32)
    return kernel


def random_gaussian_kernel(rng: np.random.Generator) -> FloatImage:
    """Sigma 0.2-1.6 pixels, isotropic half of the time."""
    sigma = float(rng.uniform(0.2, 1.6))
    ratio = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.3, 1.0))
    angle = float(rng.uniform(0, math.pi))
    return gaussian_kernel(sigma, max(0.15, sigma * ratio), angle)


def random_disk_kernel(rng: np.random.Generator) -> FloatImage:
    """Radius 0.5-2.5 pixels."""
    return disk_kernel(float(rng.uniform(0.5, 2.5)))


def random_motion_kernel(rng: np.random.Generator) -> FloatImage:
    """A line of 2-8 pixels in any direction."""
    return motion_kernel(float(rng.uniform(2, 8)), float(rng.uniform(0, math.pi)))


def _kernel_grid() -> tuple[FloatImage, FloatImage]:
    side = np.arange(-BLUR_RADIUS_PIXELS, BLUR_RADIUS_PIXELS + 1, dtype=np.float32)
    x, y = np.meshgrid(side, side)
    return x, y
