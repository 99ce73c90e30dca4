"""How far an alpha is from the truth: regions, pixels, edges and the colours of edges."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Plane = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Figures = dict[str, float]

BETA_SQUARED = 0.3
"""Precision counts more than recall, as in the literature on salient objects."""
EDGE_PIXELS = 3
BACKGROUNDS: Mapping[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "magenta": (255, 0, 255),
}


def region_figures(alpha: Bytes, gt: Bytes) -> Figures:
    """IoU at half of the range, MAE, SAD in thousands of pixels, and F of edges within 3 pixels.

    Args:
        alpha: (H, W), uint8.
        gt: same shape.
    """
    found, true = alpha >= 128, gt >= 128
    union = int((found | true).sum())
    error = np.abs(alpha.astype(np.float32) - gt) / 255
    return {
        "iou": int((found & true).sum()) / union if union else 1.0,
        "mae": float(error.mean()),
        "sad": float(error.sum()) / 1000,
        "boundary_f": boundary_f(found, true),
    }


def boundary_f(
    found: NDArray[np.bool_], true: NDArray[np.bool_], within: int = EDGE_PIXELS
) -> float:
    """Harmonic mean of the shares of each outline that lie near the other one.

    Args:
        found: (H, W).
        true: same shape.
        within: what is near, pixels.
    """
    ours, theirs = _outline(found), _outline(true)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = float((ndimage.distance_transform_edt(~theirs)[ours] <= within).mean())
    recall = float((ndimage.distance_transform_edt(~ours)[theirs] <= within).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


class FMeasure:
    """The largest F-measure over all thresholds, of precision and recall averaged over pictures.

    The protocol of U2-Net (arXiv 2005.09007) and its predecessors.
    """

    def __init__(self) -> None:
        self._precision = np.zeros(256)
        self._recall = np.zeros(256)
        self._count = 0

    def add(self, alpha: Bytes, gt: Bytes) -> None:
        """Count one picture, (H, W), uint8, and its truth."""
        true = gt >= 128
        inside = np.bincount(alpha[true], minlength=256)[::-1].cumsum()[::-1]
        everywhere = np.bincount(alpha.ravel(), minlength=256)[::-1].cumsum()[::-1]
        self._precision += inside / np.maximum(everywhere, 1)
        self._recall += inside / max(int(true.sum()), 1)
        self._count += 1

    def largest(self) -> float:
        """The figure of all pictures that were counted, [0, 1]."""
        count = max(self._count, 1)
        precision, recall = self._precision / count, self._recall / count
        weighed = BETA_SQUARED * precision + recall
        f = (1 + BETA_SQUARED) * precision * recall / np.maximum(weighed, 1e-9)
        return float(f.max())


def fringe_figures(colour: Bytes, alpha: Bytes, true_colour: Bytes, gt: Bytes) -> Figures:
    """Mean colour error along the true edge on other backgrounds, levels of 255.

    Args:
        colour: (H, W, 3), uint8, RGB, of the cut-out.
        alpha: (H, W), uint8, of the cut-out.
        true_colour: (H, W, 3), uint8.
        gt: (H, W), uint8.
    """
    true = gt >= 128
    near = ndimage.binary_dilation(true, iterations=2) & ~ndimage.binary_erosion(
        true, iterations=2, border_value=1
    )
    if not near.any():
        return {}
    figures = {}
    for name, background in BACKGROUNDS.items():
        ours = over_plain(colour[near], alpha[near], background)
        theirs = over_plain(true_colour[near], gt[near], background)
        figures[f"fringe_{name}"] = float(np.abs(ours - theirs).mean())
    return figures


def over_plain(colour: Bytes, alpha: Bytes, background: tuple[int, int, int]) -> Plane:
    """Set (..., 3), uint8, before a plain background by alpha (...), uint8; float32, 0 to 255."""
    share = alpha[..., None].astype(np.float32) / np.float32(255)
    mixed: Plane = colour * share + np.asarray(background, np.float32) * (1 - share)
    return mixed


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    outline: NDArray[np.bool_] = mask & ~ndimage.binary_erosion(mask, border_value=1)
    return outline
