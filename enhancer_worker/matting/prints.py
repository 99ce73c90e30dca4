"""Tells a print of the background's colour from a hole through which the background is seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Plane = NDArray[np.float32]

_SURE, _LEAST_DOUBT = 0.9, 0.055
"""Mean alpha and expected error of a net that is sure of product."""
_BESIDE = 12
"""How far the background beside a hole reaches, pixels beyond its nearest one."""
_BRIGHTER = 8.0
"""Levels of luma that noise and a soft shadow's slope do not explain."""
_SAME_HUE = 8.0
"""Levels of both chromas together."""
_GROWTH = 2
"""How far around a hole its soft edge reaches, pixels."""


def without_lit_holes(pixels: NDArray[np.uint8], net: Plane, doubt: Plane, weighed: Plane) -> Plane:
    """Take back holes that colours alone have opened, where they are brighter than the background.

    What is seen through a hole lies in the product's own shade: it may be darker than the
    background beside the product, and not brighter. A white label before light grey is.

    Args:
        pixels: (H, W, 3), uint8, RGB.
        net: (H, W), float32, [0, 1]: alpha before colours were heard.
        doubt: (H, W), float32, [0, 1]: the error that the net expects of that.
        weighed: (H, W), float32, [0, 1]: alpha after it.
    """
    labels, count = ndimage.label(weighed < 0.5)
    rims = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    outside = np.isin(labels, rims[rims > 0])
    if not outside.any() or count == len(rims[rims > 0]):
        return weighed
    colours = np.asarray(Image.fromarray(pixels).convert("YCbCr"), np.float32)
    numbers = np.arange(1, count + 1)
    sure = ndimage.mean(net, labels, numbers) >= _SURE
    sure &= ndimage.mean(doubt, labels, numbers) <= _LEAST_DOUBT
    result = weighed
    for number in numbers[sure & ~np.isin(numbers, rims)]:
        hole = labels == number
        away = ndimage.distance_transform_edt(~hole)
        beside = outside & (away <= away[outside].min() + _BESIDE)
        luma, *chromas = np.median(colours[hole], axis=0) - np.median(colours[beside], axis=0)
        if luma > _BRIGHTER and np.hypot(*chromas) < _SAME_HUE:
            result = np.where(away <= _GROWTH, np.maximum(result, net), result)
    return result
