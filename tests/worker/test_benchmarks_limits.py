"""The benchmark of the review's limits: what it measures, and what it makes of the figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import limits
from enhancer_worker.backend import NeuralEnhancer
from enhancer_worker.training.matting_sets import Judged
from shopimg.reasons import LIMITS


def row(iou: float, confidence: float, halo: float = 5.0, white: float = 0.99) -> dict[str, Any]:
    shares = {f"white_share_{name}": white for name in limits.FORMATS}
    return {
        "kind": "cutouts",
        "iou": iou,
        "cutout_confidence": confidence,
        "white_halo": halo,
        **shares,
    }


ROWS = [row(0.95, 0.9), row(0.92, 0.4), row(0.9, 0.8), row(0.5, 0.3), row(0.89, 0.95)]


def test_outcome__counts_what_is_held_of_the_bad_and_of_the_good() -> None:
    found = limits.outcome(ROWS, {"cutout_confidence": LIMITS["cutout_confidence"]})
    assert found == {
        "held": pytest.approx(2 / 5),
        "bad_held": pytest.approx(1 / 2),
        "good_held": pytest.approx(1 / 3),
        "bad_passed": pytest.approx(1 / 3),
    }


def test_outcome__holds_what_is_beyond_one_of_several_limits() -> None:
    rows = [row(0.5, 0.95, halo=11), row(0.5, 0.3), row(0.5, 0.9)]
    found = limits.outcome(
        rows, {name: LIMITS[name] for name in ("cutout_confidence", "white_halo")}
    )
    assert found["bad_held"] == pytest.approx(2 / 3)


def test_outcome__of_nothing_is_nothing() -> None:
    found = limits.outcome([], {"white_halo": LIMITS["white_halo"]})
    assert set(found.values()) == {0.0}


def test_to_lines__shows_every_limit_and_marks_those_in_force() -> None:
    figures = {
        "date": "2026-01-01",
        "hardware": "2 cores",
        "commit": "abc",
        "side": 1000,
        "pictures": [*ROWS, {"kind": "scans", "failure": "No product was found"}],
    }
    lines = limits.to_lines(figures)
    in_force = LIMITS["cutout_confidence"].smallest
    assert f"| **{in_force:g}** | 40% | 50% | 33% | 33% |" in lines
    assert sum("**" in line for line in lines) == 3
    assert any("6 held-out" in line and "5 cutouts, 1 scans. In 1 no" in line for line in lines)


def test_measure__judges_a_picture_by_the_worker_that_ships() -> None:
    picture = np.full((128, 128, 3), 225, np.uint8)
    picture[32:100, 30:98] = (150, 30, 40)
    alpha = np.zeros((128, 128), np.uint8)
    alpha[32:100, 30:98] = 255
    enhancer = NeuralEnhancer(limits.CONFIG)
    found = limits.measure(enhancer, Judged("squares", picture, alpha))
    enhancer.close()
    assert found["iou"] > 0.9
    assert 0 < found["cutout_confidence"] <= 1
    assert found["white_share_png"] == found["white_share_jpeg"] == 1
    assert 0.9 < found["white_share_webp"] < 1
