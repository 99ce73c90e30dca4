"""White, grey, transparency and colour differences, against exact and published values."""

from __future__ import annotations

import numpy as np
import pytest

from enhancer_worker.pipeline.colour import ciede2000, srgb_to_lab
from enhancer_worker.pipeline.guards import keep_neutral, lock_white, white_area
from enhancer_worker.pipeline.transparency import fill_transparent

# Sharma, Wu, Dalal: "The CIEDE2000 Color-Difference Formula" (2005), table 1.
SHARMA = np.array(
    [
        [50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425],
        [50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615],
        [50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412],
        [50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669],
        [50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461],
        [50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065],
        [50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492],
        [50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977],
        [50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030],
        [50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


def test_ciede2000__agrees_with_the_published_pairs() -> None:
    measured = ciede2000(SHARMA[:, :3], SHARMA[:, 3:6])
    assert np.abs(measured - SHARMA[:, 6]).max() < 5e-5
    assert np.abs(ciede2000(SHARMA[:, 3:6], SHARMA[:, :3]) - SHARMA[:, 6]).max() < 5e-5


@pytest.mark.parametrize(
    ("level", "lab"),
    [
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0.0, 0.0)),
    ],
)
def test_srgb_to_lab__knows_reference_colours(
    level: tuple[int, int, int], lab: tuple[float, float, float]
) -> None:
    assert np.abs(srgb_to_lab(np.array(level, np.uint8)) - lab).max() < 0.02


def test_white_area__leaves_out_highlights_and_edges() -> None:
    pixels = np.full((12, 14, 3), 255, np.uint8)
    pixels[:, 10:] = 200
    pixels[5, 12] = 255
    area = white_area(pixels)
    assert area[:, :8].all()
    assert not area[:, 8:].any()


@pytest.mark.parametrize(("height", "width"), [(30, 40), (60, 80), (45, 61), (15, 20), (7, 9)])
def test_lock_white__restores_white_at_every_size(height: int, width: int) -> None:
    before = np.full((30, 40, 3), 255, np.uint8)
    before[:, 20:] = 90
    after = np.full((height, width, 3), 254, np.uint8)
    after[:, width // 2 :] = 90
    lock_white(before, after)
    assert (after[:, : int(width * 17 / 40)] == 255).all()
    assert (after[:, width // 2 + 1 :] == 90).all()


def test_lock_white__works_across_bands() -> None:
    before = np.full((1300, 4, 3), 255, np.uint8)
    after = np.full((2600, 8, 3), 250, np.uint8)
    lock_white(before, after)
    assert (after == 255).all()


def test_lock_white__touches_nothing_else() -> None:
    before = np.full((20, 20, 3), 254, np.uint8)
    after = np.full((20, 20, 3), 253, np.uint8)
    lock_white(before, after)
    assert (after == 253).all()


def test_keep_neutral__takes_the_mean() -> None:
    pixels = np.array([[[10, 11, 12], [255, 255, 255], [0, 0, 1], [254, 255, 255]]], np.uint8)
    keep_neutral(pixels)
    assert pixels.tolist() == [[[11] * 3, [255] * 3, [0] * 3, [255] * 3]]


def test_fill_transparent__carries_edge_colours_outwards() -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[8:24, 8:24] = (200, 100, 50)
    alpha = np.zeros((32, 48), np.uint8)
    alpha[8:24, 8:24] = 255
    filled = fill_transparent(pixels, alpha)
    assert np.abs(filled.astype(int) - (200, 100, 50)).max() <= 2
    assert np.array_equal(filled[8:24, 8:24], pixels[8:24, 8:24])


def test_fill_transparent__leaves_whatever_is_visible() -> None:
    random = np.random.default_rng(2)
    pixels = random.integers(0, 256, (33, 47, 3), np.uint8)
    alpha = random.integers(0, 3, (33, 47), np.uint8)
    filled = fill_transparent(pixels, alpha)
    assert np.array_equal(filled[alpha > 0], pixels[alpha > 0])


def test_fill_transparent__survives_a_picture_that_is_not_there() -> None:
    filled = fill_transparent(np.zeros((5, 3, 3), np.uint8), np.zeros((5, 3), np.uint8))
    assert filled.shape == (5, 3, 3)
