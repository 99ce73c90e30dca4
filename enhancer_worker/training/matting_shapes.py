"""Invented objects: silhouettes of parts, filled with pieces of other pictures."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from enhancer_worker.training.blurring import FloatImage
from enhancer_worker.training.data import Tile
from enhancer_worker.training.matting_layers import Layers, cropped

SIDE = 144
"""Side of the canvas on which an object is invented, pixels."""
MOST_PARTS = 5
OPENED = 0.25
"""Fraction of objects that get a hole or a handle, through which the background is seen."""
Parts = NDArray[np.uint8]
"""(SIDE, SIDE): 0 outside, else the number of a part."""


def smooth_noise(rng: np.random.Generator, cells: int, side: int = SIDE) -> FloatImage:
    """Standard normal numbers on a coarse grid, between which is interpolated: (side, side)."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))


def invent(rng: np.random.Generator, photos: Sequence[Tile], textures: Sequence[Tile]) -> Layers:
    """Draw an object that never was, but has an outline, parts and a surface.

    Args:
        rng: source of randomness.
        photos: whose pieces fill it, each (H, W, 3), uint8.
        textures: likewise, of materials.
    """
    parts = _SILHOUETTES[int(rng.choice(len(_SILHOUETTES), p=_ODDS))](rng)
    if parts.max() == 0:
        parts = _blob(rng)
    if rng.random() < OPENED:
        parts = _pierced(parts, rng) if rng.random() < 0.5 else _handled(parts, rng)
    kin = fill(rng, photos, textures)
    colour = kin.copy()
    for number in range(1, int(parts.max()) + 1):
        # Parts of one thing resemble each other more often than not.
        own = kin if rng.random() < 0.45 else fill(rng, photos, textures)
        np.copyto(colour, own, where=(parts == number)[..., None])
    inside = parts > 0
    colour *= _relief(rng, inside)[..., None]
    alpha = _softened(inside, rng)
    surface = np.clip(colour, 0, 255).astype(np.uint8)
    return cropped(Layers(surface, alpha, np.zeros((SIDE, SIDE), np.uint8)))


def fill(
    rng: np.random.Generator, photos: Sequence[Tile], textures: Sequence[Tile], side: int = SIDE
) -> FloatImage:
    """A piece of a surface: of a photograph, a material, a colour or a pattern.

    Returns:
        (side, side, 3), float32, [0, 255].
    """
    kind = rng.random()
    if kind < 0.5:
        return piece(rng, photos, side)
    if kind < 0.62:
        return piece(rng, textures, side)
    first, second = (rng.uniform(0, 255, 3).astype(np.float32) for _ in range(2))
    if kind < 0.85:
        second = first * np.float32(rng.uniform(0.6, 1.2))
    return _pattern(rng, first, second, side)


def piece(
    rng: np.random.Generator, pictures: Sequence[Tile], side: int, least: float = 0.2
) -> FloatImage:
    """A random square of a random picture, enlarged or shrunk: (side, side, 3), [0, 255].

    Args:
        rng: source of randomness.
        pictures: each (H, W, 3), uint8.
        side: of the result, pixels.
        least: of the picture's shorter side that is seen, fraction.
    """
    picture = pictures[int(rng.integers(len(pictures)))]
    length = int(min(picture.shape[:2]) * rng.uniform(least, 1))
    top, left = (int(rng.integers(extent - length + 1)) for extent in picture.shape[:2])
    cut = picture[top : top + length, left : left + length]
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    resized = Image.fromarray(cut).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(resized, np.float32)


def _pattern(
    rng: np.random.Generator, first: FloatImage, second: FloatImage, side: int
) -> FloatImage:
    """Two colours in spots, stripes or a gradient."""
    kind = rng.random()
    if kind < 0.35:
        field = smooth_noise(rng, int(rng.integers(6, 40)), side)
    elif kind < 0.55:
        y, x = np.mgrid[:side, :side].astype(np.float32) / side
        angle, waves = rng.uniform(0, np.pi), rng.uniform(3, 25)
        phase = (x * np.cos(angle) + y * np.sin(angle)) * waves * 2 * np.pi
        field = np.sin(phase.astype(np.float32) + smooth_noise(rng, 4, side))
    else:
        field = smooth_noise(rng, 3, side) * np.float32(0.3)
    mix = np.clip(field * np.float32(rng.uniform(0.5, 6)) + 0.5, 0, 1)[..., None]
    pattern: FloatImage = (first + (second - first) * mix).astype(np.float32)
    return pattern


