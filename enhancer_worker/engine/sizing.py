"""Reads tiles out of a picture and pads only those that reach over its right or lower edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.tiling import Tile
from shopimg.contract import WorkerError

NO_NUMBERS = "the network's result has values that are no numbers"


def read_tile(pixels: NDArray[np.uint8], tile: Tile) -> NDArray[np.uint8]:
    """Copy one tile; where it leaves the picture, the last row or column is repeated.

    A picture is planned in multiples of what its net demands, so at most ``multiple_of - 1``
    rows and columns are ever made up, and their results are thrown away.

    Args:
        pixels: (H, W, C), uint8.
        tile: planned for a picture of this size or up to ``multiple_of - 1`` pixels larger.

    Returns:
        (rows, columns, C), uint8.
    """
    height, width = pixels.shape[:2]
    rows, columns = tile.rows, tile.columns
    part = pixels[rows.start : min(rows.stop, height), columns.start : min(columns.stop, width)]
    missing = (max(0, rows.stop - height), max(0, columns.stop - width))
    if any(missing):
        return np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    return part


def read_batch(pixels: NDArray[np.uint8], tiles: Sequence[Tile]) -> NDArray[np.float32]:
    """Read tiles as a net wants them.

    Args:
        pixels: (H, W, 3), uint8, RGB.
        tiles: of equal size.

    Returns:
        (B, 3, rows, columns), float32, [0, 1], RGB, contiguous.
    """
    batch = np.stack([read_tile(pixels, tile).transpose(2, 0, 1) for tile in tiles])
    result = batch.astype(np.float32)
    result /= 255.0
    return result


def write_tile(out: NDArray[np.uint8], tile: Tile, result: NDArray[np.float32], scale: int) -> None:
    """Round the kept part of one result into the finished picture.

    Args:
        out: (scale * H, scale * W, 3), uint8, changed in place; without padding.
        tile: where the result belongs, in source pixels.
        result: (3, scale * rows, scale * columns), float32, about [0, 1].
        scale: output pixels per source pixel.

    Raises:
        WorkerError: a value is no number.
    """
    place, (rows, columns) = _kept(out, tile, scale)
    require_numbers(result)
    levels = np.clip(result[:, rows, columns].transpose(1, 2, 0), 0.0, 1.0)
    levels *= 255.0
    out[place] = np.rint(levels, out=levels)


def write_levels(out: NDArray[np.uint8], tile: Tile, result: NDArray[np.uint8], scale: int) -> None:
    """Copy the kept part of one result into the finished picture.

    Args:
        out: (scale * H, scale * W, 3), uint8, changed in place; without padding.
        tile: where the result belongs, in source pixels.
        result: (scale * rows, scale * columns, 3), uint8.
        scale: output pixels per source pixel.
    """
    place, kept = _kept(out, tile, scale)
    out[place] = result[kept]


def require_numbers(result: NDArray[np.float32]) -> None:
    """Refuse what a network gives whose half precision overflows, or whose weights are damaged.

    Rounded to bytes it would be black, and nobody would be told.

    Raises:
        WorkerError: a value is NaN or infinite.
    """
    # A sum is of finite values only if all are, and needs no mask as large as the result.
    if not np.isfinite(result.sum(dtype=np.float64)):
        raise WorkerError(detail=NO_NUMBERS)


def _kept(
    out: NDArray[np.uint8], tile: Tile, scale: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where the kept part of a result lies in the picture, and where in the result."""
    rows, columns = tile.rows, tile.columns
    top, left = rows.keep_start * scale, columns.keep_start * scale
    bottom = min(rows.keep_stop * scale, out.shape[0])
    right = min(columns.keep_stop * scale, out.shape[1])
    y, x = rows.start * scale, columns.start * scale
    place = (slice(top, bottom), slice(left, right))
    return place, (slice(top - y, bottom - y), slice(left - x, right - x))
