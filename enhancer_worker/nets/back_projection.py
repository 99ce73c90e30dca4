"""Makes an enlarged picture agree with the small one it was made of."""

import torch
from torch import Tensor, nn
from torch.nn import functional

REACH_PIXELS = 4
"""Source pixels over which one result depends on its input: two to shrink, two to enlarge."""
WINDOW_PIXELS = 5
"""Source pixels along one axis that a bicubic kernel touches; trained kernels are smaller."""
_MARGIN = WINDOW_PIXELS // 2


class BackProjection(nn.Module):
    """One step of iterative back-projection (Irani & Peleg 1991, CVGIP 53:3).

    The result is shrunk as the small picture was, by antialiased bicubic, and what is missing
    there is enlarged and added. Colours of the small picture then stay, whatever a network drew.

    All of it is done before the pixel shuffle, at low resolution, by three small convolutions of
    fixed kernels. They add differences to the network's own, so that half precision rounds little.

    Args:
        scale: output pixels per input pixel along one axis.
    """

    difference: Tensor
    shrinking: Tensor
    enlarging: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        # Not part of a file: it is the scale that decides them.
        shrinking = _shrinking_kernel(scale)
        self.register_buffer("difference", _difference_kernel(shrinking), persistent=False)
        self.register_buffer("shrinking", shrinking, persistent=False)
        self.register_buffer("enlarging", _enlarging_kernel(scale), persistent=False)

    def forward(self, detail: Tensor, lq: Tensor) -> Tensor:
        """Correct what a network adds to nearest neighbours.

        Args:
            detail: (B, 3 * scale**2, H, W), about [-1, 1], as a pixel shuffle takes it.
            lq: (B, 3, H, W), [0, 1], RGB; the small picture.

        Returns:
            Like `detail`.
        """
        around = functional.pad(lq, (_MARGIN, _MARGIN, _MARGIN, _MARGIN), mode="replicate")
        missing = functional.conv2d(around, self.difference)  # (B, 3, H, W)
        missing = missing - functional.conv2d(detail, self.shrinking, padding=_MARGIN)
        enlarged = functional.conv2d(missing, self.enlarging, padding=_MARGIN)
        return detail + enlarged


def _shrinking_kernel(scale: int) -> Tensor:
    """(3, 3 * scale**2, 5, 5): antialiased bicubic of every phase of a colour."""
    side = WINDOW_PIXELS * scale
    impulses = torch.eye(side * side).view(-1, 1, side, side)
    size = (WINDOW_PIXELS, WINDOW_PIXELS)
    shrunk = functional.interpolate(impulses, size, mode="bicubic", antialias=True)
    taps = shrunk[:, 0, _MARGIN, _MARGIN].view(1, side, side)
    return _for_each_colour(functional.pixel_unshuffle(taps, scale)[None])


def _difference_kernel(shrinking: Tensor) -> Tensor:
    """(3, 3, 5, 5): the small picture less its nearest neighbours shrunk again."""
    phases = shrinking.shape[1] // 3
    # Every phase shows the same pixel.
    shown: Tensor = shrinking.unflatten(1, (3, phases)).sum(2)
    itself = torch.zeros_like(shown)
    itself[:, :, _MARGIN, _MARGIN] = torch.eye(3)
    return itself - shown


def _enlarging_kernel(scale: int) -> Tensor:
    """(3 * scale**2, 3, 5, 5): bicubic, one output channel for each phase of each colour."""
    impulses = torch.eye(WINDOW_PIXELS**2).view(-1, 1, WINDOW_PIXELS, WINDOW_PIXELS)
    enlarged = functional.interpolate(impulses, scale_factor=float(scale), mode="bicubic")
    start = _MARGIN * scale
    middle = enlarged[:, 0, start : start + scale, start : start + scale]
    by_phase = middle.reshape(WINDOW_PIXELS, WINDOW_PIXELS, scale**2).permute(2, 0, 1)
    return _for_each_colour(by_phase[:, None])


def _for_each_colour(kernel: Tensor) -> Tensor:
    """(3 * out, 3 * in, h, w) that treats each colour by (out, in, h, w), apart from the others."""
    out, into, height, width = kernel.shape
    pairs = torch.eye(3)[:, None, :, None, None, None] * kernel[None, :, None]
    return pairs.reshape(3 * out, 3 * into, height, width)