def _relief(rng: np.random.Generator, inside: NDArray[np.bool_]) -> FloatImage:
    """Light and shade of a rounded body: (SIDE, SIDE), about 1."""
    light = 1 + np.float32(rng.uniform(0, 0.25)) * smooth_noise(rng, 3)
    if rng.random() < 0.6:
        mask = Image.fromarray(inside.astype(np.uint8) * 255)
        soft = mask.filter(ImageFilter.GaussianBlur(float(rng.uniform(3, 10))))
        height = np.asarray(soft, np.float32) / 255
        slope = np.gradient(height)[int(rng.integers(2))] * np.float32(rng.uniform(-12, 12))
        light = light * (1 - rng.uniform(0, 0.5) * (1 - height)) + slope
    relief: FloatImage = np.clip(light, 0.2, 1.8).astype(np.float32)
    return relief


def _softened(inside: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
    mask = Image.fromarray(inside.astype(np.uint8) * 255)
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 1.5)))))


def _creature(rng: np.random.Generator) -> Parts:
    """A body with a head, limbs and the like, bent and smoothed."""
    canvas = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(canvas)
    middle = SIDE / 2 + rng.uniform(-13, 13, 2)
    body = rng.uniform(14, 39, 2)
    for _ in range(int(rng.integers(0, 7))):
        _limb(draw, rng, middle + rng.uniform(-1, 1, 2) * body * 0.8, int(rng.integers(2, 5)))
    draw.ellipse((*(middle - body), *(middle + body)), fill=1)
    for number in range(int(rng.integers(0, 3))):
        centre = middle + rng.choice([-1.1, 1.1], 2) * body * rng.uniform(0.2, 1, 2)
        radii = rng.uniform(7, 20, 2)
        draw.ellipse((*(centre - radii), *(centre + radii)), fill=min(number + 2, MOST_PARTS))
    return _bent(np.asarray(canvas), rng)


def _limb(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, start: NDArray[np.float64], part: int
) -> None:
    angle, width = rng.uniform(0, 2 * np.pi), rng.uniform(3, 12)
    point = start
    for _ in range(int(rng.integers(6, 16))):
        point = point + 5 * np.array([np.cos(angle), np.sin(angle)])
        angle += rng.normal(0, 0.25)
        width = max(2.0, width * rng.uniform(0.88, 1.04))
        draw.ellipse((*(point - width), *(point + width)), fill=part)


