"""Good uploads are left alone: the estimator decides, and its figures are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.nets import zoo
from enhancer_worker.nets.blur_kernels import transfer
from enhancer_worker.nets.estimator import Estimator, EstimatorConfig
from enhancer_worker.nets.zoo import ZooEntry
from enhancer_worker.pipeline import assessment
from enhancer_worker.pipeline.assessment import Assessment
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.deconvolution import Blur, deconvolve, suspects
from enhancer_worker.pipeline.steps import verdict
from enhancer_worker.pipeline.steps.outcome import Tools
from enhancer_worker.pipeline.steps.restore import restore
from shopimg.contract import EnhancedImage, RecipeError, Restore, Upscale
from tests.worker.recipe_runs import NO_LIMIT, photo, pixels_of, png, run_one
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
        folder = write_weights(tmp_path, ("restore_s", "upscale_x2_s", "estimate_s"), entries)
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


@pytest.mark.parametrize(
    ("answer", "looks"), [((0.04, 0.1, 0.2), 1), ((0.4, 0.0, 0.0), 2)], ids=["clean", "noisy"]
)
def test_estimator__looks_once_at_what_restoring_leaves_alone(
    engine_that_estimates: AnswerEngine,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[float, float, float],
    looks: int,
) -> None:
    looked_at = list[tuple[int, ...]]()

    def assess(net: LoadedNet, pixels: NDArray[np.uint8]) -> Assessment:
        looked_at.append(pixels.shape)
        return assessment.assess(net, pixels)

    monkeypatch.setattr(verdict, "assess", assess)
    image = run_one(engine_that_estimates(answer), png(PIXELS), Restore(), Upscale(scale=2))
    assert looked_at == [PIXELS.shape] * looks
    judged = next(step for step in image.steps if step.name == "upscale").details["judged"]
    assert judged["estimated_noise"] == answer[0] * 25


@pytest.mark.parametrize("answer", [(0.4, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_restore__works_on_each_kind_of_damage(
    engine_that_estimates: AnswerEngine, answer: tuple[float, float, float]
) -> None:
    image = run(engine_that_estimates(answer), Restore())
    assert not np.array_equal(pixels_of(image), PIXELS)
    assert set(image.weights) == {"estimate_s", "restore_s"}
    assert "estimated_noise" in image.quality


MOTION = Blur("motion", 5.0, angle=45.0)


@pytest.fixture
def engine_that_tells_blurs(
    engine_that_estimates: AnswerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Engine]:
    """Make an engine that finds the same damage and the same transfer in every picture."""

    def make(found: Sequence[float], damage: tuple[float, float, float] = (0, 0, 1.0)) -> Engine:
        def build() -> nn.Module:
            net = Estimator(EstimatorConfig((4, 4), outputs=48))
            nn.init.zeros_(net.head.weight)
            net.head.bias.data = torch.tensor(found)
            return net.eval().requires_grad_(False)

        asked = engine_that_estimates(damage)
        entry = ZooEntry("blur_s", "blur", 1, halo=0, multiple_of=8, build=build)
        entries = {**zoo.ZOO, "blur_s": entry}
        monkeypatch.setattr(zoo, "ZOO", entries)
        folder = write_weights(tmp_path / "all", ("restore_s", "estimate_s", "blur_s"), entries)
        return Engine(replace(asked.config, weights_dir=folder), entries)

    return make


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_restore__deconvolves_what_is_only_blurred(
    engine_that_tells_blurs: Callable[..., Engine], strength: float
) -> None:
    engine = engine_that_tells_blurs(transfer(MOTION.kernel()).tolist())
    tools = Tools(engine, NO_LIMIT)
    outcome = restore(Picture(PIXELS), Restore(strength=strength), tools)
    assert set(outcome.weights) == {"estimate_s", "blur_s"}
    told = {"kind": "motion", "size": 5.0, "across": 0.0, "angle": 45.0}
    assert outcome.details == {"strength": strength, "deblurred": told}
    assert outcome.quality["estimated_blur"] == 1.0
    sharper = deconvolve(PIXELS, suspects(transfer(MOTION.kernel())), 1.2)
    mixed = PIXELS + strength * (sharper - PIXELS.astype(float))
    assert np.abs(outcome.picture.pixels - mixed).max() <= 0.5
    assert np.abs(sharper.astype(int) - PIXELS).max() > 3


def test_restore__leaves_blurs_that_it_does_not_know_to_the_network(
    engine_that_tells_blurs: Callable[..., Engine],
) -> None:
    image = run(engine_that_tells_blurs([1.0] * 48), Restore())
    assert set(image.weights) == {"estimate_s", "blur_s", "restore_s"}
    assert not np.array_equal(pixels_of(image), PIXELS)


@pytest.mark.parametrize("damage", [(0.3, 0.0, 1.0), (0.0, 0.4, 1.0)])
def test_restore__leaves_blur_with_noise_or_artefacts_to_the_network(
    engine_that_tells_blurs: Callable[..., Engine], damage: tuple[float, float, float]
) -> None:
    engine = engine_that_tells_blurs(transfer(MOTION.kernel()).tolist(), damage)
    assert set(run(engine, Restore()).weights) == {"estimate_s", "restore_s"}


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


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (Assessment(3.9, 87.0, 0.4), True),
        (Assessment(4.1, 100.0, 1.0), False),
        (Assessment(0.0, 85.0, 1.0), False),
        (Assessment(0.0, 100.0, 0.39), False),
    ],
)
def test_is_only_blurred__takes_all_three(found: Assessment, wanted: bool) -> None:
    assert found.is_only_blurred is wanted


def test_restore__fingerprint_counts_the_estimator_where_it_decides() -> None:
    shipped = ("restore_s", "estimate_s", "upscale_x2_s")
    assert Restore().weights(shipped) == {"restore_s", "estimate_s"}
    assert Restore().weights((*shipped, "blur_s")) == {"restore_s", "estimate_s", "blur_s"}
    assert Restore(always=True).weights((*shipped, "blur_s")) == {"restore_s"}
    assert Restore(strength=0).weights(shipped) == frozenset()
    assert Restore(network="a.pth", sha256="0" * 64).weights(shipped) == frozenset()


def test_restore__refuses_an_odd_always() -> None:
    with pytest.raises(RecipeError, match=r"restore.always must be true or false, not 1\."):
        Restore(always=1)  # type: ignore[arg-type]
