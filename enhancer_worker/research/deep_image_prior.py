"""Deep Image Prior: an untrained net, fitted to one picture, enlarges or denoises it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from enhancer_worker.training.degradations import antialiased_bicubic

SLOPE = 0.2
INPUT_RANGE = 0.1


@dataclass(frozen=True)
class HourglassConfig:
    """Size of the net; the paper's by default (2.2 million parameters)."""

    channels: int = 128
    """Feature channels of every level."""
    levels: int = 5
    """Halvings of the size."""
    skip_channels: int = 4
    """Channels that pass from a level down to the same level up."""
    input_channels: int = 32
    """Channels of the fixed noise that the net turns into a picture."""


@dataclass(frozen=True)
class FitConfig:
    """How long and how the net is fitted to one picture."""

    steps: int = 2000
    """Adam steps; too many reproduce the noise too."""
    learning_rate: float = 0.01
    """Adam step size, unitless."""
    input_noise: float = 0.03
    """Standard deviation of the noise that is added to the net's input in every step."""
    average_decay: float = 0.99
    """Weight of the past in the averaged output, per step."""
    seed: int = 0
    """Seed of the net, its input and the noise."""


class Hourglass(nn.Module):
    """Encoder and decoder with thin skips (Ulyanov et al. 2018, arXiv 1711.10925).

    What we changed: sizes that are no multiple of 2^levels are padded by the caller, not cropped
    in each level.

    Args:
        config: the size of the net.
    """

    def __init__(self, config: HourglassConfig) -> None:
        super().__init__()
        self.config = config
        width, thin = config.channels, config.skip_channels
        self.downs = nn.ModuleList(
            nn.Sequential(
                _conv(width if level else config.input_channels, width, 3, stride=2),
                _conv(width, width, 3),
            )
            for level in range(config.levels)
        )
        self.skips = nn.ModuleList(
            _conv(width if level else config.input_channels, thin, 1)
            for level in range(config.levels)
        )
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(width + thin), _conv(width + thin, width, 3), _conv(width, width, 1)
            )
            for _ in range(config.levels)
        )
        self.last = nn.Conv2d(width, 3, 1)

    def forward(self, noise: Tensor) -> Tensor:
        """Make a picture.

        Args:
            noise: (1, input_channels, H, W), float32; H and W are multiples of 2^levels, at least
            twice that.

        Returns:
            (1, 3, H, W), float32, [0, 1], RGB.
        """
        features, passed = noise, []
        for down, skip in zip(self.downs, self.skips, strict=True):
            passed.append(skip(features))
            features = down(features)  # (1, C, h/2, w/2)
        for up, skipped in zip(reversed(self.ups), reversed(passed), strict=True):
            larger = functional.interpolate(features, scale_factor=2.0, mode="bilinear")
            features = up(torch.cat([larger, skipped], 1))
        return torch.sigmoid(self.last(features))


def fit_prior(
    given: Tensor,
    size: tuple[int, int],
    degrade: Callable[[Tensor], Tensor],
    net_config: HourglassConfig,
    config: FitConfig,
    steps: Iterable[int] | None = None,
) -> Tensor:
    """Find the net whose output, degraded, is the given picture; the net's structure does the rest.

    Args:
        given: (1, 3, h, w), float32, about [0, 1], RGB.
        size: (height, width) of the result, pixels.
        degrade: turns a (1, 3, height, width) result into what was given.
        net_config: the size of the net.
        config: how it is fitted.
        steps: numbers 0, 1, ... of the steps, such as a progress bar; `config.steps` by default.

    Returns:
        The averaged output, (1, 3, height, width), float32, [0, 1], RGB.
    """
    generator = torch.Generator().manual_seed(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = Hourglass(net_config).to(memory_format=torch.channels_last)
    noise = INPUT_RANGE * torch.rand(_input_shape(size, net_config), generator=generator)
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    average: Tensor | None = None
    for _ in range(config.steps) if steps is None else steps:
        disturbed = noise + config.input_noise * torch.randn(noise.shape, generator=generator)
        result = net(disturbed)[..., : size[0], : size[1]]
        optimizer.zero_grad(set_to_none=True)
        functional.mse_loss(degrade(result), given).backward()
        optimizer.step()
        latest = result.detach()
        average = latest if average is None else average.lerp(latest, 1 - config.average_decay)
    if average is None:
        raise ValueError("at least one step is needed")
    return average


def enlarge(
    lq: Tensor,
    scale: int,
    net_config: HourglassConfig,
    config: FitConfig,
    steps: Iterable[int] | None = None,
) -> Tensor:
    """Enlarge (1, 3, h, w), float32, [0, 1], to (1, 3, scale * h, scale * w)."""
    height, width = lq.shape[-2:]
    size = (height * scale, width * scale)
    return fit_prior(
        lq, size, lambda result: antialiased_bicubic(result, (height, width)), net_config, config,
        steps,
    )  # fmt: skip


def denoise(
    lq: Tensor,
    net_config: HourglassConfig,
    config: FitConfig,
    steps: Iterable[int] | None = None,
) -> Tensor:
    """Denoise (1, 3, h, w), float32, about [0, 1]; stopping early is what keeps the noise out."""
    size = cast(tuple[int, int], tuple(lq.shape[-2:]))
    return fit_prior(lq, size, lambda result: result, net_config, config, steps)


def _input_shape(size: tuple[int, int], config: HourglassConfig) -> tuple[int, int, int, int]:
    multiple = 1 << config.levels
    # The deepest level mirrors its borders, which takes two pixels.
    height, width = (max(2, -(-side // multiple)) * multiple for side in size)
    return (1, config.input_channels, height, width)


def _conv(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride=stride, padding=side // 2, padding_mode="reflect"),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(SLOPE),
    )
