"""Local averages of a picture on a coarse grid, computed in bands so that any size fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BAND_ROWS = 256


def grid(height: int, width: int, *, cell: int, longest: int) -> tuple[int, int]:
    """Return rows and columns of cells for a picture.

    Args:
        height: of the picture, pixels.
        width: likewise.
        cell: side of a cell, pixels; larger where the grid would be too long.
        longest: most cells along one side.

    >>> grid(300, 400, cell=32, longest=96), grid(4000, 6000, cell=32, longest=96)
    ((9, 12), (64, 96))
    >>> grid(3, 10, cell=32, longest=96)
    (1, 1)
    """
    side = max(cell, max(width, height) / longest)
    return max(1, round(height / side)), max(1, round(width / side))


def local_averages(pixels: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.float32]:
    """Average a picture around the centres of the cells of a grid.

    A triangle twice as wide as a cell weighs the pixels, so that neighbouring averages overlap
    and nothing depends on where the grid happens to lie. The same grid over the same picture at
    another size gives the same averages. Equal channels give bit-equal averages.

    Args:
        pixels: (H, W) or (H, W, C), uint8.
        rows: cells along the height, at most H.
        columns: cells along the width, at most W.

    Returns:
        (rows, columns) or (rows, columns, C), float32, [0, 255].
    """
    if pixels.ndim == 3:
        channels = range(pixels.shape[2])
        return np.stack([local_averages(pixels[..., c], rows, columns) for c in channels], axis=-1)
    height, width = pixels.shape
    down, across = triangles(height, rows), triangles(width, columns)
    total = np.zeros((rows, width), np.float32)
    for top in range(0, height, _BAND_ROWS):
        weights = down[:, top : top + _BAND_ROWS]
        touched = weights.any(axis=1)
        total[touched] += weights[touched] @ pixels[top : top + _BAND_ROWS].astype(np.float32)
    return total @ across.T


def triangles(length: int, count: int) -> NDArray[np.float32]:
    """Return the weights of overlapping triangles along one axis.

    Args:
        length: pixels.
        count: triangles, at most ``length``.

    Returns:
        (count, length), float32; every row sums to 1.

    >>> (100 * triangles(4, 2)).round().astype(int).tolist()
    [[43, 43, 14, 0], [0, 14, 43, 43]]
    """
    width = length / count
    centres = ((np.arange(count) + 0.5) * width).astype(np.float32)
    weights = np.arange(length, dtype=np.float32) + np.float32(0.5) - centres[:, None]
    np.abs(weights, out=weights)
    weights /= np.float32(-width)
    weights += np.float32(1)
    np.maximum(weights, 0, out=weights)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def stretch_rows(
    grid: NDArray[np.float32], size: tuple[int, int], rows: slice
) -> NDArray[np.float32]:
    """Interpolate some rows of a grid that is stretched over a picture.

    Args:
        grid: (rows, columns), float32: values at the centres of cells.
        size: width and height of the picture in pixels.
        rows: which pixel rows to return, with start and stop.

    Returns:
        (stop - start, width), float32: linear between centres, constant beyond the outermost.
    """
    width, height = size
    share = grid.shape[0] / height
    box = (0.0, rows.start * share, float(grid.shape[1]), rows.stop * share)
    image = Image.fromarray(grid)
    stretched = image.resize((width, rows.stop - rows.start), Image.Resampling.BILINEAR, box=box)
    return np.asarray(stretched)
