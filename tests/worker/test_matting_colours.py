"""Colours beside the net's alpha: what they move, and when they keep silent."""

import numpy as np
import pytest
from numpy.typing import NDArray

from enhancer_worker.matting.colours import weighed_by_colour

SIDE = 64
RED, BLUE = (200, 40, 30), (30, 60, 190)
INSIDE = np.zeros((SIDE, SIDE), bool)
INSIDE[16:48, 16:48] = True


def picture(product: tuple[int, int, int], background: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.where(INSIDE[..., None], product, background).astype(np.uint8)


def unsure(where: NDArray[np.bool_], level: float) -> NDArray[np.float32]:
    """Alpha of the product, but for a part that the net could not tell."""
    alpha = np.where(INSIDE, 0.97, 0.03).astype(np.float32)
    alpha[where] = level
    return alpha


def test_colours__decide_what_the_net_could_not_tell() -> None:
    strip = np.zeros_like(INSIDE)
    strip[24:40, 40:56] = True
    alpha = unsure(strip, 0.5)
    weighed = weighed_by_colour(picture(RED, BLUE), alpha, np.abs(alpha - INSIDE))
    assert weighed[32, 43] > 0.95
    assert weighed[32, 52] < 0.05


def test_colours__turn_what_the_net_took_for_the_wrong_side_without_conviction() -> None:
    hole = np.zeros_like(INSIDE)
    hole[24:40, 24:40] = True
    pixels = picture(RED, BLUE)
    pixels[hole] = BLUE
    weighed = weighed_by_colour(pixels, unsure(hole, 0.7), np.zeros((SIDE, SIDE), np.float32))
    assert weighed[32, 32] < 0.1


@pytest.mark.parametrize("level", [0.3, 0.5, 0.7])
def test_colours__say_little_where_both_sides_have_the_same(level: float) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    strip = np.zeros_like(INSIDE)
    strip[24:40, 40:56] = True
    alpha = unsure(strip, level)
    grey = np.full((SIDE, SIDE, 3), 128, np.uint8)
    same = weighed_by_colour(grey, alpha, 0 * alpha)
    np.testing.assert_allclose(same, np.clip(alpha, 0.01, 0.99), atol=1e-3)
    noisy = weighed_by_colour(pixels, alpha, 0 * alpha)
    assert ((noisy > 0.5) == (alpha > 0.5)).mean() > 0.9


def test_colours__outvote_a_net_that_expects_to_be_wrong() -> None:
    strap = np.zeros_like(INSIDE)
    strap[0:16, 24:40] = True
    pixels = picture(RED, BLUE)
    pixels[strap] = RED
    alpha = unsure(strap, 0.01)
    for doubt, is_product in ((0.0, False), (0.2, True)):
        doubts = np.where(strap, np.float32(doubt), np.float32(0))
        assert (weighed_by_colour(pixels, alpha, doubts)[4, 32] > 0.9) == is_product


def test_colours__do_not_outvote_a_net_that_is_sure() -> None:
    label = np.zeros_like(INSIDE)
    label[24:40, 24:40] = True
    pixels = picture(RED, (255, 255, 255))
    pixels[label] = 255
    weighed = weighed_by_colour(pixels, unsure(label, 0.99), np.zeros((SIDE, SIDE), np.float32))
    assert weighed[label].min() > 0.5


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_colours__leave_a_picture_with_one_side_only(level: float) -> None:
    alpha = np.full((SIDE, SIDE), level, np.float32)
    assert weighed_by_colour(picture(RED, BLUE), alpha, 0 * alpha) is alpha
