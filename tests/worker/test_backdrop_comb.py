"""The comb of a pixel shuffle: it goes, and what looks like it in one place only stays."""

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.pipeline.backdrops.comb import without_comb

SIDE = 64
ROWS, COLUMNS = (1 - 2.0 * (place % 2) for place in np.indices((SIDE, SIDE)))


def ramp() -> NDArray[np.float32]:
    down, across = np.indices((SIDE, SIDE)) / SIDE
    return np.stack([0.2 + 0.5 * across, 0.3 + 0.4 * down, 0.1 * across * down]).astype(np.float32)


def test_without_comb__takes_out_what_alternates_everywhere() -> None:
    comb = 0.007 * ROWS - 0.005 * COLUMNS + 0.003 * ROWS * COLUMNS
    even = without_comb(ramp() + comb.astype(np.float32))
    np.testing.assert_allclose(even, ramp(), atol=1e-6)


def test_without_comb__follows_a_comb_that_grows_slowly() -> None:
    growing = 0.014 * ROWS * np.linspace(0, 1, SIDE)
    even = without_comb(ramp() + growing.astype(np.float32))
    assert np.abs(even - ramp()).max() < 0.0012


def test_without_comb__leaves_ramps_edges_and_texture() -> None:
    np.testing.assert_allclose(without_comb(ramp()), ramp(), atol=1e-6)
    edge = np.where(np.arange(SIDE) < SIDE // 2, 0.2, 0.8) * np.ones((3, SIDE, SIDE))
    assert np.abs(without_comb(edge.astype(np.float32)) - edge).max() < 0.004
    noise = np.random.default_rng(0).normal(0.5, 0.1, (3, SIDE, SIDE)).astype(np.float32)
    kept = without_comb(noise)
    assert np.corrcoef(kept.ravel(), noise.ravel())[0, 1] > 0.98
