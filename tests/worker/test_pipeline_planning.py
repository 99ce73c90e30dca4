"""Predictions for whole jobs, and the command that prints them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker import plan_command
from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.planner import Line, NetCost
from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.nets import zoo
from enhancer_worker.pipeline import planning
from enhancer_worker.pipeline.planning import (
    NetRun,
    Surroundings,
    TimedEngine,
    best_tile,
    measure_surroundings,
    net_runs,
    predict_job,
    result_pixels,
)
from shopimg.contract import Deadline, Output, Recipe, RecipeError, Restore, Role, Upscale
from tests.worker.tiny_nets import TINY_ZOO, write_weights

COST = NetCost(Line(0.5, 1e-6), Line(1e6, 10.0))
AROUND = Surroundings(Line(0.1, 1e-7), Line(0, 3.0))
FAITHFUL = {"flavour": "faithful"}


@pytest.fixture
def weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(zoo, "ZOO", TINY_ZOO)
    return write_weights(tmp_path / "weights")


@pytest.fixture
def engine(weights_dir: Path) -> TimedEngine:
    config = WorkerConfig(
        weights_dir=weights_dir, device="torch-cpu", threads=1, cache_dir=weights_dir
    )
    return TimedEngine(config, TINY_ZOO)


def recipe_of(*roles: tuple[Restore | Upscale, ...]) -> Recipe:
    return Recipe("test", tuple(Role(f"r{n}", steps, Output()) for n, steps in enumerate(roles)))


def test_net_runs__follows_sizes_and_shares_what_roles_begin_with(engine: TimedEngine) -> None:
    restored = Restore(always=True)
    recipe = recipe_of(
        (restored, Upscale(scale=2, **FAITHFUL)),
        (restored, Upscale(scale=2, **FAITHFUL), Restore(strength=0.5, always=True)),
    )
    runs = [(run.net.name, run.width, run.height) for run in net_runs(60, 40, recipe, engine)]
    assert runs == [("restore_s", 60, 40), ("upscale_x2_s", 60, 40), ("restore_s", 120, 80)]
    assert result_pixels((60, 40), recipe) == 2 * 120 * 80


def test_net_runs__knows_what_does_not_run(engine: TimedEngine) -> None:
    idle = recipe_of((Restore(strength=0), Upscale(to=50, **FAITHFUL)))
    assert list(net_runs(60, 40, idle, engine)) == []


def test_net_runs__does_not_guess_foreign_networks(engine: TimedEngine) -> None:
    foreign = Upscale(scale=2, network="x.safetensors", sha256="0" * 64)
    with pytest.raises(RecipeError, match=r"costs of the network 'x\.safetensors' are not known"):
        list(net_runs(60, 40, recipe_of((foreign,)), engine))


def test_predict_job__adds_up_by_hand(engine: TimedEngine) -> None:
    recipe = recipe_of((Upscale(scale=2, **FAITHFUL),))
    job = predict_job((60, 40), recipe, engine, {"upscale_x2_s": COST}, AROUND)
    assert job.nets == ("upscale_x2_s",)
    assert job.seconds == pytest.approx(0.5 + 2400e-6 + 0.1 + 9600e-7)
    assert job.peak_bytes == pytest.approx(1e6 + 24_000 + 3 * 2400 * 5)


def test_measure_surroundings__leaves_the_networks_out(
    engine: TimedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of((Upscale(scale=2, **FAITHFUL),))
    clock = [0.0]
    monkeypatch.setattr(planning.time, "perf_counter", lambda: clock[0])

    class Slow(TimedEngine):
        def run(self, *args: object, **options: object) -> object:
            result = super().run(*args, **options)
            clock[0] += 1.0  # outside: of the surroundings
            return result

    net = engine.net("upscale", 2)

    class SlowSession:
        device, largest_batch = net.session.device, 1

        def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            clock[0] += 50.0
            return net.session(batch)

        def close(self) -> None:
            net.session.close()

    slow = Slow(engine._config, TINY_ZOO)
    monkeypatch.setattr(slow, "net", lambda *_: replace(net, session=SlowSession()))
    found = measure_surroundings(recipe, slow, Deadline(math.inf))
    assert found.seconds.at(1e5) == pytest.approx(1.0)
    assert slow.net_seconds == 50.0  # of the larger picture, in one tile


def test_best_tile__may_be_the_engines_own(engine: TimedEngine) -> None:
    geometry = Geometry(1, 86, 4)
    net = replace(engine.net("restore", 1), geometry=geometry)
    by_tile = NetCost(Line(1.0, 0.0), Line(0, 0))
    best = best_tile(NetRun(net, 2000, 2000), by_tile, engine, math.inf)
    assert best.tile_size == engine.tile_size(geometry) == 2112


def test_plan__prints_a_table_and_measures_once(
    tmp_path: Path, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_command, "TimedEngine", lambda config: TimedEngine(config, TINY_ZOO))
    picture = tmp_path / "picture.png"
    Image.new("RGB", (90, 70)).save(picture)
    environment = {
        "ENHANCER_WEIGHTS_DIR": str(weights_dir),
        "ENHANCER_CACHE_DIR": str(tmp_path / "cache"),
        "ENHANCER_DEVICE": "torch-cpu",
    }
    done = CliRunner().invoke(plan_command.plan, ["64x48", str(picture)], env=environment)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line.split()[0] for line in lines] == ["size", "64x48", "90x70"]
    assert "restore_s: 1 of 192 px, best 192 px" in lines[1]
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert kept
    again = CliRunner().invoke(plan_command.plan, ["64x48"], env=environment)
    assert again.exit_code == 0, again.output
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert after == kept


def test_plan__predicts_the_recipe_of_a_file(
    tmp_path: Path, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_command, "TimedEngine", lambda config: TimedEngine(config, TINY_ZOO))
    steps = [{"step": "upscale", "scale": 3, "flavour": "faithful"}]
    (tmp_path / "mine.json").write_text(json.dumps({"thrice": {"main": {"steps": steps}}}))
    environment = {
        "ENHANCER_WEIGHTS_DIR": str(weights_dir),
        "ENHANCER_CACHE_DIR": str(tmp_path / "cache"),
        "ENHANCER_DEVICE": "torch-cpu",
    }
    options = ["--recipes", str(tmp_path / "mine.json"), "--recipe"]
    done = CliRunner().invoke(plan_command.plan, ["64x48", *options, "thrice"], env=environment)
    assert done.exit_code == 0, done.output
    assert "upscale_x3_s: 1 of" in done.output
    assert "restore_s" not in done.output
    absent = CliRunner().invoke(plan_command.plan, ["64x48", *options, "twice"], env=environment)
    assert absent.exit_code == 2
    assert "has no recipe 'twice', only thrice" in absent.output


@pytest.mark.parametrize("text", ["0x10", "ten", "10x", "100000x2"])
def test_plan__refuses_what_is_no_size(text: str) -> None:
    done = CliRunner().invoke(plan_command.plan, [text])
    assert done.exit_code == 2
    assert "neither WIDTHxHEIGHT nor a picture" in done.output
