"""The generator of the textbooks, to be compared with."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from enhancer_worker.nets.backdrop_input import NUMBERS
from enhancer_worker.nets.backdrop_maps import MAPS


class DCGANGenerator(nn.Module):
    """Unsupervised representation learning with DCGANs (arXiv 1511.06434), conditioned.

    Transposed convolutions, batch normalisation, ReLU, tanh, as in the paper. What we changed: it
    makes 256 pixels instead of 64, by two more stages; and the conditions join the random numbers
    at its input. It sees no maps.

    Args:
        channels: at 4 pixels, and at each doubling but the last.
    """

    scale = 1

    def __init__(self, channels: tuple[int, ...] = (256, 192, 128, 96, 48, 24)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ConvTranspose2d(NUMBERS, channels[0], 4, bias=False)]
        for given, made in pairwise(channels):
            layers += [nn.BatchNorm2d(given), nn.ReLU()]
            layers.append(nn.ConvTranspose2d(given, made, 4, stride=2, padding=1, bias=False))
        layers += [nn.BatchNorm2d(channels[-1]), nn.ReLU()]
        layers += [nn.ConvTranspose2d(channels[-1], 3, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        for layer in self.layers:
            if isinstance(layer, nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, std=0.02)

    def forward(self, planes: Tensor) -> Tensor:
        """Paint (B, 3, 256, 256), [0, 1], from (B, PLANES, 256, 256), of which it reads the last.

        See `BackdropGenerator.forward`.
        """
        numbers = planes[:, len(MAPS)].flatten(1)[:, :NUMBERS]
        return cast(Tensor, self.layers(numbers[..., None, None]) + 1) / 2
