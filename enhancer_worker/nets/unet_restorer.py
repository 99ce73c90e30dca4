"""A compact U-Net that removes noise, JPEG artefacts and slight blur without being told which."""

from dataclasses import asdict, dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

UNSHUFFLE = 2
BLOCK_INIT_GAIN = 0.3


@dataclass(frozen=True)
class UNetRestorerConfig:
    """Size of one blind restorer; the defaults are tier S (about 1.1 million parameters)."""

    channels: tuple[int, ...] = (48, 80)
    """Feature channels per level, finest (half resolution) first, multiples of 16."""
    blocks: tuple[int, ...] = (2, 8)
    """Residual blocks per level; every level but the last has them twice (down and up)."""


class ResidualBlock(nn.Module):
    """`x + conv(relu(conv(x)))`, plain 3x3 convolutions.

    Args:
        channels: number of feature channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.second.weight, nonlinearity="relu")
        with torch.no_grad():
            self.second.weight.mul_(BLOCK_INIT_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        """Refine (B, C, H, W)."""
        refined: Tensor = self.second(functional.relu(self.first(x)))
        return x + refined


class UNetRestorer(nn.Module):
    """Blind restorer in the manner of DRUNet (arXiv 2008.13751), an order of magnitude smaller.

    What we changed: half-resolution input by pixel unshuffle, two levels, no noise map, and a
    global residual whose last convolution starts at zero, so that training starts at identity.

    Args:
        config: the size of the net.
    """

    scale = 1

    def __init__(self, config: UNetRestorerConfig) -> None:
        super().__init__()
        self.config = config
        widths, blocks = config.channels, config.blocks
        finer = list(zip(widths[:-1], widths[1:], blocks[:-1], strict=True))
        self.head = nn.Conv2d(3 * UNSHUFFLE**2, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(_blocks(width, n) for width, _, n in finer)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b, _ in finer)
        self.middle = _blocks(widths[-1], blocks[-1])
        self.ups = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for a, b, _ in finer)
        self.decoders = nn.ModuleList(_blocks(width, n) for width, _, n in finer)
        self.tail = nn.Conv2d(widths[0], 3 * UNSHUFFLE**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(cast(Tensor, self.tail.bias))

    @property
    def multiple_of(self) -> int:
        """Height and width must be multiples of this many pixels."""
        return UNSHUFFLE << len(self.downs)

    @property
    def halo(self) -> int:
        """Receptive-field radius in source pixels around a block aligned to `multiple_of`."""
        return receptive_radius(self.config)

    def forward(self, lq: Tensor) -> Tensor:
        """Restore a batch.

        Args:
            lq: (B, 3, H, W), float32, about [0, 1] (noise may leave it), RGB; H and W are
                multiples of `multiple_of`.

        Returns:
            (B, 3, H, W), float32, about [0, 1] (not clipped), RGB.
        """
        x = self.head(functional.pixel_unshuffle(lq, UNSHUFFLE))  # (B, C0, H/2, W/2)
        skips: list[Tensor] = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(x)  # (B, C[i+1], h/2, w/2)
        x = self.middle(x)
        for level in reversed(range(len(skips))):
            x = functional.pixel_shuffle(self.ups[level](x), 2) + skips[level]
            x = self.decoders[level](x)
        return lq + functional.pixel_shuffle(self.tail(x), UNSHUFFLE)

    def describe(self) -> dict[str, object]:
        """Net name and config as plain values, for `weights.json`."""
        return {"net": "unet_restorer", **asdict(self.config)}


def receptive_radius(config: UNetRestorerConfig) -> int:
    """Follow one aligned output block back to the input pixels that it reads.

    Args:
        config: the size of the net.

    Returns:
        Source pixels read beyond the block, on its widest side.

    >>> receptive_radius(UNetRestorerConfig(channels=(16, 16), blocks=(1, 1)))
    22
    """
    levels = len(config.channels) - 1
    block = 1 << levels
    low, high = -1, block + 1  # the last convolution, at half resolution
    for count in config.blocks[:-1]:
        low, high = low - 2 * count, high + 2 * count
        low, high = low // 2, -(-high // 2)
    low, high = low - 2 * config.blocks[-1], high + 2 * config.blocks[-1]
    for count in reversed(config.blocks[:-1]):
        low, high = 2 * low - 2 * count, 2 * high + 2 * count
    low, high = low - 1, high + 1  # the first convolution
    return UNSHUFFLE * max(-low, high - block)


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))
