"""Good uploads are left alone: the estimator decides, and its figures are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets import zoo
from enhancer_worker.nets.estimator import Estimator, EstimatorConfig
from enhancer_worker.nets.zoo import ZooEntry
from enhancer_worker.pipeline.assessment import Assessment
from shopimg.contract import EnhancedImage, RecipeError, Restore
from tests.worker.recipe_runs import photo, pixels_of, png, run_one
from tests.worker.tiny_nets import TINY_ZOO, write_weights

AnswerEngine = Callable[[tuple[float, float, float]], Engine]


@pytest.fixture
def engine_that_estimates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnswerEngine:
    """Make an engine whose estimator always gives one answer, in the net's own units."""

    def make(answer: tuple[float, float, float]) -> Engine:
        def build() -> nn.Module:
            net = Estimator(EstimatorConfig((4, 4)))
            nn.init.zeros_(net.head.weight)
            net.head.bias.data = torch.tensor(answer)
            return net.eval().requires_grad_(False)

        entry = ZooEntry("estimate_s", "estimate", 1, halo=0, multiple_of=8, build=build)
        entries = {**TINY_ZOO, "estimate_s": entry}
        monkeypatch.setattr(zoo, "ZOO", entries)
        folder = write_weights(tmp_path, ("restore_s", "estimate_s"), entries)
        return Engine(WorkerConfig(device="torch-cpu", weights_dir=folder), entries)

    return make


PIXELS = photo(64, 48)


def run(engine: Engine, step: Restore) -> EnhancedImage:
    return run_one(engine, png(PIXELS), step)


def test_restore__leaves_what_looks_clean_alone(engine_that_estimates: AnswerEngine) -> None:
    image = run(engine_that_estimates((0.04, 0.1, 0.2)), Restore())
    assert np.array_equal(pixels_of(image), PIXELS)
    report = next(step for step in image.steps if step.name == "restore")
    assert report.details == {"strength": 1.0, "skipped": "looks clean"}
    assert set(image.weights) == {"estimate_s"}
    assert image.quality["estimated_noise"] == 1.0
    assert image.quality["estimated_jpeg_quality"] == 95.0
    assert image.quality["estimated_blur"] == 0.2


@pytest.mark.parametrize("answer", [(0.4, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_restore__works_on_each_kind_of_damage(
    engine_that_estimates: AnswerEngine, answer: tuple[float, float, float]
) -> None:
    image = run(engine_that_estimates(answer), Restore())
    assert not np.array_equal(pixels_of(image), PIXELS)
    assert set(image.weights) == {"estimate_s", "restore_s"}
    assert "estimated_noise" in image.quality


def test_restore__always_asks_nobody(engine_that_estimates: AnswerEngine) -> None:
    image = run(engine_that_estimates((0.0, 0.0, 0.0)), Restore(always=True))
    assert set(image.weights) == {"restore_s"}
    assert "estimated_noise" not in image.quality


def test_restore__runs_the_network_that_the_recipe_names(
    engine_that_estimates: AnswerEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_that_estimates((0.0, 0.0, 0.0))
    named = replace(engine.net("restore", 1), name="elsewhere.pth")
    monkeypatch.setattr(engine, "foreign", lambda file, sha256: named)
    image = run(engine, Restore(network="elsewhere.pth", sha256="0" * 64))
    assert set(image.weights) == {"elsewhere.pth"}
    assert not np.array_equal(pixels_of(image), PIXELS)


@pytest.mark.parametrize(
    ("found", "clean"),
    [
        (Assessment(2.4, 87.0, 0.39), True),
        (Assessment(2.6, 100.0, 0.0), False),
        (Assessment(0.0, 85.0, 0.0), False),
        (Assessment(0.0, 100.0, 0.41), False),
    ],
)
def test_looks_clean__takes_all_three(found: Assessment, clean: bool) -> None:
    assert found.looks_clean is clean


def test_restore__fingerprint_counts_the_estimator_where_it_decides() -> None:
    shipped = ("restore_s", "estimate_s", "upscale_x2_s")
    assert Restore().weights(shipped) == {"restore_s", "estimate_s"}
    assert Restore(always=True).weights(shipped) == {"restore_s"}
    assert Restore(strength=0).weights(shipped) == frozenset()
    assert Restore(network="a.pth", sha256="0" * 64).weights(shipped) == frozenset()


def test_restore__refuses_an_odd_always() -> None:
    with pytest.raises(RecipeError, match=r"restore.always must be true or false, not 1\."):
        Restore(always=1)  # type: ignore[arg-type]
