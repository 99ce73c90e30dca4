"""Casts a product's shadow from nothing but its silhouette and the light.

The silhouette is taken for a body that stands on the surface: a few cards one behind the other, as
deep as a round thing of that width would be. Each of many points of the light, and each of some
directions of the sky, throws the cards' silhouettes onto the surface, and up the wall where they
reach it. The mean over the light is the cast shadow, whose edge is sharp where the product stands
and grows softer with height; that over the sky is the contact shadow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops
from scipy import ndimage

from enhancer_worker.matting.pieces import VISIBLE
from enhancer_worker.pipeline.boxes import Box
from enhancer_worker.pipeline.footing import Footing, Ground, ground_of
from enhancer_worker.pipeline.framing import product_box
from shopimg.contract import Backdrop

Floats = NDArray[np.float32]

_SOFT_SIDE, _HARD_SIDE, _SKY_SIDE = 320, 720, 240
# Of what is computed, pixels; stretched to the frame. Penumbras have nothing finer, and at the full
# size of a picture the points of the light would be seen as stripes.
_SOFT_LIGHTS, _HARD_LIGHTS, _SKY_LIGHTS = 42, 12, 24
_SOFT_SPREAD, _HARD_SPREAD = (6.0, 22.0), (1.0, 5.0)
"""Half the angle under which the light is seen, degrees: of a point, and what size adds to it."""
_CARDS, _CARD_SETS = 4, 3
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
_LOWEST_LIGHT = math.radians(8)
_CAST_SHARE, _WALL_SHARE = 0.8, 0.5
# Less of the sky than that is taken from a whole room: what is left is where things touch.
_OPEN_SKY = 0.15
_CAST_BLUR, _SKY_BLUR = 1.0, 1.8
_DARKEST_QUANTILE = 0.998


def light_left(alpha: NDArray[np.uint8], step: Backdrop, *, seamless: bool) -> Floats | None:
    """Tell how much light the product leaves to what is around and behind it.

    Args:
        alpha: (H, W), uint8: of the framed product.
        step: light and shadow.
        seamless: whether there is no edge between surface and wall.

    Returns:
        (h, w), float32, (0, 1], linear light: smaller than the picture, to be stretched over it; at
        the darkest point beside the product it is 1 - ``shadow_opacity``. None where there is no
        shadow.
    """
    box = product_box(alpha)
    if step.shadow_mode == "none" or step.shadow_opacity == 0 or box is None:
        return None
    body = _Body(alpha, box, step, seamless)
    hard = step.shadow_mode == "hard"
    cast = body.shadow(_HARD_SIDE if hard else _SOFT_SIDE, light_directions(step), _CAST_BLUR)
    sky = _stretched(body.shadow(_SKY_SIDE, _sky_directions(), _SKY_BLUR), cast.shape)
    contact = np.clip((sky - _OPEN_SKY) / (1 - _OPEN_SKY), 0, 1)
    dark = 1 - (1 - _CAST_SHARE * cast) * (1 - contact)
    around = _stretched(alpha.astype(np.float32), dark.shape) < VISIBLE
    darkest = float(np.quantile(dark[around], _DARKEST_QUANTILE)) if around.any() else 0.0
    if darkest <= 0:
        return None
    left = 1 - step.shadow_opacity / darkest * np.minimum(dark, darkest)
    return np.asarray(left, dtype=np.float32)


def light_directions(step: Backdrop) -> Floats:
    """Spread points over the light.

    Args:
        step: direction, elevation and size of the light, and whether its shadow is hard.

    Returns:
        (N, 3), float32: how far each lies to the right, up, and away from the camera.
    """
    hard = step.shadow_mode == "hard"
    point, growth = _HARD_SPREAD if hard else _SOFT_SPREAD
    radius = math.tan(math.radians(point + growth * step.light_size))
    turn, rise = math.radians(step.light_direction), math.radians(step.light_elevation)
    towards = np.array(
        [math.sin(turn) * math.cos(rise), math.sin(rise), math.cos(turn) * math.cos(rise)]
    )
    right = np.array([math.cos(turn), 0.0, -math.sin(turn)])
    across = _spiral(_HARD_LIGHTS if hard else _SOFT_LIGHTS) * radius
    points = across[:, :1] * right + across[:, 1:] * np.cross(towards, right)
    return np.asarray(towards + points, dtype=np.float32)


def _sky_directions() -> Floats:
    """Spread directions over the sky as a matt surface sees it: more of them high up."""
    flat = _spiral(_SKY_LIGHTS)
    height = np.sqrt(1 - (flat**2).sum(axis=1))
    return np.stack([flat[:, 0], height, flat[:, 1]], axis=1).astype(np.float32)


def _spiral(count: int) -> NDArray[np.float64]:
    """Spread points evenly over a disc of radius 1: (count, 2), always the same."""
    number = np.arange(count) + 0.5
    radius, angle = np.sqrt(number / count), number * _GOLDEN_ANGLE
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


@dataclass(frozen=True, slots=True)
class _Body:
    """A product that stands somewhere in a frame."""

    alpha: NDArray[np.uint8]
    box: Box
    step: Backdrop
    seamless: bool

    def shadow(self, side: int, directions: Floats, blur: float) -> Floats:
        """Return the mean shadow of light from some directions, [0, 1], at some resolution."""
        height, width = self.alpha.shape
        scale = min(1.0, side / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = Image.fromarray(self.alpha).resize(size, Image.Resampling.BOX)
        bottom, tall = self.box.bottom * scale, self.box.height * scale
        ground = ground_of(bottom, tall, size[1], self.step, seamless=self.seamless)
        mask = np.asarray(image)
        if mask.max() < 128:
            return np.zeros(mask.shape, np.float32)
        sets = [_cards(mask, ground, (number + 0.5) / _CARD_SETS) for number in range(_CARD_SETS)]
        thrown: Floats = ndimage.gaussian_filter(_thrown(sets, ground, directions), blur)
        return thrown


@dataclass(frozen=True, slots=True)
class _Card:
    """A silhouette that stands upright on the surface."""

    image: Image.Image
    """Mode L."""
    line: float
    """Row where it stands."""
    height: float
    """Pixels."""


def _cards(mask: NDArray[np.uint8], ground: Ground, start: float) -> list[_Card]:
    """Cut a body into cards, the first of which stands some share of their distance behind."""
    footing = Footing.of(mask, ground.tilt)
    rows = np.arange(mask.shape[0])[:, None]
    top = int(np.argmax(mask.max(axis=1) >= 128))
    floating = max(0.0, ground.line - footing.deepest - 1)
    cards = []
    for number in range(_CARDS):
        behind = footing.depth * (number + start) / _CARDS
        line = ground.line - behind
        solid = footing.standing(behind) & (rows <= line - floating)
        part = np.where(solid, mask, 0).astype(np.uint8)
        cards.append(_Card(Image.fromarray(part), line, max(1.0, line - top)))
    return cards


def _thrown(sets: Sequence[Sequence[_Card]], ground: Ground, directions: Floats) -> Floats:
    """Return the mean shadow of directions, (h, w), [0, 1]; they take turns with sets of cards."""
    width, height = sets[0][0].image.size
    total = np.zeros((height, width), np.float32)
    for number, (right, up, away) in enumerate(directions.tolist()):
        flat = math.hypot(right, away)
        steepness = max(up / flat, math.tan(_LOWEST_LIGHT))
        # What a pixel of height moves its shadow by: against the light.
        shift = (-right / flat / steepness, -away / flat / steepness)
        total += np.asarray(_of_one_point(sets[number % len(sets)], ground, shift))
    return total / np.float32(255 * len(directions))


def _of_one_point(
    cards: Sequence[_Card], ground: Ground, shift: tuple[float, float]
) -> Image.Image:
    """Throw the shadow of cards with sharp edges; the shift is sideways and back, per height."""
    sideways, back = shift
    width, height = cards[0].image.size
    shadow = Image.new("L", (width, height))
    gap = (cards[0].line - cards[-1].line) / (len(cards) - 1)
    for card in cards:
        # Thinner than the gap between two cards would leave stripes.
        rows = back * ground.tilt
        rows = math.copysign(max(abs(rows), 1.2 * gap / card.height), rows)
        # X = x + sideways * h and Y = line - rows * h, with h = line - y; solved for x and y.
        coefficients = (
            *(1.0, sideways / rows, -sideways / rows * card.line),
            *(0.0, 1 / rows, card.line - card.line / rows),
        )
        part = card.image.transform(
            (width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.NEAREST
        )
        shadow = ImageChops.lighter(shadow, part)
    if ground.wall is not None:
        _raise_on_wall(shadow, cards, (ground.wall, ground.tilt), shift)
    return shadow


def _raise_on_wall(
    shadow: Image.Image,
    cards: Sequence[_Card],
    wall: tuple[float, float],
    shift: tuple[float, float],
) -> None:
    """Let a shadow rise where a wall is in its way, and end there where there is none."""
    edge, (sideways, back) = round(wall[0]), shift
    above = (0, 0, shadow.width, edge)
    shadow.paste(0, above)
    if back <= 0:
        return
    for card in cards:
        # The height whose shadow just reaches the wall.
        reached = (card.line - edge) / wall[1] / back
        left, top = round(-sideways * reached), round(card.line - edge - reached)
        upright = card.image.crop((left, top, left + shadow.width, top + edge))
        upright = upright.point(lambda level: round(_WALL_SHARE * level))
        shadow.paste(ImageChops.lighter(shadow.crop(above), upright), above)


def _stretched(values: Floats, shape: tuple[int, ...]) -> Floats:
    image = Image.fromarray(values)
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
