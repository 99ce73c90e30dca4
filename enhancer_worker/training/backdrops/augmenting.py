"""Differentiable augmentation, so that a few hundred pictures are enough (arXiv 2006.10738)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

COLOURS = 3
SHIFT_SHARE = 0.125
HOLE_SHARE = 0.4
STRENGTH = 0.2
"""Of the change of brightness, saturation and contrast; milder than the paper's, because the
palette is a condition."""


def augment(seen: Tensor) -> Tensor:
    """Change each picture of a batch at random; gradients flow through.

    Args:
        seen: (B, C, H, W): the first three channels are colours, the rest maps, which are moved
            and holed with them.
    """
    return _hole(_shift(_recolour(seen)))


def _recolour(seen: Tensor) -> Tensor:
    picture, maps = seen[:, :COLOURS], seen[:, COLOURS:]
    brighter, saturated, contrast = (
        torch.rand(len(seen), 1, 1, 1, device=seen.device) - 0.5 for _ in range(3)
    )
    picture = picture + STRENGTH * brighter
    grey = picture.mean(1, keepdim=True)
    picture = grey + (picture - grey) * (1 + 2 * STRENGTH * saturated)
    middle = picture.mean((1, 2, 3), keepdim=True)
    picture = middle + (picture - middle) * (1 + STRENGTH * contrast)
    return torch.cat([picture, maps], dim=1)


def _shift(seen: Tensor) -> Tensor:
    height, width = seen.shape[-2:]
    most = int(height * SHIFT_SHARE)
    padded = functional.pad(seen, (most,) * 4)
    tops, lefts = torch.randint(0, 2 * most + 1, (2, len(seen))).tolist()
    return torch.stack(
        [
            one[:, top : top + height, left : left + width]
            for one, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )


def _hole(seen: Tensor) -> Tensor:
    height, width = seen.shape[-2:]
    side = int(height * HOLE_SHARE)
    mask = torch.ones(len(seen), 1, height, width, device=seen.device)
    for one in mask:
        top, left = (int(torch.randint(1 - side, n, (1,))) for n in (height, width))
        one[:, max(top, 0) : top + side, max(left, 0) : left + side] = 0
    return seen * mask
