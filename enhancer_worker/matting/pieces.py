"""Drops what a cut-out has found beside the product: specks, and things that the border cuts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

VISIBLE = 26
"""Alpha, of 255, from which a pixel counts as the product: fainter ones are its soft edge."""
COARSE_SIDE = 512
"""Pixels, along the longer side, in which pieces are told apart."""
SPECK_SHARE = 0.002
"""Of the largest piece; what is smaller does not count as product when it is framed, either."""
STRAY_SHARE = 0.15
"""Of the largest piece: larger ones at the border may be what a shop sells."""
STRAY_GAP = 0.02
"""Of the longer side: what lies nearer belongs to the product, as a strap behind its buckle."""
_TOUCHES = np.ones((3, 3), bool)


def without_strays(alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make specks transparent, and pieces that a border cuts which the product does not reach.

    A seller's bed, sofa or shelf holds other things, and what is not wholly in the picture is not
    for sale. A product that itself is cut at the opposite border goes on behind what divides it.

    Args:
        alpha: (H, W), uint8.

    Returns:
        The very array that came in where nothing is dropped.
    """
    cell = math.ceil(max(alpha.shape) / COARSE_SIDE)
    labels, count = ndimage.label(_largest(alpha, cell) >= VISIBLE, structure=_TOUCHES)
    if count < 2:
        return alpha
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    product = int(sizes.argmax())
    dropped = sizes < SPECK_SHARE * sizes[product]
    dropped[_foreign(labels, product, (sizes < STRAY_SHARE * sizes[product]) & ~dropped)] = True
    dropped[0] = False
    if not dropped.any():
        return alpha
    kept = ~dropped
    kept[0] = False
    # What fades out around a piece goes with it.
    gone = ndimage.binary_dilation(dropped[labels], _TOUCHES) & ~kept[labels]
    full = np.repeat(np.repeat(gone, cell, 0), cell, 1)[: alpha.shape[0], : alpha.shape[1]]
    return np.where(full, np.uint8(0), alpha)


def _foreign(labels: NDArray[np.int32], product: int, small: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Find the small pieces at a border that neither the product nor its other side reaches."""
    rims = [np.unique(rim) for rim in (labels[0], labels[:, 0], labels[-1], labels[:, -1])]
    reached = [product in rim for rim in rims]
    cut = np.zeros(len(small), bool)
    for side, rim in enumerate(rims):
        if not reached[side] and not reached[side - 2]:
            cut[rim] = True
    found = np.flatnonzero(cut & small)
    if not len(found):
        return found
    away = ndimage.distance_transform_edt(labels != product)
    nearest = np.asarray(ndimage.minimum(away, labels, found))
    far: NDArray[np.intp] = found[nearest >= STRAY_GAP * max(labels.shape)]
    return far


def _largest(alpha: NDArray[np.uint8], cell: int) -> NDArray[np.uint8]:
    height, width = alpha.shape
    padded = np.pad(alpha, ((0, -height % cell), (0, -width % cell)))
    rows, columns = padded.shape[0] // cell, padded.shape[1] // cell
    pooled: NDArray[np.uint8] = padded.reshape(rows, cell, columns, cell).max(axis=(1, 3))
    return pooled
