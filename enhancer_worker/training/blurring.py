"""Blurs that training draws, and their application."""

import math

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.nets.blur_kernels import (
    Kernel,
    disk_kernel,
    gaussian_kernel,
    motion_kernel,
)

FloatImage = NDArray[np.float32]


def blur(image: FloatImage, kernel: Kernel) -> FloatImage:
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


def random_gaussian_kernel(rng: np.random.Generator) -> Kernel:
    """Sigma 0.2-1.6 pixels, isotropic half of the time."""
    sigma = float(rng.uniform(0.2, 1.6))
    ratio = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.3, 1.0))
    angle = float(rng.uniform(0, math.pi))
    return gaussian_kernel(sigma, max(0.15, sigma * ratio), angle)


def random_disk_kernel(rng: np.random.Generator) -> Kernel:
    """Radius 0.5-2.5 pixels."""
    return disk_kernel(float(rng.uniform(0.5, 2.5)))


def random_motion_kernel(rng: np.random.Generator) -> Kernel:
    """A line of 2-8 pixels in any direction."""
    return motion_kernel(float(rng.uniform(2, 8)), float(rng.uniform(0, math.pi)))