def _blob(rng: np.random.Generator) -> Parts:
    """The middle piece of a thresholded noise; a second noise divides it into parts."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)
    stretch = rng.uniform(0.6, 1.5)
    distance = np.hypot(x * stretch, y / stretch)
    field = smooth_noise(rng, int(rng.integers(3, 12))) * np.float32(rng.uniform(0.1, 0.6))
    return _divided(_largest(field > distance - rng.uniform(0.4, 0.7)), rng)


def _solid(rng: np.random.Generator) -> Parts:
    """Boxes, signs, bottles and rings: straight edges and arcs."""
    canvas = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(canvas)
    for number in range(int(rng.integers(1, 4))):
        centre, radii = SIDE / 2 + rng.uniform(-16, 16, 2), rng.uniform(12, 48, 2)
        box = (*(centre - radii), *(centre + radii))
        part, kind = number + 1, rng.random()
        if kind < 0.35:
            draw.rounded_rectangle(box, float(rng.uniform(0, 20)), fill=part)
        elif kind < 0.6:
            draw.ellipse(box, fill=part)
        elif kind < 0.85:
            corners = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
            spokes = np.stack([np.cos(corners), np.sin(corners)], axis=1)
            draw.polygon([tuple(point) for point in centre + spokes * radii], fill=part)
        else:
            draw.ellipse(box, outline=part, width=int(rng.integers(5, 15)))
    parts = np.asarray(canvas)
    turned = Image.fromarray(parts).rotate(float(rng.uniform(-90, 90)))
    return np.asarray(turned)


def _arch(rng: np.random.Generator) -> Parts:
    """A bow that is open at one side, with something at its ends: headphones, tongs, a hanger."""
    canvas = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(canvas)
    centre, radii = SIDE / 2 + rng.uniform(-12, 12, 2), rng.uniform(26, 58, 2)
    opening = np.array([90 - rng.uniform(15, 100), 90 + rng.uniform(15, 100)])
    width = int(rng.integers(4, 18))
    box = (*(centre - radii), *(centre + radii))
    draw.arc(box, float(opening[1]), float(opening[0]) + 360, fill=1, width=width)
    if rng.random() < 0.8:
        size = rng.uniform(width / 2, 24, 2)
        for angle in np.deg2rad(opening):
            end = centre + (radii - width / 2) * np.array([np.cos(angle), np.sin(angle)])
            draw.ellipse((*(end - size), *(end + size)), fill=2)
    turned = Image.fromarray(_bent(np.asarray(canvas), rng))
    return np.asarray(turned.rotate(float(rng.normal(0, 60))))


def _pierced(parts: Parts, rng: np.random.Generator) -> Parts:
    """Open a hole in the middle of the widest piece, as of a ring, a frame or a headband."""
    depth = ndimage.distance_transform_edt(parts > 0)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    radius = float(depth.max()) * rng.uniform(0.35, 0.85)
    y, x = np.mgrid[:SIDE, :SIDE]
    # Between a diamond and a box; an ellipse at 2.
    power = rng.uniform(1.2, 6)
    across, down = rng.uniform(0.7, 1, 2) * radius
    inside = (np.abs(x - column) / across) ** power + (np.abs(y - row) / down) ** power < 1
    return np.where(inside, 0, parts).astype(np.uint8)


def _handled(parts: Parts, rng: np.random.Generator) -> Parts:
    """Add a bow to one side, as of a mug, a basket or a pair of headphones."""
    rows, columns = np.nonzero(parts)
    edge = int(rng.choice([columns.argmin(), columns.argmax(), rows.argmin()]))
    centre = np.array([columns[edge], rows[edge]]) + rng.uniform(-4, 4, 2)
    radii = rng.uniform(14, 40, 2)
    bow = Image.new("L", (SIDE, SIDE))
    box = (*(centre - radii), *(centre + radii))
    ImageDraw.Draw(bow).ellipse(box, outline=1, width=int(rng.integers(4, 14)))
    part = np.uint8(rng.integers(1, MOST_PARTS + 1))
    return np.where((np.asarray(bow) > 0) & (parts == 0), part, parts).astype(np.uint8)


def _divided(inside: NDArray[np.bool_], rng: np.random.Generator) -> Parts:
    field = smooth_noise(rng, int(rng.integers(2, 6)))
    count = int(rng.integers(1, MOST_PARTS))
    borders = np.sort(rng.uniform(-1, 1, count - 1))
    return ((np.digitize(field, borders) + 1) * inside).astype(np.uint8)


def _largest(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(inside)
    if count < 2:
        return inside
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest: NDArray[np.bool_] = labels == int(sizes.argmax())
    return largest


def _bent(parts: Parts, rng: np.random.Generator) -> Parts:
    """Move every pixel by a smooth noise of some pixels."""
    strength, cells = rng.uniform(0, 6), int(rng.integers(4, 14))
    y, x = np.mgrid[:SIDE, :SIDE]
    rows = np.clip(y + strength * smooth_noise(rng, cells), 0, SIDE - 1).astype(np.intp)
    columns = np.clip(x + strength * smooth_noise(rng, cells), 0, SIDE - 1).astype(np.intp)
    bent: Parts = parts[rows, columns]
    return bent


_SILHOUETTES: tuple[Callable[[np.random.Generator], Parts], ...] = (
    _creature,
    _blob,
    _solid,
    _arch,
)
_ODDS = (0.4, 0.25, 0.17, 0.18)
