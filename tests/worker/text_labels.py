"""Labels with small print, and textures without any, drawn from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Pixels = NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]

GROUNDS = ("plain", "gradient", "noisy")
_WORDS = (
    "NET WT 250 ml", "Porridge oats", "best before 12/2027", "HALDE", "Lot 4711-B",
    "Organic cotton",
    "Made in Portugal", "100 % wool", "SIZE 42", "Waschen 30°", "Ingredients: oats, salt",
    "www.halde.example", "No. 5", "REF 0815", "Batch 22",
)  # fmt: skip
_WIDTH, _HEIGHT = 360, 260


def label(seed: int, size: int, ground: str = "plain") -> tuple[Pixels, list[Rectangle]]:
    """Draw lines of text in Pillow's own font.

    Args:
        seed: chooses words, places, colours and contrast (70 to 200 levels); odd ones are blurred.
        size: of the font, pixels.
        ground: one of ``GROUNDS``.

    Returns:
        (260, 360, 3), uint8, RGB, and the left, top, right and bottom of every line.
    """
    random = np.random.default_rng(seed)
    image = Image.fromarray(_ground(ground, random))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    lines: list[Rectangle] = []
    top = 14
    while top < _HEIGHT - size - 14:
        words, left = _WORDS[random.integers(len(_WORDS))], int(random.integers(8, 60))
        x0, y0, x1, y1 = (int(edge) for edge in draw.textbbox((left, top), words, font=font))
        if x1 < _WIDTH - 4:
            behind = np.asarray(image)[y0 : y1 + 1, x0 : x1 + 1].reshape(-1, 3).mean(axis=0)
            sign = 1 if behind @ (0.299, 0.587, 0.114) < 128 else -1
            ink = np.clip(behind + sign * random.uniform(70, 200), 0, 255).astype(int)
            draw.text((left, top), words, font=font, fill=tuple(ink.tolist()))
            lines.append((x0, y0, x1, y1))
        top += int(size * 1.8) + int(random.integers(6, 30))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(0.5)) if seed % 2 else image), lines


def textures() -> dict[str, Pixels]:
    """Return pictures of one kind of surface each: (260, 360, 3), uint8, grey."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:_HEIGHT, :_WIDTH]
    noise = random.normal(0, 1, (_HEIGHT, _WIDTH))
    found = {"plain": np.full(x.shape, 140.0), "gradient": x / _WIDTH * 200 + 20}
    for deviation in (3, 8, 15, 30):
        found[f"noise {deviation}"] = 128 + deviation * noise
    for period in (3, 5, 8, 14, 24):
        wave = np.sin(2 * np.pi * x / period)
        found[f"stripes {period}"] = 128 + 60 * np.sign(wave)
        found[f"waves {period}"] = 128 + 50 * np.sin(2 * np.pi * (x + 0.3 * y) / period)
        found[f"checks {period}"] = 128 + 60 * np.sign(wave * np.sin(2 * np.pi * y / period))
    for period in (4, 8):
        crossed = np.sin(2 * np.pi * x / period) * np.cos(2 * np.pi * y / period)
        found[f"weave {period}"] = 128 + 40 * crossed + 6 * noise
    mortar = (y % 24 < 3) | ((x + y // 24 % 2 * 30) % 60 < 3)
    found["bricks"] = np.where(mortar, 200, 110) + 6 * noise
    for radius in (1, 2, 4):
        grain = Image.fromarray(np.clip(128 + 40 * noise, 0, 255).astype(np.uint8))
        blobs = np.asarray(grain.filter(ImageFilter.GaussianBlur(radius)), float)
        found[f"blobs {radius}"] = 128 + 40 * (blobs - blobs.mean()) / blobs.std()
    found["shapes"] = _shapes()
    return {name: _to_rgb(levels) for name, levels in found.items()}


def _ground(kind: str, random: np.random.Generator) -> Pixels:
    if kind == "gradient":
        first, second = random.integers(0, 256, 3), random.integers(0, 256, 3)
        share = np.linspace(0, 1, _WIDTH)[None, :, None]
        row = first * (1 - share) + second * share
        return np.broadcast_to(row, (_HEIGHT, _WIDTH, 3)).astype(np.uint8)
    colour = random.integers(30, 226, 3)
    noise = random.normal(0, 6, (_HEIGHT, _WIDTH, 3)) if kind == "noisy" else 0.0
    levels = np.broadcast_to(colour, (_HEIGHT, _WIDTH, 3)) + noise
    return np.clip(levels, 0, 255).astype(np.uint8)


def _shapes() -> NDArray[np.float64]:
    image = Image.new("L", (_WIDTH, _HEIGHT), 230)
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 40, 300, 220), fill=90)
    draw.rectangle((100, 90, 140, 180), fill=160)
    draw.line((0, 0, 359, 259), fill=20, width=3)
    return np.asarray(image, float)


def _to_rgb(levels: NDArray[np.float64]) -> Pixels:
    return np.clip(levels, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
