"""Labels on products: what looks like paper or wall there is product all the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from enhancer_worker.training.data import Tile

SMALLEST_AREA = 400
"""Opaque pixels of an object, below which there is no room for a label."""
OVERSAMPLING = 2
"""Drawn that much larger along each axis, and shrunk, for smooth edges."""

Point = tuple[float, float]


def stickered(picture: Tile, alpha: NDArray[np.uint8], rng: np.random.Generator) -> Tile:
    """Stick a label on an object: a plain quadrilateral, mostly of pale paper, with lines of print.

    Args:
        picture: (H, W, 3), uint8, RGB.
        alpha: (H, W), uint8: of the object. The label ends where it does.
        rng: source of randomness.

    Returns:
        Another picture; the same where the object is too small. Outside the object nothing changes.
    """
    inside = np.argwhere(alpha > 250)
    if len(inside) < SMALLEST_AREA:
        return picture
    row, column = inside[rng.integers(len(inside))]
    axes = _axes(rng, float(np.sqrt(len(inside))))
    centre = np.array([column, row], float)
    height, width = alpha.shape
    size = (width * OVERSAMPLING, height * OVERSAMPLING)
    label = Image.new("RGB", size, _paper(rng))
    shape = Image.new("L", size)
    drawing = ImageDraw.Draw(label)
    ImageDraw.Draw(shape).polygon(_corners(centre, axes, (-1, -1), (1, 1)), 255)
    if rng.random() < 0.75:
        ink = tuple(int(level) for level in rng.integers(0, 110, 3))
        for first, last in _print(rng):
            drawing.polygon(_corners(centre, axes, first, last), ink)
    label, shape = (plane.reduce(OVERSAMPLING) for plane in (label, shape))
    share = np.asarray(shape, np.float32)[..., None] * (alpha[..., None] > 0) / np.float32(255)
    shaded = np.asarray(label, np.float32) * _light(rng, (height, width))
    mixed = picture + share * (shaded - picture)
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def _axes(rng: np.random.Generator, extent: float) -> NDArray[np.float64]:
    """Half the label's width and height as vectors, pixels: (2, 2)."""
    length = extent * rng.uniform(0.12, 0.42)
    aspect = np.exp(rng.normal(0, 0.4))
    turn = rng.normal(0, 0.2) if rng.random() < 0.75 else rng.uniform(-np.pi, np.pi)
    lean = turn + np.pi / 2 + rng.normal(0, 0.15)
    return np.array(
        [
            [length * aspect * np.cos(turn), length * aspect * np.sin(turn)],
            [length / aspect * np.cos(lean), length / aspect * np.sin(lean)],
        ]
    )


def _corners(
    centre: NDArray[np.float64], axes: NDArray[np.float64], first: Point, last: Point
) -> list[Point]:
    """Return the corners of a part of the label that runs from -1 to 1 along both axes."""
    places = ((first[0], first[1]), (last[0], first[1]), (last[0], last[1]), (first[0], last[1]))
    return [tuple(OVERSAMPLING * (centre + np.array(place) @ axes)) for place in places]


def _paper(rng: np.random.Generator) -> tuple[int, ...]:
    """Draw a colour: pale and nearly grey, at times any."""
    if rng.random() < 0.25:
        return tuple(int(level) for level in rng.integers(0, 256, 3))
    return tuple(
        int(level) for level in np.clip(rng.uniform(190, 256) + rng.normal(0, 5, 3), 0, 255)
    )


def _print(rng: np.random.Generator) -> list[tuple[Point, Point]]:
    """Draw lines of words: opposite corners of each word."""
    words = []
    lines = int(rng.integers(1, 7))
    tall = 1.6 / lines * rng.uniform(0.3, 0.7)
    for top in np.linspace(-0.8, 0.8 - tall, lines):
        left = -0.85
        while left < 0.7 and rng.random() < 0.9:
            right = min(left + rng.uniform(0.1, 0.5), 0.85)
            words.append(((left, float(top)), (right, float(top) + tall)))
            left = right + 0.06
    return words


def _light(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """Draw light that falls off evenly to one side: (H, W, 1), at most 1."""
    rows, columns = (np.linspace(0, 1, length, dtype=np.float32) for length in size)
    down, right = rng.uniform(-0.2, 0.2, 2)
    slope = rows[:, None] * np.float32(down) + columns[None] * np.float32(right)
    return slope[..., None] + np.float32(1 - rng.exponential(0.08) - slope.max())
