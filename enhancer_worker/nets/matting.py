"""A slim U-Net that tells a product from what is behind it, and where it is unsure of that."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

UNSHUFFLE = 4
BLOCK_INIT_GAIN = 0.3
DILATIONS = (1, 2)


@dataclass(frozen=True)
class MattingConfig:
    """Size of one matting net; the defaults have about one million parameters."""

    channels: tuple[int, ...] = (32, 64, 80, 96)
    """Feature channels per level, finest (a quarter of the resolution) first, multiples of 16."""
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    """Residual blocks per level on the way down; on the way up each level has one."""


class MattingBlock(nn.Module):
    """`x + norm(conv(relu(norm(conv(x)))))`, plain 3x3 convolutions, the first one dilated.

    Args:
        channels: number of feature channels.
        dilation: distance of the first kernel's taps, pixels of the level.
    """

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = _conv(channels, channels, dilation)
        self.second = _conv(channels, channels)
        nn.init.constant_(cast(Tensor, self.second[1].weight), BLOCK_INIT_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Refine (B, C, H, W)."""
        refined: Tensor = self.second(functional.relu(self.first(x)))
        return functional.relu(x + refined)


class MattingNet(nn.Module):
    """Coarse alpha of the product in a whole picture, in the manner of U2-Net (arXiv 2005.09007).

    What we changed: one plain U-Net of residual blocks in place of nested ones, a quarter of the
    resolution by pixel unshuffle, dilations and the mean of the whole picture on the deepest level
    only, and a second output that predicts the error of the first.

    Args:
        config: the size of the net.
    """

    scale = 1
    halo = 0

    def __init__(self, config: MattingConfig) -> None:
        super().__init__()
        self.config = config
        widths, blocks = config.channels, config.blocks
        self.head = _conv(3 * UNSHUFFLE**2, widths[0])
        self.encoders = nn.ModuleList(_blocks(*size) for size in zip(widths, blocks, strict=True))
        self.downs = nn.ModuleList(_conv(a, b, kernel=2, stride=2) for a, b in pairwise(widths))
        self.context = nn.Conv2d(widths[-1], widths[-1], 1)
        dilated = (MattingBlock(widths[-1], dilation) for dilation in DILATIONS)
        self.middle = nn.Sequential(*dilated)
        self.ups = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_blocks(width, 1) for width in widths[:-1])
        self.sides = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in widths[1:])
        self.tail = nn.Conv2d(widths[0], UNSHUFFLE**2, 3, padding=1)
        self.doubt = nn.Conv2d(widths[0], UNSHUFFLE**2, 3, padding=1)

    @property
    def multiple_of(self) -> int:
        """Height and width must be multiples of this many pixels."""
        return UNSHUFFLE << len(self.downs)

    def forward(self, pictures: Tensor) -> Tensor:
        """Cut out the products of whole pictures.

        Args:
            pictures: (B, 3, H, W), float32, [0, 1], RGB; H and W are multiples of `multiple_of`;
                trained at 192 and 256 pixels.

        Returns:
            (B, 2, H, W), float32, [0, 1]: alpha, and the error expected of it.
        """
        alpha, doubt = self.levels(pictures)[0]
        return torch.sigmoid(torch.cat([alpha, doubt], dim=1))

    def levels(self, pictures: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Alpha before the sigmoid, for deep supervision.

        Args:
            pictures: as for `forward`.

        Returns:
            Pairs of logits from fine to coarse: at full resolution alpha and its expected error,
            (B, 1, H, W); of each level below, twice its alpha, (B, 1, H / 8, W / 8) and so on.
        """
        x = functional.relu(self.head(functional.pixel_unshuffle(pictures - 0.5, UNSHUFFLE)))
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            if level < len(self.downs):
                skips.append(x)
                x = functional.relu(self.downs[level](x))
        x = self.middle(x + self.context(x.mean((2, 3), keepdim=True)))
        coarse = [self.sides[-1](x)]
        for level in reversed(range(len(skips))):
            x = functional.relu(functional.pixel_shuffle(self.ups[level](x), 2) + skips[level])
            x = self.decoders[level](x)
            if level:
                coarse.append(self.sides[level - 1](x))
        fine = functional.pixel_shuffle(self.tail(x), UNSHUFFLE)
        doubt = functional.pixel_shuffle(self.doubt(x.detach()), UNSHUFFLE)
        return [(fine, doubt), *((logits, logits) for logits in reversed(coarse))]

    def describe(self) -> dict[str, object]:
        """Net name and config as plain values, for `weights.json`."""
        return {"net": "matting", **asdict(self.config)}


def _conv(
    before: int, after: int, dilation: int = 1, kernel: int = 3, stride: int = 1
) -> nn.Sequential:
    """A convolution and its normalisation, which exports fold into it."""
    padding = dilation * (kernel // 2) if stride == 1 else 0
    conv = nn.Conv2d(before, after, kernel, stride, padding, dilation, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(after))


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(MattingBlock(channels) for _ in range(count)))
