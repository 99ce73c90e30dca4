"""Nets that tell made backdrops from real ones."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from enhancer_worker.nets.backdrop_conditions import CODES

LAYOUT_MAPS = (0, 3)
"""Which maps a discriminator sees beside the picture: surface and light."""
SEEN = 3 + len(LAYOUT_MAPS)


class Discriminator(nn.Module):
    """A plain strided net that is conditioned by projection (arXiv 1802.05637).

    No normalisation, as in R3GAN (arXiv 2501.05441). What we changed: it sees the layout maps
    beside a whole picture, and pools the deviation of each feature besides its mean, as texture
    shows in the second.

    Args:
        channels: at half the picture's resolution, and at each halving.
        seen: channels of what is judged.
    """

    def __init__(
        self, channels: tuple[int, ...] = (32, 64, 128, 192, 256), seen: int = SEEN
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(seen * 4, channels[0], 3, padding=1)
        self.stages = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels)
        )
        self.last = nn.Conv2d(channels[-1], channels[-1], 3, padding=1)
        self.score = nn.Linear(2 * channels[-1], 1)
        self.embed = nn.Sequential(
            nn.Linear(CODES, 128), nn.LeakyReLU(0.2), nn.Linear(128, 2 * channels[-1], bias=False)
        )
        for conv in (self.first, *self.stages, self.last):
            nn.init.kaiming_normal_(cast(nn.Conv2d, conv).weight, a=0.2)

    def forward(self, seen: Tensor, codes: Tensor) -> Tensor:
        """Judge a batch.

        Args:
            seen: (B, seen, H, W): pictures, and layout maps where they are judged with them.
            codes: (B, CODES): what the pictures should show.

        Returns:
            (B,): higher is more real.
        """
        x = functional.leaky_relu(self.first(functional.pixel_unshuffle(seen * 2 - 1, 2)), 0.2)
        for stage in (*self.stages, self.last):
            x = functional.leaky_relu(stage(x), 0.2)
        mean = x.mean((2, 3))
        spread = torch.sqrt((x - mean[..., None, None]).square().mean((2, 3)) + 1e-6)
        pooled = torch.cat([mean, spread], dim=1)
        agreement = (self.embed(codes) * pooled).sum(1) / pooled.shape[1] ** 0.5
        return cast(Tensor, self.score(pooled)[:, 0] + agreement)
