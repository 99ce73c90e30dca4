"""How sure a cut-out is: what counts against it, and how that is weighed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from enhancer_worker.matting.coarse import SIDE, CoarseMatte
from enhancer_worker.matting.confidence import SHIPPED, Calibration, confidence, signs
from enhancer_worker.training.calibrate_matting import fitted, predicted

RED, BLUE = (200, 40, 30), (30, 60, 190)
WHOLE = (0, 0, 2 * SIDE, SIDE)
CALIBRATION = Calibration(1, 2.0, (-3.0, -2.0, -4.0, -5.0))


def square() -> NDArray[np.float32]:
    alpha = np.zeros((SIDE, SIDE), np.float32)
    alpha[100:200, 100:200] = 1
    return alpha


def red_on_blue(hole: int = 0) -> NDArray[np.uint8]:
    """The square in a picture twice as wide as the net sees it, with a hole of so many pixels."""
    pixels = np.full((SIDE, SIDE, 3), BLUE, np.uint8)
    pixels[100:200, 100:200] = RED
    pixels[110 : 110 + hole, 110 : 110 + hole] = BLUE
    return pixels.repeat(2, axis=1)


def test_confidence__falls_with_every_sign() -> None:
    alpha, none = square(), np.zeros((SIDE, SIDE), np.float32)
    clear = CoarseMatte(alpha, none, WHOLE)
    worse = [
        (CoarseMatte(alpha, 0.3 * alpha, WHOLE), red_on_blue()),
        (CoarseMatte(0.8 * alpha, none, WHOLE), red_on_blue()),
        (CoarseMatte(alpha, none, WHOLE, agreement=0.4), red_on_blue()),
        (clear, red_on_blue(hole=60)),
    ]
    assert signs(clear, red_on_blue()) == (0.0, 0.0, 0.0, 0.0)
    best = confidence(clear, red_on_blue(), CALIBRATION)
    assert best == pytest.approx(1 / (1 + np.exp(-2)))
    for matte, pixels in worse:
        assert confidence(matte, pixels, CALIBRATION) < best


def test_signs__tell_the_share_that_looks_like_background() -> None:
    matte = CoarseMatte(square(), np.zeros((SIDE, SIDE), np.float32), WHOLE)
    # Of 94 x 94 pixels away from the edge; halving the width mixes the hole's first and last.
    assert signs(matte, red_on_blue(hole=47))[3] == 45 * 47 / 94**2


def test_signs__look_only_at_the_part_that_the_matte_covers() -> None:
    pixels = red_on_blue(hole=47)
    wider = np.full((2 * SIDE, 3 * SIDE, 3), RED, np.uint8)
    wider[40 : 40 + SIDE, 30 : 30 + 2 * SIDE] = pixels
    none = np.zeros((SIDE, SIDE), np.float32)
    close = CoarseMatte(square(), none, (30, 40, 30 + 2 * SIDE, 40 + SIDE))
    assert signs(close, wider) == signs(CoarseMatte(square(), none, WHOLE), pixels)


def test_signs__without_an_inside_or_an_outside() -> None:
    none = np.zeros((SIDE, SIDE), np.float32)
    thread = none.copy()
    thread[:, 100:103] = 1
    assert signs(CoarseMatte(thread, none, WHOLE), red_on_blue())[3] == 1
    assert signs(CoarseMatte(none + 1, none, WHOLE), red_on_blue())[3] == 0
    assert signs(CoarseMatte(none, none, WHOLE), red_on_blue()) == (1, 1, 1, 1)


def test_fitted__finds_the_weights_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(5)
    found = rng.random((20_000, 2))
    truth = np.array([2.0, -5.0, -1.0])
    good = (rng.random(len(found)) < predicted(truth, found)).astype(np.float64)
    np.testing.assert_allclose(fitted(found, good), truth, atol=0.15)


def test_fitted__lets_no_sign_speak_for_a_cut_out() -> None:
    rng = np.random.default_rng(5)
    found = rng.random((2000, 2))
    good = (rng.random(2000) < predicted(np.array([0.0, -3.0, 2.0]), found)).astype(np.float64)
    weights = fitted(found, good)
    assert weights[1] < -2
    assert weights[2] == 0


def test_shipped_calibration__has_a_weight_for_every_sign() -> None:
    matte = CoarseMatte(square(), np.zeros((SIDE, SIDE), np.float32), WHOLE)
    assert len(SHIPPED.weights) == len(signs(matte, red_on_blue()))
    assert max(SHIPPED.weights) <= 0
    assert confidence(matte, red_on_blue()) > 0.9
