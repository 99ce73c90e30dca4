"""How sure a cut-out is: what counts against it, and how that is weighed."""

import numpy as np
import pytest
from numpy.typing import NDArray

from enhancer_worker.matting.coarse import SIDE, CoarseMatte
from enhancer_worker.matting.confidence import SHIPPED, Calibration, confidence, signs
from enhancer_worker.training.calibrate_matting import fitted, predicted

WHOLE = (0, 0, 2 * SIDE, SIDE)
CALIBRATION = Calibration(1, 2.0, (-3.0, -2.0, -4.0))


def square() -> NDArray[np.float32]:
    alpha = np.zeros((SIDE, SIDE), np.float32)
    alpha[100:200, 100:200] = 1
    return alpha


def test_confidence__falls_with_every_sign() -> None:
    alpha, none = square(), np.zeros((SIDE, SIDE), np.float32)
    clear = CoarseMatte(alpha, none, WHOLE)
    worse = [
        CoarseMatte(alpha, 0.3 * alpha, WHOLE),
        CoarseMatte(0.8 * alpha, none, WHOLE),
        CoarseMatte(alpha, none, WHOLE, agreement=0.4),
    ]
    assert signs(clear) == (0.0, 0.0, 0.0)
    best = confidence(clear, CALIBRATION)
    assert best == pytest.approx(1 / (1 + np.exp(-2)))
    for matte in worse:
        assert confidence(matte, CALIBRATION) < best


def test_signs__of_nothing_say_the_worst() -> None:
    none = np.zeros((SIDE, SIDE), np.float32)
    assert signs(CoarseMatte(none, none, WHOLE)) == (1, 1, 1)


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
    assert len(SHIPPED.weights) == len(signs(matte))
    assert max(SHIPPED.weights) <= 0
    assert confidence(matte) > 0.9
