"""Measures how far a network looks, by the gradient of one output block."""

import torch
from torch import nn


def reach_of_block(net: nn.Module, block: int, side: int = 96) -> int:
    """Source pixels beyond an aligned block of `block` pixels that can change its result.

    Args:
        net: (1, 3, H, W) in, some multiple of it out.
        block: alignment and size of the block, source pixels.
        side: size of the input, source pixels; must hold the whole reach.
    """
    lq = torch.rand(1, 3, side, side, requires_grad=True)
    result = net(lq)
    scale = result.shape[-1] // side
    start = side // 2 // block * block
    inside = slice(start * scale, (start + block) * scale)
    # Squared, so that no path cancels out by accident.
    (gradient,) = torch.autograd.grad(result[..., inside, inside].square().sum(), lq)
    touched = gradient.abs().sum((0, 1)).nonzero()
    first, last = int(touched.min()), int(touched.max())
    assert first > 0
    assert last < side - 1
    return max(start - first, last - (start + block - 1))
