"""Labels stuck on products for training: where they are, and what stays as it was."""

import numpy as np
import pytest

from enhancer_worker.training.matting_data import MattingMix, MattingPairs
from enhancer_worker.training.matting_layers import Layers, Scene
from enhancer_worker.training.matting_scenery import Scenery
from enhancer_worker.training.matting_stickers import SMALLEST_AREA, stickered

DARK = np.full((120, 160, 3), 20, np.uint8)
ALPHA = np.zeros((120, 160), np.uint8)
ALPHA[20:100, 30:130] = 255


@pytest.mark.parametrize("seed", range(12))
def test_stickered__changes_the_object_alone(seed: int) -> None:
    kept = DARK.copy()
    found = stickered(DARK, ALPHA, np.random.default_rng(seed))
    assert (found[ALPHA == 0] == 20).all()
    changed = (found != DARK).any(axis=2)
    assert 0.01 < changed[ALPHA == 255].mean() < 0.9
    assert np.array_equal(DARK, kept)


def test_stickered__is_mostly_pale_and_mostly_printed() -> None:
    found = [
        stickered(DARK, ALPHA, np.random.default_rng(seed))[ALPHA == 255] for seed in range(60)
    ]
    pale = [(pixels.min(axis=1) > 110).mean() > 0.01 for pixels in found]
    assert 0.6 < np.mean(pale) < 0.95
    # Paper falls off in light by some levels; print is another colour.
    labels = [pixels[(pixels != 20).any(axis=1)].max(axis=1).astype(int) for pixels in found]
    printed = [np.ptp(np.percentile(label, (5, 95))) > 60 for label in labels]
    assert 0.4 < np.mean(printed) < 0.95
    assert len({pixels.tobytes() for pixels in found}) == 60


def test_stickered__has_no_outline() -> None:
    white = np.full_like(DARK, 240)
    for seed in range(40):
        label = stickered(white, ALPHA, np.random.default_rng(seed)).astype(int)
        # Without print a label is one colour in light that falls off: nothing is much darker.
        changed = label[np.abs(label - 240).max(axis=2) > 2].min(axis=1)
        if len(changed) and np.ptp(np.percentile(changed, (10, 90))) < 20:
            assert changed.min() > np.percentile(changed, 10) - 40


@pytest.mark.parametrize(("rows", "is_room"), [(3, True), (2, False)])
def test_stickered__leaves_an_object_without_room(rows: int, is_room: bool) -> None:
    alpha = np.zeros_like(ALPHA)
    alpha[:rows] = 255
    assert 2 * 160 < SMALLEST_AREA <= 3 * 160
    found = stickered(DARK, alpha, np.random.default_rng(0))
    assert (found is not DARK) == is_room


def drawn(mix: MattingMix) -> list[float]:
    """How bright pictures of a dark product, or of a scene with it, are at most inside it."""
    grey = [np.full((64, 64, 3), 60, np.uint8)]
    product = Layers(DARK, ALPHA, np.zeros_like(ALPHA))
    scene = Scene(np.full((120, 120, 3), 20, np.uint8), ALPHA[:, 20:140], np.zeros_like(DARK))
    pairs = MattingPairs([product], [scene], Scenery(grey, grey, []), 1, mix)
    samples = [pairs.draw(np.random.default_rng(seed), 64) for seed in range(12)]
    return [float(np.median(s.picture[s.alpha > 0.99], axis=1).max()) for s in samples]


@pytest.mark.parametrize("scenes", [0.0, 1.0])
def test_draw__sticks_labels_on_products_and_on_those_in_scenes(scenes: float) -> None:
    plain = MattingMix(scenes=scenes, invented=0, pale=0, alike=0, several=0, stickers=0)
    labelled = MattingMix(scenes=scenes, invented=0, pale=0, alike=0, several=0, stickers=1)
    assert np.mean(drawn(labelled)) > np.mean(drawn(plain)) + 0.2
