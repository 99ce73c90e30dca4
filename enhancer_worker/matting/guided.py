"""Draws a coarse alpha to the edges of the picture that it belongs to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Plane = NDArray[np.float32]


def guided_coefficients(
    guide: NDArray[np.float32], alpha: Plane, weight: Plane, radius: int, eps: float
) -> Plane:
    """Fit alpha as a linear function of colour in every window, and average the windows.

    Guided Image Filtering (He, Sun and Tang 2013, TPAMI 35(6)) with a colour guide. Beyond the
    border the picture goes on as it ends, so that a product that the border cuts is no edge.
    What we changed: pixels are weighed, so that those whose alpha is sure decide about the others.

    Args:
        guide: (H, W, 3), float32, [0, 1].
        alpha: (H, W), float32, [0, 1].
        weight: (H, W), float32, above 0.
        radius: of the windows, pixels.
        eps: variance of colour, of 1, below which nothing counts as an edge.

    Returns:
        (H, W, 4), float32: weights of red, green and blue, and a constant.
    """
    size = 2 * radius + 1

    def plain_mean(plane: Plane) -> Plane:
        averaged: Plane = ndimage.uniform_filter(plane, size, mode="nearest")
        return averaged

    share = np.float32(1) / plain_mean(weight)

    def mean(plane: Plane) -> Plane:
        averaged: Plane = plain_mean(plane * weight) * share
        return averaged

    channels = [np.ascontiguousarray(guide[..., c]) for c in range(3)]
    means = [mean(channel) for channel in channels]
    mean_alpha = mean(alpha)
    together = [
        mean(channel * alpha) - m * mean_alpha for channel, m in zip(channels, means, strict=True)
    ]
    spread = {
        (i, j): mean(channels[i] * channels[j])
        - means[i] * means[j]
        + np.float32(eps if i == j else 0)
        for i in range(3)
        for j in range(i, 3)
    }
    weights = _solved(spread, together)
    constant = mean_alpha - sum(w * m for w, m in zip(weights, means, strict=True))
    return np.stack([plain_mean(plane) for plane in (*weights, constant)], axis=2)


def guided_alpha(
    guide: NDArray[np.uint8],
    coefficients: Plane,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> Plane:
    """Apply the coefficients of a smaller version to some pixels of a picture.

    Fast Guided Filter (He and Sun, arXiv 1505.00996).

    Args:
        guide: (H, W, 3), uint8, RGB.
        coefficients: (h, w, 4), float32, as `guided_coefficients` gives them.
        rows: (N,) of the pixels that are wanted.
        columns: (N,) likewise.

    Returns:
        (N,), float32, about [0, 1].
    """
    height, width = guide.shape[:2]
    down, across = coefficients.shape[0] / height, coefficients.shape[1] / width
    places = np.stack([(rows + 0.5) * down - 0.5, (columns + 0.5) * across - 0.5])
    weights = [
        ndimage.map_coordinates(coefficients[..., c], places, order=1, mode="nearest")
        for c in range(4)
    ]
    colours = guide[rows, columns].astype(np.float32) / np.float32(255)
    alpha: Plane = weights[3] + sum(weights[c] * colours[:, c] for c in range(3))
    return alpha


def resized(plane: Plane, size: tuple[int, int]) -> Plane:
    """Resample (H, W), float32, linearly to a width and height, pixels."""
    if plane.shape == size[::-1]:
        return plane
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


def _solved(spread: dict[tuple[int, int], Plane], right: list[Plane]) -> list[Plane]:
    """Solve a symmetric 3x3 system per pixel by its adjugate."""
    a, b, c = spread[0, 0], spread[0, 1], spread[0, 2]
    d, e, f = spread[1, 1], spread[1, 2], spread[2, 2]
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * first + b * second + c * third
    fourth, fifth, sixth = a * f - c * c, b * c - a * e, a * d - b * b
    x, y, z = right
    return [
        (first * x + second * y + third * z) / determinant,
        (second * x + fourth * y + fifth * z) / determinant,
        (third * x + fifth * y + sixth * z) / determinant,
    ]
