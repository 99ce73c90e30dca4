"""How close a photograph is to the clean one, and a cut-out to the exact one."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image


def psnr(picture: Image.Image, reference: Image.Image) -> float:
    """Peak signal-to-noise ratio in dB over all RGB values, levels of 255.

    Args:
        picture: resized bicubically where its size is not the reference's.
        reference: the clean photograph.

    Returns:
        ``math.inf`` where both are equal.

    >>> grey = Image.new("RGB", (4, 4), (100, 100, 100))
    >>> round(psnr(Image.new("RGB", (4, 4), (110, 110, 110)), grey), 4)
    28.1308
    """
    if picture.size != reference.size:
        picture = picture.resize(reference.size, Image.Resampling.BICUBIC)
    first = np.asarray(picture.convert("RGB"), np.float64)
    second = np.asarray(reference.convert("RGB"), np.float64)
    error = float(np.mean((first - second) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def iou(mask: Image.Image, exact: Image.Image) -> float:
    """Intersection over union of what two masks call the product, 0 to 1.

    Args:
        mask: one channel; what is at least half white counts.
        exact: shrunk to the size of the mask where it is another one.

    >>> left, all_of_it = Image.new("L", (4, 4)), Image.new("L", (8, 8), 255)
    >>> left.paste(255, (0, 0, 2, 4))
    >>> iou(left, all_of_it)
    0.5
    """
    if exact.size != mask.size:
        exact = exact.resize(mask.size, Image.Resampling.BOX)
    first, second = (np.asarray(picture.convert("L")) >= 128 for picture in (mask, exact))
    union = float((first | second).sum())
    return float((first & second).sum()) / union if union else 1.0
