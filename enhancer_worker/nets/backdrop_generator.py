"""Paints backdrops from maps of the frame, conditions and a seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from enhancer_worker.nets.backdrop_conditions import CODES, PALETTE_CODES, SEAMLESS, STYLES
from enhancer_worker.nets.backdrop_input import NUMBERS
from enhancer_worker.nets.backdrop_maps import MAPS, SIDE
from enhancer_worker.nets.backdrop_noise import KINDS
from enhancer_worker.nets.backdrop_scenery import FREE, Scenery, SceneryConfig, place
from enhancer_worker.nets.modulated import Modulated

UNSHUFFLE = 2
FIRST_SIDE = 8
PAINTED = 5
"""Channels of the result before it meets the palette: gain, share of accent, red, green, blue."""
GATE_STEP = 10.0
"""Gates move so much faster than weights, as a style is seen once in ten pictures."""
TEXTURES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "wood_table": (("grain", "clouds"), ()),
    "marble": (("veins", "clouds"), ()),
    "concrete": (("clouds", "weave"), ("clouds",)),
    "fabric": (("weave", "clouds"), ("clouds", "weave")),
    "interior_bokeh": (("grain", "clouds"), ("discs",)),
    "outdoor_bokeh": (("grain", "clouds"), ("discs",)),
    "brand": (KINDS, ()),
}
"""Noise maps that a style may use, on its surface and behind it; a studio has none, and is clean
whatever the training does."""
_VEINS_WEIGHT = 3.0
"""Veins are rare and thin: a map as weak as the others would be learned last."""
_STYLE_WEIGHT, _CODE_WEIGHT, _LATENT_WEIGHT = 3.0, 1.5, 0.35
"""So that what is asked for counts for more than the sixty-four random numbers."""


@dataclass(frozen=True)
class BackdropGeneratorConfig:
    """Size of one generator; the defaults have 3.4 million parameters, most below 64 pixels."""

    channels: tuple[int, ...] = (192, 160, 128, 64, 32)
    """Feature channels at 8, 16, 32, 64 and 128 pixels."""
    convolutions: tuple[int, ...] = (2, 2, 2, 1, 1)
    """3x3 convolutions at each of them."""
    mapped: int = 256
    """Numbers into which conditions and seed are mapped."""
    texture: int = 32
    """Channels of the pointwise path from noise maps to pixels."""
    scenery: tuple[int, ...] = SceneryConfig().channels
    """Feature channels of what is behind a table, at 6, 12, 24 and 48 rows."""


class Excitation(nn.Module):
    """Lets coarse features weigh fine channels: skip-layer excitation (arXiv 2101.04775).

    What we changed: a channel is halved at most, as gates that close early never open again, and
    everything before them stays as it was drawn.

    Args:
        coarse: channels of the features that decide.
        fine: channels that are switched.
    """

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(coarse, fine, 4)
        self.second = nn.Conv2d(fine, fine, 1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(cast(Tensor, self.second.bias))

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Scale (B, fine, H, W) by (B, coarse, h, w), whose sides are multiples of four."""
        pooled = functional.avg_pool2d(coarse, coarse.shape[-1] // 4)
        gate = torch.sigmoid(self.second(functional.leaky_relu(self.first(pooled), 0.2)))
        return fine * (0.5 + gate)


class BackdropGenerator(nn.Module):
    """A layout-conditioned generator in the manner of FastGAN (arXiv 2101.04775), much smaller.

    What we changed: besides the constant, every level is given the frame's maps (where surface
    and light are, noise as it lies on the surface), so that the layout is obeyed at once and the
    noise of the seed is seen in perspective; each style switches the maps that it needs; all
    conditions modulate every convolution; fine texture is a pointwise function of the noise maps;
    what is behind a table comes from a net of its own (`Scenery`), smaller and smooth; and the
    result is a change of the palette's colours, which training begins with. There is no noise but
    that of the input.

    Args:
        config: the size of the net.
    """

    scale = 1
    halo = 0
    multiple_of = SIDE

    def __init__(self, config: BackdropGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        widths, mapped = config.channels, config.mapped
        self.mapping = nn.Sequential(
            nn.Linear(NUMBERS, mapped),
            nn.LeakyReLU(0.2),
            nn.Linear(mapped, mapped),
            nn.LeakyReLU(0.2),
        )
        self.constant = nn.Parameter(torch.randn(1, widths[0], FIRST_SIDE, FIRST_SIDE))
        self.behind = Scenery(SceneryConfig(config.scenery))
        fine = len(MAPS) * UNSHUFFLE**2
        given = [len(MAPS)] * (len(widths) - 1) + [fine]
        self.layouts = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(given, widths, strict=True))
        self.narrowing = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.levels = nn.ModuleList(
            nn.ModuleList(Modulated(width, width, 3, mapped) for _ in range(count))
            for width, count in zip(widths, config.convolutions, strict=True)
        )
        self.excitations = nn.ModuleList(
            [Excitation(widths[1], widths[-2]), Excitation(widths[0], widths[-1])]
        )
        self.texture = Modulated(fine, config.texture, 1, mapped)
        self.to_pixels = nn.Conv2d(widths[-1], PAINTED * UNSHUFFLE**2, 3, padding=1)
        self.texture_to_pixels = nn.Conv2d(config.texture, PAINTED * UNSHUFFLE**2, 1)
        for last in (self.to_pixels, self.texture_to_pixels):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(cast(Tensor, last.bias))
        self.gates = nn.Parameter(torch.zeros(len(STYLES), 2 * len(MAPS)))
        self.register_buffer("allowed", _allowed(), persistent=False)
        weights = torch.full((NUMBERS,), _LATENT_WEIGHT)
        weights[:CODES], weights[: len(STYLES)] = _CODE_WEIGHT, _STYLE_WEIGHT
        self.register_buffer("weights", weights, persistent=False)
        seamless = torch.tensor([float(style in SEAMLESS) for style in STYLES])
        self.register_buffer("seamless", seamless, persistent=False)

    def forward(self, planes: Tensor) -> Tensor:
        """Paint a batch.

        Args:
            planes: (B, PLANES, 256, 256), float32, as `backdrop_input.pack` makes them.

        Returns:
            (B, 3, 256, 256), float32, about [0, 1], RGB, sRGB.
        """
        maps, numbers = planes[:, : len(MAPS)], planes[:, len(MAPS)].flatten(1)[:, :NUMBERS]
        return self.paint(maps, numbers, self.constant, self.scenery(numbers))

    def scenery(self, numbers: Tensor) -> Tensor:
        """What is behind a table: how it differs from one colour.

        Args:
            numbers: (B, NUMBERS): codes and latent numbers.

        Returns:
            (B, 3, 256, 256), sRGB; zero for a style without scenery.
        """
        is_free = numbers[:, [STYLES.index(style) for style in FREE]].sum(1)
        return place(self.behind(numbers), numbers) * is_free[:, None, None, None]

    def paint(self, maps: Tensor, numbers: Tensor, constant: Tensor, scenery: Tensor) -> Tensor:
        """Paint a batch, or the same window of each picture.

        Args:
            maps: (B, len(MAPS), H, W), or a window of them, on multiples of 32 pixels.
            numbers: (B, NUMBERS): codes and latent numbers.
            constant: the net's own, (1, C, H / 32, W / 32), or the same window of it.
            scenery: of `scenery`, or the same window of it.
        """
        style = self.mapping(numbers * cast(Tensor, self.weights))
        style = style * torch.rsqrt(style.square().mean(1, keepdim=True) + 1e-6)
        gated = self._gated(maps, numbers)
        fine = functional.pixel_unshuffle(gated, UNSHUFFLE)
        features = self._features(gated, fine, constant, style)
        painted = self.to_pixels(features) + self.texture_to_pixels(self.texture(fine, style))
        painted = functional.pixel_shuffle(painted, UNSHUFFLE)
        base, accent = self._base(maps, numbers)
        base = base + scenery * (1 - maps[:, :1])
        return base * (1 + painted[:, :1]) + accent * painted[:, 1:2] + painted[:, 2:]

    def _gated(self, maps: Tensor, numbers: Tensor) -> Tensor:
        """Maps as far as the style uses them, on the surface and behind it."""
        gates = cast(Tensor, self.allowed) * (1 + GATE_STEP * self.gates)
        chosen = (numbers[:, : len(STYLES)] @ gates)[..., None, None]
        surface, behind = chosen.chunk(2, dim=1)
        return maps * (behind + (surface - behind) * maps[:, :1])

    def _features(self, maps: Tensor, fine: Tensor, constant: Tensor, style: Tensor) -> Tensor:
        x = constant.expand(maps.shape[0], -1, -1, -1)
        kept: list[Tensor] = []
        for number, level in enumerate(self.levels):
            if number:
                x = functional.interpolate(self.narrowing[number - 1](x), scale_factor=2.0)
            is_last = number == len(self.levels) - 1
            seen = fine if is_last else functional.avg_pool2d(maps, maps.shape[-1] // x.shape[-1])
            x = x + self.layouts[number](seen)
            for conv in cast(nn.ModuleList, level):
                x = conv(x, style)
            excitation = len(self.levels) - number
            if excitation <= len(self.excitations):
                x = self.excitations[-excitation](kept[excitation - 1], x)
            kept.append(x)
        return x

    def _base(self, maps: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Both palette colours where they belong, (B, 3, H, W); how the accent differs."""
        is_seamless = (numbers[:, : len(STYLES)] * cast(Tensor, self.seamless)).sum(1)
        is_seamless = is_seamless[:, None, None, None]
        share = maps[:, :1] * (1 - is_seamless) + maps[:, 1:2] * is_seamless
        palette = (numbers[:, PALETTE_CODES, None, None] + 1) / 2
        surface, behind, accent = palette.chunk(3, dim=1)
        return surface * share + behind * (1 - share), accent - surface

    def describe(self) -> dict[str, object]:
        """Net name and config as plain values, for `weights.json`."""
        sizes = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.config).items()}
        return {"net": "backdrop_generator", **sizes, "codes": CODES}


def _allowed() -> Tensor:
    """1 where a style may use a map, (styles, 2 * maps): first on the surface, then behind it."""
    noise = {*KINDS, "discs"}
    rows = []
    for style in STYLES:
        used = TEXTURES.get(style, ((), ()))
        rows.append([float(m not in noise or m in names) for names in used for m in MAPS])
    allowed = torch.tensor(rows)
    veins = MAPS.index("veins")
    allowed[:, [veins, veins + len(MAPS)]] *= _VEINS_WEIGHT
    return allowed
