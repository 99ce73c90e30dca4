"""Backgrounds for cut-outs: photographs, views, studios, tables; and what stands in the way."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from enhancer_worker.training.blurring import FloatImage
from enhancer_worker.training.data import Tile
from enhancer_worker.training.matting_shapes import fill, piece, smooth_noise


@dataclass(frozen=True)
class Scenery:
    """Pictures of which backgrounds are made."""

    photos: list[Tile]
    """Photographs of anything, each (H, W, 3), uint8."""
    backdrops: list[Tile]
    """Views of rooms, studios and places; where there are none, photographs serve."""
    textures: list[Tile]
    """Colour maps of materials; likewise."""

    def views(self) -> list[Tile]:
        """Backdrops, or what there is."""
        return self.backdrops or self.photos

    def materials(self) -> list[Tile]:
        """Textures, or what there is."""
        return self.textures or self.photos


def natural(rng: np.random.Generator, scenery: Scenery, side: int) -> FloatImage:
    """A background as of a snapshot: (side, side, 3), float32, [0, 255]."""
    pictures = scenery.photos if rng.random() < 0.75 else scenery.views()
    picture = piece(rng, pictures, side, least=0.35)
    if rng.random() < 0.35:
        picture = _with_obstacle(rng, scenery, picture)
    return blurred(picture, float(rng.exponential(3))) if rng.random() < 0.5 else picture


def studio(
    rng: np.random.Generator, scenery: Scenery, side: int, tone: FloatImage | None = None
) -> FloatImage:
    """A background as of a product shot: plain, a gradient, a table before a wall.

    Args:
        rng: source of randomness.
        scenery: pictures of materials and rooms.
        side: pixels.
        tone: (3,), [0, 255]: the colour wanted of it; None for any.

    Returns:
        (side, side, 3), float32, [0, 255].
    """
    colour = any_tone(rng) if tone is None else tone
    kind = rng.random()
    if kind < 0.45 or tone is not None:
        return _plain(rng, side, colour)
    if kind < 0.75:
        return _table(rng, scenery, side, colour)
    if kind < 0.9:
        return piece(rng, scenery.views(), side, least=0.4)
    return piece(rng, scenery.materials(), side, least=0.3)


def any_tone(rng: np.random.Generator) -> FloatImage:
    """The colour of a studio: white most often, grey or any: (3,), float32, [0, 255]."""
    kind = rng.random()
    if kind < 0.45:
        tone = rng.uniform(225, 256) - rng.uniform(0, 8, 3)
    elif kind < 0.65:
        tone = rng.uniform(10, 225) + rng.uniform(-8, 8, 3)
    else:
        tone = rng.uniform(0, 255, 3)
    return tone.astype(np.float32)


def blurred(picture: FloatImage, sigma: float) -> FloatImage:
    """Out of focus, by a Gaussian, pixels: (H, W, 3), float32, [0, 255]."""
    if sigma < 0.3:
        return picture
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if sigma < 3:
        return np.asarray(image.filter(ImageFilter.GaussianBlur(sigma)), np.float32)
    # What is that soft needs no more pixels, and takes a fraction of the time.
    small = image.resize((image.width // 3, image.height // 3), Image.Resampling.BOX)
    soft = small.filter(ImageFilter.GaussianBlur(sigma / 3))
    return np.asarray(soft.resize(image.size, Image.Resampling.BILINEAR), np.float32)


def _plain(rng: np.random.Generator, side: int, colour: FloatImage) -> FloatImage:
    picture: FloatImage = np.broadcast_to(colour, (side, side, 3)).astype(np.float32)
    if rng.random() < 0.25:
        return picture
    light = 1 + np.float32(rng.uniform(0, 0.15)) * smooth_noise(rng, int(rng.integers(2, 4)), side)
    if rng.random() < 0.4:
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
        light = light * (1 - np.float32(rng.uniform(0, 0.4)) * (x * x + y * y) / 2)
    lit: FloatImage = picture * light[..., None]
    return lit


def _table(rng: np.random.Generator, scenery: Scenery, side: int, colour: FloatImage) -> FloatImage:
    """A surface below a horizon and a wall above it."""
    wall = _plain(rng, side, colour)
    if rng.random() < 0.6:
        floor = piece(rng, scenery.materials(), side, least=0.3)
    else:
        floor = _plain(rng, side, any_tone(rng))
    if rng.random() < 0.3:
        wall = blurred(piece(rng, scenery.views(), side), float(rng.uniform(0, 6)))
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    edge = (y - rng.uniform(0.2, 0.75) + rng.normal(0, 0.08) * (x - 0.5)) * side
    below = np.clip(edge / np.float32(rng.uniform(0.7, 40)) + 0.5, 0, 1)[..., None]
    table: FloatImage = wall + (floor - wall) * below
    return table


def _with_obstacle(rng: np.random.Generator, scenery: Scenery, picture: FloatImage) -> FloatImage:
    """Add a region that comes in from the border, as ground and trees do: it is no object."""
    side = picture.shape[0]
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    wave = np.float32(rng.uniform(0, 0.12)) * smooth_noise(rng, int(rng.integers(3, 10)), side)
    edge = (ramp + wave - rng.uniform(0, 0.4)).astype(np.float32) * side
    over = np.clip(edge / np.float32(rng.uniform(1, 8)) + 0.5, 0, 1)[..., None]
    other = fill(rng, scenery.photos, scenery.materials(), side)
    covered: FloatImage = picture + (other - picture) * over
    return covered
