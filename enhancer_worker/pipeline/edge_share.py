"""Limits a correction to what asked for it: smooth shares of it that follow the edges of a picture.

A correction on a coarse grid reaches over the edges of what it was made for. Where the upload says
that nothing needed it, such as in a shadow beside a product, it is taken back. A guided filter
(He, Sun and Tang, IEEE TPAMI 35(6), 2013) tells how much of it stays: within a window, the share is
a linear function of the colour. Ours weighs its cells by how much the correction changes them.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.pipeline.averages import grid, local_averages, stretch_rows

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_CELL_PIXELS = 4
_LONGEST_GRID = 256
_WINDOW_CELLS = 2
# Squared levels: colours that differ by less are one area, and a change below that is no change.
_SAME_COLOUR = 32.0
_NO_CHANGE = 0.01
# Noise and edges within a window blur shares: less counts as nothing, and more as all.
_NOTHING, _ALL = 0.25, 0.75
_BAND_ROWS = 128


def take_back(original: Pixels, before: Pixels, corrected: Pixels) -> None:
    """Take a correction back where the upload does not ask for it.

    Args:
        original: (h, w, 3), uint8: the upload.
        before: (H, W, 3), uint8: the same picture at any size.
        corrected: (H, W, 3), uint8, changed in place: ``before`` with its correction.
    """
    slopes = _share_model(original, before, corrected)
    height, width = before.shape[:2]
    planes = [np.ascontiguousarray(slopes[..., i]) for i in range(4)]
    for top in range(0, height, _BAND_ROWS):
        band = slice(top, min(top + _BAND_ROWS, height))
        share = stretch_rows(planes[3], (width, height), band).copy()
        for channel in range(3):
            share += stretch_rows(planes[channel], (width, height), band) * before[band, :, channel]
        share -= np.float32(_NOTHING)
        share /= np.float32(_ALL - _NOTHING)
        np.clip(share, 0, 1, out=share)
        for channel in range(3):
            kept = before[band, :, channel].astype(np.float32)
            kept += share * (corrected[band, :, channel] - kept)
            corrected[band, :, channel] = np.rint(kept, out=kept)


def _share_model(original: Pixels, before: Pixels, corrected: Pixels) -> Floats:
    """Return (rows, columns, 4): a slope per channel and a constant, for levels."""
    rows, columns = grid(*original.shape[:2], cell=_CELL_PIXELS, longest=_LONGEST_GRID)
    wanted, guide, done = (local_averages(p, rows, columns) for p in (original, before, corrected))
    change = done - guide
    weight = (change * change).sum(axis=2)
    needed = ((wanted - guide) * change).sum(axis=2)
    total = _window(weight) + np.float32(_NO_CHANGE)
    colour = _window(weight[..., None] * guide) / total[..., None]
    share = _window(needed) / total
    spread = np.empty((rows, columns, 3, 3), np.float32)
    for i, j in itertools.product(range(3), repeat=2):
        spread[..., i, j] = _window(weight * guide[..., i] * guide[..., j]) / total
    spread -= colour[..., :, None] * colour[..., None, :]
    spread += np.eye(3, dtype=np.float32) * np.float32(_SAME_COLOUR)
    along = _window(needed[..., None] * guide) / total[..., None] - colour * share[..., None]
    slopes = np.linalg.solve(spread, along[..., None])[..., 0]
    # Noise has slopes too: what they do not explain of the shares makes them weaker.
    varied = _window(needed * needed / (weight + np.float32(_NO_CHANGE))) / total - share * share
    explained = (slopes * along).sum(axis=2) / np.maximum(varied, np.float32(_NO_CHANGE))
    slopes *= np.clip(explained, 0, 1)[..., None]
    constant = share - (slopes * colour).sum(axis=2)
    return _window(np.concatenate([slopes, constant[..., None]], axis=2).astype(np.float32))


def _window(values: Floats) -> Floats:
    """Average over a square window; beyond the border the outermost cells go on."""
    for axis in (0, 1):
        margins = [(0, 0)] * values.ndim
        margins[axis] = (_WINDOW_CELLS, _WINDOW_CELLS)
        padded, length = np.pad(values, margins, mode="edge"), values.shape[axis]
        parts = [np.take(padded, range(i, i + length), axis) for i in range(2 * _WINDOW_CELLS + 1)]
        values = np.mean(parts, axis=0, dtype=np.float32)
    return values
