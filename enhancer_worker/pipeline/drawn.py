"""Tells graphics, drawn and saved without loss, from photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.pipeline.white_ground import WHITE_LEVEL

_BLOCK_PIXELS = 8
_LEAST_CONTRAST = 48
_LEAST_COLOURED = 16
_FEWEST_BLOCKS = 8
_QUANTILE = 0.25
_LEAST_SHARE = 0.3
_CODES = np.array((1 << 16, 1 << 8, 1), np.int32)


def is_drawn(crops: Sequence[NDArray[np.uint8]]) -> bool:
    """Tell whether crops show a size chart, a logo or the like, which nothing has damaged yet.

    A block at the edge of something drawn repeats one colour exactly. A camera repeats none, and
    an encoder rings around every edge: at JPEG quality 98 the share is half of what is asked. Of
    1,865 photographs, renderings and cut-outs the two that pass show a drawn desktop. White does
    not count, as products are put before it.

    Args:
        crops: (H, W, 3), uint8, RGB each; sides are multiples of eight.
    """
    shares = np.concatenate([_repeated(crop) for crop in crops]) if len(crops) else np.empty(0)
    return len(shares) >= _FEWEST_BLOCKS and float(np.quantile(shares, _QUANTILE)) >= _LEAST_SHARE


def _repeated(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of the most frequent colour in what is not white, of each block with an edge."""
    height, width = crop.shape[:2]
    rows, columns = height // _BLOCK_PIXELS, width // _BLOCK_PIXELS
    blocks = crop.reshape(rows, _BLOCK_PIXELS, columns, _BLOCK_PIXELS, 3).swapaxes(1, 2)
    blocks = blocks.reshape(rows * columns, _BLOCK_PIXELS**2, 3)
    contrast = np.ptp(blocks, axis=1).max(axis=1)
    coloured = blocks.min(axis=2) < WHITE_LEVEL
    told = (contrast > _LEAST_CONTRAST) & (coloured.sum(axis=1) >= _LEAST_COLOURED)
    # White pixels get a code each, so that they repeat nothing.
    codes = np.where(coloured[told], blocks[told] @ _CODES, -1 - np.arange(_BLOCK_PIXELS**2))
    repeated = _longest_runs(np.sort(codes, axis=1))
    shares: NDArray[np.float64] = repeated / coloured[told].sum(axis=1)
    return shares


def _longest_runs(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Length of the longest run of equal numbers in each row."""
    places = np.arange(rows.shape[1])
    begins = np.diff(rows, axis=1, prepend=rows[:, :1] - 1) != 0
    starts = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    longest: NDArray[np.int64] = (places - starts + 1).max(axis=1)
    return longest
