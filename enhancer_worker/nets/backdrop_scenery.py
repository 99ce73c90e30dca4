"""Draws what is behind a table, out of focus: small, as nothing in it is sharp."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from enhancer_worker.nets.backdrop_conditions import (
    CODES,
    LATENT,
    LIGHT_CODES,
    PALETTE_CODES,
    STYLES,
)
from enhancer_worker.nets.backdrop_maps import SIDE
from enhancer_worker.nets.modulated import Modulated

FREE = ("interior_bokeh", "outdoor_bokeh", "brand")
"""Styles with scenery that only the latent numbers know."""
PANEL = (48, 64)
"""Height and width of a panel; its last row is at the horizon."""
CELL = SIDE // PANEL[1]
"""Pixels of the frame per pixel of a panel."""
FIRST = (6, 8)
RIM = 3
"""Pixels that are cut off all around: convolutions that see beyond the border frame a picture."""
_BEHIND = slice(PALETTE_CODES.start + 3, PALETTE_CODES.start + 6)
_STYLE_WEIGHT = 2.0
_BLUR = 0.55
"""Of the enlargement, pixels of a panel."""


@dataclass(frozen=True)
class SceneryConfig:
    """Size of the net; the defaults have 0.96 million parameters."""

    channels: tuple[int, ...] = (96, 96, 64, 32)
    """Feature channels at 6, 12, 24 and 48 rows."""
    convolutions: int = 2
    """3x3 convolutions at each of them."""
    mapped: int = 128
    """Numbers into which conditions and seed are mapped."""


class Scenery(nn.Module):
    """Grows a panel from random numbers, conditioned on style, colour and light.

    The whole of a generative adversarial network's generator, at a size at which two cores can
    train one: blurred by seven pixels of the frame or more, a panel has no detail of its own below
    four. Its mean is the palette's second colour.

    Args:
        config: the size of the net.
    """

    def __init__(self, config: SceneryConfig) -> None:
        super().__init__()
        self.config = config
        widths, mapped = config.channels, config.mapped
        told = len(FREE) + 6 + LATENT
        self.mapping = nn.Sequential(
            nn.Linear(told, mapped), nn.LeakyReLU(0.2), nn.Linear(mapped, mapped), nn.LeakyReLU(0.2)
        )
        tall, wide = FIRST
        self.first = nn.Linear(told, widths[0] * tall * wide)
        self.narrowing = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.levels = nn.ModuleList(
            nn.ModuleList(Modulated(width, width, 3, mapped) for _ in range(config.convolutions))
            for width in widths
        )
        self.to_colours = nn.Conv2d(widths[-1], 3, 3, padding=1)
        nn.init.normal_(self.to_colours.weight, std=0.01)
        nn.init.zeros_(cast(Tensor, self.to_colours.bias))

    def forward(self, numbers: Tensor) -> Tensor:
        """Draw a batch.

        Args:
            numbers: (B, NUMBERS): codes and latent numbers.

        Returns:
            (B, 3, *PANEL), about [0, 1], RGB, sRGB.
        """
        styles = numbers[:, [STYLES.index(style) for style in FREE]] * _STYLE_WEIGHT
        behind = numbers[:, _BEHIND]
        told = torch.cat([styles, behind, numbers[:, LIGHT_CODES], numbers[:, CODES:]], dim=1)
        mapped = self.mapping(told)
        mapped = mapped * torch.rsqrt(mapped.square().mean(1, keepdim=True) + 1e-6)
        tall, wide = FIRST
        x = self.first(told).reshape(-1, self.config.channels[0], tall, wide)
        for number, level in enumerate(self.levels):
            if number:
                x = self.narrowing[number - 1](x)
                x = functional.interpolate(x, scale_factor=2.0, mode="bilinear")
            for conv in cast(nn.ModuleList, level):
                x = conv(x, mapped)
        drawn = self.to_colours(x)[..., RIM:-RIM, RIM:-RIM]
        drawn = functional.interpolate(drawn, PANEL, mode="bilinear")
        colour = ((behind + 1) / 2)[..., None, None]
        panels: Tensor = colour + drawn - drawn.mean((2, 3), keepdim=True)
        return panels


def place(panels: Tensor, numbers: Tensor) -> Tensor:
    """Enlarge panels to the part of the frame above the horizon, where they add no colour.

    Args:
        panels: (B, 3, *PANEL), sRGB.
        numbers: (B, CODES or more), whose horizon counts.

    Returns:
        (B, 3, SIDE, SIDE): how they differ from their mean there, sRGB.
    """
    tall, wide = PANEL
    above = SIDE * (1 - (numbers[:, CODES - 1 : CODES] + 1) / 2)
    rows = torch.arange(SIDE, device=numbers.device) + 0.5
    down = _smoothing((rows - above) / CELL + tall - 0.5, tall)
    across = _smoothing(rows / CELL - 0.5, wide)
    is_shown = (rows < above).to(panels.dtype)
    shown = torch.einsum("byk,bckw->bcyw", down, panels)
    mean = torch.einsum("by,bcyw->bc", is_shown, shown) / (wide * is_shown.sum(1, keepdim=True))
    return torch.einsum("bcyw,xw->bcyx", shown - mean[..., None, None], across)


def _smoothing(at: Tensor, count: int) -> Tensor:
    """Weights (..., count) by which values at 0, 1, 2... are seen at positions (...)."""
    distance = at[..., None] - torch.arange(count, device=at.device)
    return torch.softmax(-(distance**2) / (2 * _BLUR**2), dim=-1)
