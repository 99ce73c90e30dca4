"""Figures of cut-outs on masks whose figures are known."""

import numpy as np
import pytest
from scipy import ndimage

from enhancer_worker.training.evaluate_matting import fringes, judge, table
from enhancer_worker.training.matting_metrics import (
    FMeasure,
    boundary_f,
    fringe_figures,
    region_figures,
)
from enhancer_worker.training.matting_sets import Judged


def block(left: int, right: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, left:right] = 255
    return mask


def test_region_figures__of_the_truth_are_perfect() -> None:
    truth = block(10, 30)
    assert region_figures(truth, truth) == {"iou": 1, "mae": 0, "sad": 0, "boundary_f": 1}


def test_region_figures__count_what_is_missing() -> None:
    figures = region_figures(block(10, 20), block(10, 30))
    assert figures["iou"] == 0.5
    assert figures["mae"] == pytest.approx(200 / 1600)
    assert figures["sad"] == pytest.approx(0.2)


def test_boundary_f__forgives_three_pixels() -> None:
    truth = block(10, 30) > 0
    assert boundary_f(block(12, 32) > 0, truth) == 1
    assert 0.5 < boundary_f(block(16, 36) > 0, truth) < 0.9
    assert boundary_f(np.zeros_like(truth), truth) == 0
    assert boundary_f(np.zeros_like(truth), np.zeros_like(truth)) == 1


def test_f_measure__takes_the_best_threshold_of_the_means() -> None:
    truth = block(10, 30)
    soft = np.where(truth > 0, 90, 30).astype(np.uint8)
    measure = FMeasure()
    measure.add(soft, truth)
    assert measure.largest() == pytest.approx(1)
    measure.add(block(10, 20), truth)
    # At every threshold up to 90 precision is 1, recall 1 and a half.
    assert measure.largest() == pytest.approx(1.3 * 0.75 / (0.3 + 0.75))


def test_f_measure__of_everything_is_that_of_the_share() -> None:
    truth = block(10, 30)
    measure = FMeasure()
    measure.add(np.full_like(truth, 255), truth)
    assert measure.largest() == pytest.approx(1.3 * 0.25 / (0.3 * 0.25 + 1))


def test_fringe_figures__see_the_old_background() -> None:
    truth = block(10, 30)
    soft = np.where(truth > 0, 200, 0).astype(np.uint8)
    product = np.full((40, 40, 3), 100, np.uint8)
    clean = fringe_figures(product, soft, product, soft)
    assert clean == {"fringe_black": 0, "fringe_white": 0, "fringe_magenta": 0}
    tinted = product.copy()
    tinted[..., 0] = 160
    assert fringe_figures(tinted, soft, product, soft)["fringe_black"] > 3


def test_fringes__are_less_than_those_of_the_picture_itself() -> None:
    product = np.full((80, 80, 3), (200, 40, 40), np.uint8)
    alpha = np.zeros((80, 80), np.uint8)
    alpha[20:60, 20:60] = 255
    alpha = np.rint(ndimage.uniform_filter(alpha.astype(float), 5)).astype(np.uint8)
    share = alpha[..., None] / 255
    picture = np.rint(product * share + (20, 200, 60) * (1 - share)).astype(np.uint8)
    found = fringes(Judged("edges", picture, alpha, product), alpha)
    for background in ("black", "white", "magenta"):
        assert found[f"fringe_{background}"] < 4
        assert found[f"fringe_{background}_raw"] > 10
    assert fringes(Judged("edges", picture, alpha), alpha) == {}


def test_judge__averages_per_kind() -> None:
    truth = block(10, 30)
    bright = np.repeat(truth[..., None], 3, axis=2)

    def run(
        batch: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        alpha = batch[:, :1]
        return np.concatenate([alpha, 0 * alpha], axis=1)

    report = judge(run, [Judged("one", bright, truth), Judged("two", bright, truth)])
    assert list(report) == ["one", "all", "two"]
    assert report["all"]["pictures"] == 2
    assert report["one"]["iou"] > 0.9
    assert "two" in table({"set": report})
