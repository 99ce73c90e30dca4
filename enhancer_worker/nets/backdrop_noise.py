"""Tileable noise in surface coordinates, of which a network makes grain, veins and threads."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

TILE = 512
"""Side of the tile, texels."""
SPAN = 4.0
"""Side of the tile, surface units; the camera stands one unit above the surface."""
KINDS = ("clouds", "veins", "grain", "weave")
"""Channels of the tile."""
_LEVELS = 6
_PLANKS = 5
_THREADS = 64


@functools.cache
def pyramid() -> tuple[Floats, ...]:
    """The tile and its smaller versions, each (side, side, 4), float32, [0, 1]."""
    rng = np.random.default_rng(20_480)
    levels = [np.stack([_clouds(rng), _veins(rng), _grain(rng), _weave(rng)], axis=-1)]
    while len(levels) < _LEVELS:
        side = levels[-1].shape[0] // 2
        levels.append(levels[-1].reshape(side, 2, side, 2, len(KINDS)).mean((1, 3)))
    return tuple(level.astype(np.float32) for level in levels)


@functools.cache
def mean_tone(kind: str) -> float:
    """Mean of a channel over the whole tile, [0, 1]."""
    return float(pyramid()[0][..., KINDS.index(kind)].mean())


def sample(
    across: Floats, along: Floats, footprint: Floats, kinds: Sequence[str] = KINDS
) -> Floats:
    """Look the tile up.

    Args:
        across: coordinates, surface units, any shape.
        along: likewise.
        footprint: how much of the surface a pixel covers, surface units, the same shape.
        kinds: the channels that are wanted, of `KINDS`.

    Returns:
        (..., kinds), float32, [0, 1], averaged over about the footprint.
    """
    channels = [KINDS.index(kind) for kind in kinds]
    texels = np.maximum(footprint * (TILE / SPAN), 1)
    level = np.clip(np.log2(texels), 0, _LEVELS - 1.001)
    result = np.zeros((*across.shape, len(kinds)), np.float32)
    for number, tile in enumerate(pyramid()):
        weight = np.clip(1 - np.abs(level - number), 0, 1)
        here = weight > 0
        if here.any():
            found = _bilinear(tile[..., channels], across[here], along[here])
            result[here] += weight[here][:, None].astype(np.float32) * found
    return result


def _bilinear(tile: Floats, across: Floats, along: Floats) -> Floats:
    side = tile.shape[0]
    last = side - 1  # a side is a power of two, so that a mask repeats the tile
    texels = tile.reshape(side * side, -1)
    x, y = (c / SPAN * side - 0.5 for c in (across, along))
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    right, below = (left + 1) & last, ((top + 1) & last) * side
    left, above = left & last, (top & last) * side
    upper = texels.take(above + left, 0) * (1 - fx) + texels.take(above + right, 0) * fx
    lower = texels.take(below + left, 0) * (1 - fx) + texels.take(below + right, 0) * fx
    result: Floats = upper * (1 - fy) + lower * fy
    return result


def _coloured(
    rng: np.random.Generator, slope: float, stretch: float = 1.0, low: float = 1.0
) -> NDArray[np.float64]:
    """Tileable Gaussian noise with a power spectrum, mean 0, deviation 1.

    Args:
        rng: source of randomness.
        slope: how fast amplitudes fall with frequency.
        stretch: times that it is longer along the rows than across them.
        low: cycles per tile below which there is nothing more to add.
    """
    across = np.fft.fftfreq(TILE, 1 / TILE)[None, :]
    down = np.fft.fftfreq(TILE, 1 / TILE)[:, None]
    radius = np.sqrt((across * stretch) ** 2 + down**2)
    spectrum = np.fft.fft2(rng.standard_normal((TILE, TILE)))
    noise = np.fft.ifft2(spectrum / np.maximum(radius, low) ** slope * (radius > 0)).real
    result: NDArray[np.float64] = noise / noise.std()
    return result


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.percentile(values, (0.5, 99.5))
    scaled: NDArray[np.float64] = np.clip((values - low) / (high - low), 0, 1)
    return scaled


def _clouds(rng: np.random.Generator) -> NDArray[np.float64]:
    return _unit(_coloured(rng, 1.4, low=2) + 0.35 * _coloured(rng, 0.5, low=24))


def _veins(rng: np.random.Generator) -> NDArray[np.float64]:
    """Thin lines where smooth noise crosses zero, wide ones and hair lines."""
    strength = np.clip(0.6 + 0.5 * _coloured(rng, 1.6, low=2), 0, 1.4)
    broad = np.exp(-np.abs(_coloured(rng, 2.3, low=2)) / 0.06) * strength
    fine = np.exp(-np.abs(_coloured(rng, 2.1, low=3)) / 0.035) * 0.5
    haze = 0.35 * np.exp(-np.abs(_coloured(rng, 2.3, low=2)) / 0.35) * strength
    return np.clip(broad + haze + fine * np.clip(0.4 + _coloured(rng, 1.8, low=2), 0, 1), 0, 1)


def _grain(rng: np.random.Generator) -> NDArray[np.float64]:
    """Planks along the rows: rings, fibres, a tone of each plank's own, dark joints."""
    rows = np.arange(TILE)[:, None] / TILE * _PLANKS
    plank = rows.astype(int)
    shifts = rng.integers(TILE, size=_PLANKS)[plank[:, 0]]
    bent = _coloured(rng, 2.2, stretch=9, low=2)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (3 * rows + 0.8 * bent))
    fibres = _unit(_coloured(rng, 0.75, stretch=24, low=12))
    turned = np.stack([np.roll(row, by) for row, by in zip(rings, shifts, strict=True)])
    tone = rng.uniform(0, 1, _PLANKS)[plank]
    joint = np.clip((0.5 - np.abs(rows % 1 - 0.5)) * TILE / _PLANKS / 1.5, 0, 1)
    return _unit(0.3 * turned + 0.5 * fibres + 0.3 * tone) * (0.3 + 0.7 * joint)


def _weave(rng: np.random.Generator) -> NDArray[np.float64]:
    """Threads over and under each other, none as thick as the next."""
    at = np.arange(TILE) / TILE * _THREADS
    wobble = 0.12 * _coloured(rng, 1.2, low=4)
    warp = np.sin(np.pi * (at[None, :] + wobble)) ** 2
    weft = np.sin(np.pi * (at[:, None] + wobble)) ** 2
    over = (at.astype(int)[None, :] + at.astype(int)[:, None]) % 2
    threads = np.where(over, warp * (0.55 + 0.45 * weft), weft * (0.55 + 0.45 * warp))
    return _unit(threads + 0.22 * _coloured(rng, 0.3, low=16))
