"""Procedural surfaces as pictures: wood, weaves, cardboard, glazes; no photograph is used."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Array = NDArray[np.float64]


def noise(shape: tuple[int, int], cells: tuple[float, float], seed: int) -> Array:
    """Smooth random values, mean 0 and deviation 1.

    Args:
        shape: (height, width) in pixels.
        cells: how many bumps fit into (height, width).
        seed: another seed is another surface.
    """
    rng = np.random.default_rng(seed)
    height, width = (max(2, round(cell) + 1) for cell in cells)
    coarse = Image.fromarray(rng.standard_normal((height, width)).astype("f4"))
    fine = np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC), float)
    result: Array = (fine - fine.mean()) / (fine.std() + 1e-9)
    return result


def clouds(shape: tuple[int, int], cells: float, octaves: int, seed: int) -> Array:
    """Noise of several sizes on top of each other, deviation 1."""
    layers = [
        noise(shape, (cells * 2**octave, cells * 2**octave * shape[1] / shape[0]), seed + octave)
        / 2**octave
        for octave in range(octaves)
    ]
    total = np.sum(layers, axis=0)
    result: Array = total / total.std()
    return result


def blend(first: ArrayLike, second: ArrayLike, amount: Array) -> Array:
    """Mix two sRGB colours per pixel; amount 0 is the first, 1 the second. (H, W, 3)."""
    share = np.clip(amount, 0, 1)[..., None]
    return np.asarray(first, float) * (1 - share) + np.asarray(second, float) * share


def wood(
    shape: tuple[int, int], light: ArrayLike, dark: ArrayLike, *, seed: int, rings: float = 9
) -> Array:
    """One board with its grain running along x; sRGB in [0, 1], (H, W, 3)."""
    height, width = shape
    across = np.linspace(0, rings, height)[:, None]
    waves = across + 0.55 * noise(shape, (3, 3), seed) + 0.10 * noise(shape, (14, 7), seed + 1)
    phase = waves % 1
    ring = np.where(phase < 0.82, phase / 0.82, (1 - phase) / 0.18) ** 2.2
    fibre = noise(shape, (height / 2, width / 70), seed + 2)
    pores = np.clip(noise(shape, (height / 3, width / 40), seed + 3) - 1.9, 0, 1)
    amount = (
        0.12 + 0.42 * ring + 0.055 * fibre + 0.5 * pores + 0.06 * noise(shape, (2, 4), seed + 4)
    )
    return blend(light, dark, amount)


def planks(
    shape: tuple[int, int], light: ArrayLike, dark: ArrayLike, *, count: int, seed: int
) -> Array:
    """Boards side by side with thin dark joints; sRGB, (H, W, 3)."""
    edges = np.linspace(0, shape[0], count + 1).astype(int)
    rng = np.random.default_rng(seed)
    boards = []
    for number, (top, bottom) in enumerate(itertools.pairwise(edges)):
        board = wood((bottom - top, shape[1]), light, dark, seed=seed + 31 * number, rings=3.4)
        board *= rng.uniform(0.93, 1.04)
        board[: max(2, shape[0] // 700)] *= 0.45
        boards.append(board)
    return np.clip(np.vstack(boards), 0, 1)


def weave(shape: tuple[int, int], threads: tuple[int, int], *, seed: int) -> Array:
    """Height of a plain linen weave with uneven threads, [0, 1], (H, W).

    Args:
        shape: (height, width) in pixels.
        threads: how many lie over the (height, width).
        seed: decides which threads are thick.
    """
    height, width = shape
    y = np.linspace(0, threads[0], height)[:, None] + 0.12 * noise(shape, (6, 40), seed)
    x = np.linspace(0, threads[1], width)[None] + 0.12 * noise(shape, (40, 6), seed + 1)
    over = (np.floor(x) + np.floor(y)) % 2
    weft, warp = np.sin(np.pi * (y % 1)), np.sin(np.pi * (x % 1))
    lift_weft, lift_warp = np.sin(np.pi * (x % 1)), np.sin(np.pi * (y % 1))
    surface = np.where(
        over > 0.5, weft * (0.55 + 0.45 * lift_weft), warp * (0.55 + 0.45 * lift_warp)
    )
    thick = 0.05 * noise((height, 1), (threads[0] * 1.3, 1), seed + 2)
    thick = thick + 0.05 * noise((1, width), (1, threads[1] * 1.3), seed + 3)
    result: Array = np.clip(surface + thick, 0, 1)
    return result


def cloth(height_map: Array, colour: ArrayLike, *, seed: int, contrast: float = 0.35) -> Array:
    """Colour of a woven cloth: gaps between threads are darker; sRGB, (H, W, 3)."""
    shade = 1 - contrast * (1 - height_map) + 0.03 * clouds(height_map.shape, 6, 5, seed)
    return np.clip(np.asarray(colour, float) * shade[..., None], 0, 1)


def cardboard(shape: tuple[int, int], colour: ArrayLike, *, seed: int) -> Array:
    """Recycled board: soft clouds and short fibres, light and dark; sRGB, (H, W, 3)."""
    height, width = shape
    fibres = noise(shape, (height / 2, width / 12), seed) + noise(
        shape, (height / 12, width / 2), seed + 1
    )
    specks = np.clip(noise(shape, (height / 3, width / 3), seed + 2) - 2.3, 0, 1)
    shade = 1 + 0.018 * fibres + 0.02 * clouds(shape, 5, 4, seed + 3) - 0.35 * specks
    return np.clip(np.asarray(colour, float) * shade[..., None], 0, 1)


def speckled(shape: tuple[int, int], colour: ArrayLike, speck: ArrayLike, *, seed: int) -> Array:
    """Stoneware glaze with iron specks of several sizes; sRGB, (H, W, 3)."""
    tone = np.asarray(colour, float) * (1 + 0.02 * clouds(shape, 4, 4, seed)[..., None])
    amount = np.zeros(shape)
    for divisor, threshold in ((2.5, 2.75), (4, 2.9), (7, 3.1)):
        layer = noise(shape, (shape[0] / divisor, shape[1] / divisor), seed + round(divisor * 10))
        amount = np.maximum(amount, np.clip((layer - threshold) * 2.2, 0, 0.85))
    return np.clip(tone * (1 - amount[..., None]) + np.asarray(speck) * amount[..., None], 0, 1)


def leather(shape: tuple[int, int], *, seed: int) -> Array:
    """Height of a fine leather grain, [0, 1], (H, W)."""
    cells = np.abs(noise(shape, (shape[0] / 9, shape[1] / 9), seed))
    result: Array = np.clip(cells, 0, 1) ** 0.6
    return result
