"""Predictions for whole jobs, and the command that prints them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

from enhancer_worker import backend
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine import measuring
from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.planner import Line, NetCost
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.pipeline import planning, surroundings
from enhancer_worker.pipeline.planning import NetRun, Planner, best_tile, net_runs, predict_job
from enhancer_worker.pipeline.surroundings import (
    HollowEngine,
    Plane,
    Surroundings,
    fit_plane,
    result_pixels,
    surroundings_of,
    trial_recipe,
    trial_sizes,
)
from shopimg.contract import (
    SCENE,
    Cutout,
    Forecast,
    Forecaster,
    Frame,
    JobCost,
    Output,
    Recipe,
    RecipeError,
    Restore,
    Role,
    Upscale,
)
from tests.worker.tiny_nets import TINY_ZOO

COST = NetCost(Line(0.5, 1e-6), Line(1e6, 10.0))
AROUND = Surroundings(Plane(0.1, 0.0, 1e-7), Plane(0, 0, 3.0))
FAITHFUL = {"flavour": "faithful"}


@pytest.fixture
def engine(measured_weights: Path) -> Engine:
    config = WorkerConfig(
        weights_dir=measured_weights, device="torch-cpu", threads=1, cache_dir=measured_weights
    )
    return Engine(config, TINY_ZOO)


def recipe_of(*roles: tuple[Restore | Upscale, ...]) -> Recipe:
    return Recipe("test", tuple(Role(f"r{n}", steps, Output()) for n, steps in enumerate(roles)))


def test_net_runs__follows_sizes_and_shares_what_roles_begin_with(engine: Engine) -> None:
    restored = Restore(always=True)
    recipe = recipe_of(
        (restored, Upscale(scale=2, **FAITHFUL)),
        (restored, Upscale(scale=2, **FAITHFUL), Restore(strength=0.5, always=True)),
    )
    runs = [
        (*(net.name for net in run.nets), run.width, run.height)
        for run in net_runs(60, 40, recipe, engine)
    ]
    assert runs == [("restore_s", 60, 40), ("upscale_x2_s", 60, 40), ("restore_s", 120, 80)]
    assert result_pixels((60, 40), recipe) == 2 * 120 * 80
    assert result_pixels((60, 40), SCENE) == 3 * 2000 * 2000


def test_net_runs__knows_what_does_not_run(engine: Engine) -> None:
    idle = recipe_of((Restore(strength=0), Upscale(to=50, **FAITHFUL)))
    assert list(net_runs(60, 40, idle, engine)) == []


def test_net_runs__does_not_guess_foreign_networks(engine: Engine) -> None:
    foreign = Upscale(scale=2, network="x.safetensors", sha256="0" * 64)
    with pytest.raises(RecipeError, match=r"costs of the network 'x\.safetensors' are not known"):
        list(net_runs(60, 40, recipe_of((foreign,)), engine))


def test_planner__refuses_foreign_networks_before_it_measures(
    engine: Engine, measured_weights: Path
) -> None:
    step = Upscale(scale=2, network="mine.safetensors", sha256="0" * 64)
    with pytest.raises(RecipeError, match=r"The costs of the network 'mine.safetensors' are not"):
        Planner(recipe_of((step,)), engine)
    assert not list(measured_weights.glob("around-*"))


def test_predict_job__adds_up_by_hand(engine: Engine) -> None:
    recipe = recipe_of((Upscale(scale=2, **FAITHFUL),))
    job = predict_job((60, 40), recipe, engine, {"upscale_x2_s": COST}, AROUND)
    assert [net.name for net in job.nets] == ["upscale_x2_s"]
    assert job.seconds == pytest.approx(0.5 + 2400e-6 + 0.1 + 9600e-7)
    assert job.peak_bytes == pytest.approx(1e6 + 24_000 + 3 * 2400 * 5)


def test_predict_job__expects_the_slower_flavour_where_the_picture_decides(engine: Engine) -> None:
    recipe = recipe_of((Upscale(scale=2),))
    slow = NetCost(Line(0.7, 1e-6), COST.peak_bytes)
    for costs, expected in (
        ({"upscale_x2_s": slow, "upscale_x2_s_photo": COST}, "upscale_x2_s"),
        ({"upscale_x2_s": COST, "upscale_x2_s_photo": slow}, "upscale_x2_s_photo"),
    ):
        job = predict_job((60, 40), recipe, engine, costs, AROUND)
        assert [net.name for net in job.nets] == [expected]
        assert job.seconds == pytest.approx(0.7 + 2400e-6 + 0.1 + 9600e-7)


def test_planner__measures_every_network_that_a_worker_may_run(engine: Engine) -> None:
    """A worker takes its tiles from there."""
    planner = Planner(recipe_of((Upscale(scale=2),)), engine)
    planner.predict((60, 40))
    nets = [engine.net("upscale", 2, flavour) for flavour in ("faithful", "photo")]
    assert all(measuring.known_cost(net, 1, engine.config.cache_dir) for net in nets)


def test_predict_job__needs_what_networks_keep_and_the_largest_moment(engine: Engine) -> None:
    recipe = recipe_of((Restore(always=True), Upscale(scale=2, **FAITHFUL)))
    tile = NetCost(Line(0, 0), Line(9e6, 0.0), Line(2e6, 0.0), warm_up_seconds=0.25)
    costs = dict.fromkeys(("restore_s", "upscale_x2_s"), tile)
    job = predict_job((60, 40), recipe, engine, costs, AROUND)
    # Two networks keep 2 MB each; the larger moment is the upscaler's, with both pictures.
    assert job.peak_bytes == 2 * 2e6 + 7e6 + 3 * 2400 * 5
    assert job.warm_up_seconds == 0.5
    large = Surroundings(AROUND.seconds, Plane(8e6, 0, 0))
    assert predict_job((60, 40), recipe, engine, costs, large).peak_bytes == 2 * 2e6 + 8e6


def test_fit_plane__goes_through_its_points() -> None:
    plane = Plane(0.5, 1e-6, 2e-7)
    pixels = [(2e4, 8e4), (4e5, 4e5), (1e6, 4e6), (1e6, 9e6)]
    found = fit_plane(pixels, [plane.at(*one) for one in pixels])
    for one in pixels:
        assert found.at(*one) == pytest.approx(plane.at(*one), rel=1e-6)


def test_fit_plane__never_predicts_negative_costs() -> None:
    plane = fit_plane([(1e4, 1e4), (1e6, 1e6)], [3.0, 1.0])
    assert min(plane.fixed, plane.per_source_pixel, plane.per_result_pixel) == 0
    assert plane.at(1e8, 1e8) >= plane.at(0, 0) >= 0


@pytest.mark.parametrize(
    ("step", "largest"),
    [(Restore(), (1280, 960)), (Upscale(scale=4), (707, 530)), (Upscale(to=9000), (1280, 960))],
)
def test_trial_sizes__are_smaller_where_results_are_large(
    step: Restore | Upscale, largest: tuple[int, int]
) -> None:
    recipe = trial_recipe(recipe_of((step,)))
    assert trial_sizes(recipe)[-1] == largest
    assert result_pixels(largest, recipe) <= 6_000_000


def test_surroundings__are_measured_without_running_networks_and_kept(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a network ran")

    monkeypatch.setattr(Engine, "run", fail)
    cache = tmp_path / "cache"
    recipe = recipe_of((Restore(always=True), Upscale(scale=2, **FAITHFUL)))
    found = surroundings_of(recipe, HollowEngine(engine), cache)
    assert found.seconds.at(5400, 4 * 5400) > 0
    assert surroundings_of(replace(recipe, name="other"), HollowEngine(engine), cache) == found
    (path,) = cache.iterdir()
    path.write_text('{"seconds": {}, "peak_bytes": {}}')
    surroundings_of(recipe, HollowEngine(engine), cache)
    assert "per_result_pixel" in path.read_text()


def test_planner__measures_each_network_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def count(net: LoadedNet, *_: object) -> NetCost:
        measured.append(net.name)
        return COST

    monkeypatch.setattr(planning, "cost_of", count)
    planner = Planner(recipe_of((Restore(always=True), Upscale(scale=2, **FAITHFUL))), engine)
    small, large = planner.predict((60, 40)), planner.predict((600, 400))
    assert 2 * COST.seconds.at(2400) < small.seconds < large.seconds
    assert measured == ["restore_s", "upscale_x2_s"]


def test_best_tile__may_be_the_engines_own(engine: Engine) -> None:
    geometry = Geometry(1, 86, 4)
    net = replace(engine.net("restore", 1), geometry=geometry)
    by_tile = NetCost(Line(1.0, 0.0), Line(0, 0))
    best = best_tile(net, NetRun((net,), 2000, 2000), by_tile, engine, math.inf)
    assert best.tile_size == engine.tile_size(geometry) == 2112


def test_forecast__of_the_neural_enhancer_is_what_the_planner_predicts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "Engine", lambda config: Engine(config, TINY_ZOO))
    enhancer, sizes = backend.NeuralEnhancer(engine.config), [(90, 70), (60, 40)]
    assert isinstance(enhancer, Forecaster)
    recipe = recipe_of((Restore(always=True), Upscale(scale=2, **FAITHFUL)))
    found = enhancer.forecast(sizes, recipe)
    enhancer.close()
    # The planner finds the figures that the enhancer has measured and kept.
    planner = Planner(recipe, engine)
    jobs = [planner.predict(size) for size in sizes]
    costs = [JobCost(job.seconds, job.warm_up_seconds, job.peak_bytes) for job in jobs]
    assert found == Forecast(costs, engine.jobs_at_once)
    assert min(cost.seconds for cost in costs) > 0


def test_trial_recipe__shrinks_fixed_sizes_alike() -> None:
    recipe = recipe_of((Upscale(to=3000), Frame(width=2000, height=1000)), (Restore(),))
    for longest, to, frame in ((600, 600, (400, 200)), (9000, 3000, (2000, 1000))):
        tried = trial_recipe(recipe, longest)
        assert tried.roles[0].steps[0] == Upscale(to=to)
        assert tried.roles[0].result_size(9, 9) == frame
        assert tried.roles[1] == recipe.roles[1]


def test_surroundings__count_the_pixels_of_frames(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "_TRIAL_SIDES", (200, 64, 300))
    recipe = recipe_of((Frame(width=2000, height=2000),))
    found = surroundings.measure_surroundings(recipe, HollowEngine(engine))
    assert found.seconds.at(0, 4_000_000) > 2 * found.seconds.at(0, 40_000)
    assert HollowEngine(engine).config is engine.config


class FindsNothing:
    """A cut-out network that sees no product in noise."""

    device = "cpu (numpy)"
    largest_batch = 1

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.calls += 1
        return np.zeros_like(batch[:, :2])

    def close(self) -> None:
        raise AssertionError("it belongs to the engine")


def test_surroundings__of_a_cut_out_need_no_product_to_be_found(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = FindsNothing()
    cutter = LoadedNet("cutout_s", "5" * 64, Geometry(1, 0, 32), session)
    monkeypatch.setattr(engine, "net", lambda kind, scale, flavour: cutter)
    found = surroundings.measure_surroundings(recipe_of((Cutout(),)), HollowEngine(engine))
    assert found.seconds.at(5400, 5400) > 0
    # It ran all the same: its time counts.
    assert session.calls > 0


def test_predict_job__compiles_a_network_once_however_often_it_runs(engine: Engine) -> None:
    recipe = recipe_of((Restore(always=True), Restore(strength=0.5, always=True)))
    tile = NetCost(Line(0, 0), Line(0, 0), warm_up_seconds=0.25)
    job = predict_job((60, 40), recipe, engine, {"restore_s": tile}, AROUND)
    assert (len(job.nets), job.warm_up_seconds) == (2, 0.25)


def test_predict_job__takes_no_tile_that_is_all_halo(engine: Engine) -> None:
    restorer = engine.net("restore", 1)
    engine._nets["restore_s"] = replace(restorer, geometry=Geometry(1, 40, 4), tile_size=64)
    recipe = recipe_of((Restore(always=True),))
    job = predict_job((300, 200), recipe, engine, {"restore_s": COST}, AROUND)
    assert job.runs[0].tile_size == 84


def test_surroundings__are_measured_apart_with_and_without_overlap(
    engine: Engine, tmp_path: Path
) -> None:
    recipe, config = recipe_of((Restore(always=True),)), engine.config
    for overlap in (False, True):
        engine._config = replace(config, overlap=overlap)
        surroundings_of(recipe, HollowEngine(engine), tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2
