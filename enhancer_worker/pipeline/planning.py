"""Predicts how long a recipe takes on this machine, before it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.measuring import peak_bytes, start_peak
from enhancer_worker.engine.planner import (
    TILE_SIDES,
    Line,
    NetCost,
    Prediction,
    choose_tile,
    fit_line,
    predict,
)
from enhancer_worker.engine.runner import TiledRun
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.pipeline.run import run_recipe
from enhancer_worker.pipeline.steps.upscale import plan_upscale
from shopimg.contract import Deadline, Recipe, RecipeError, Restore, Step, Upscale

_TRIAL_SIDES = (192, 448)


@dataclass(frozen=True, slots=True)
class NetRun:
    """One run of a network that a recipe asks for."""

    net: LoadedNet
    """Which one."""
    height: int
    """Rows that go in."""
    width: int
    """Columns that go in."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a job costs outside the networks, by pixels of all its results."""

    seconds: Line
    """Decoding, guards, resampling, encoding."""
    peak_bytes: Line
    """Memory of the whole job beyond the idle process."""


class TimedEngine(Engine):
    """An engine that adds up the time spent in networks."""

    net_seconds = 0.0

    def run(self, *args: Any, **options: Any) -> TiledRun:
        """See ``Engine.run``."""
        started = time.perf_counter()
        try:
            return super().run(*args, **options)
        finally:
            self.net_seconds += time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class JobPrediction:
    """What a job is expected to cost."""

    runs: tuple[Prediction, ...]
    """One per run of a network."""
    seconds: float
    """File to file, with networks loaded."""
    peak_bytes: float
    """Memory beyond the idle process."""
    nets: tuple[str, ...] = field(default=())
    """Weight names, in the order of ``runs``."""


def net_runs(width: int, height: int, recipe: Recipe, engine: Engine) -> Iterator[NetRun]:
    """List the runs that a recipe asks for; roles that begin alike share theirs.

    A restoration that turns out to be needless is counted too.

    Args:
        width: of the upright upload, pixels.
        height: likewise.
        recipe: what would run.
        engine: tells which networks there are.

    Raises:
        RecipeError: a step runs a network from elsewhere, or one that does not ship.
    """
    seen = set[tuple[Step, ...]]()
    for role in recipe.roles:
        size = (width, height)
        for count, step in enumerate(role.steps, 1):
            shared = role.steps[:count] in seen
            seen.add(role.steps[:count])
            for run in _step_runs(*size, step, engine):
                if not shared:
                    yield run
            if isinstance(step, Upscale):
                size = step.result_size(*size)


def predict_job(
    size: tuple[int, int],
    recipe: Recipe,
    engine: Engine,
    costs: dict[str, NetCost],
    around: Surroundings,
) -> JobPrediction:
    """Predict a whole job.

    Args:
        size: width and height of the upright upload, pixels.
        recipe: what would run.
        engine: tells which networks there are and how large its tiles are.
        costs: by weight name; those of all networks that the recipe runs.
        around: what the rest costs.

    Raises:
        RecipeError: see ``net_runs``.
    """
    runs = list(net_runs(*size, recipe, engine))
    predictions = tuple(
        predict(
            *(run.height, run.width, run.net.geometry, costs[run.net.name]),
            max(engine.tile_for(run.net, run.height, run.width), run.net.geometry.smallest_tile),
        )
        for run in runs
    )
    pixels = result_pixels(size, recipe)
    seconds = sum(p.seconds for p in predictions) + around.seconds.at(pixels)
    memory = max((p.peak_bytes for p in predictions), default=0.0)
    names = tuple(run.net.name for run in runs)
    return JobPrediction(predictions, seconds, max(memory, around.peak_bytes.at(pixels)), names)


def best_tile(run: NetRun, cost: NetCost, engine: Engine, most_bytes: float) -> Prediction:
    """Pick the fastest tile size for one run, the engine's own included; see ``choose_tile``."""
    geometry = run.net.geometry
    sides = (*TILE_SIDES, engine.tile_size(geometry))
    return choose_tile(run.height, run.width, geometry, cost, sides=sides, most_bytes=most_bytes)


def result_pixels(size: tuple[int, int], recipe: Recipe) -> int:
    """Pixels of all results together."""
    sizes = [role.result_size(*size) for role in recipe.roles]
    return sum(width * height for width, height in sizes)


def measure_surroundings(recipe: Recipe, engine: TimedEngine, deadline: Deadline) -> Surroundings:
    """Run a recipe on two small pictures and take the networks' time off."""
    seconds, memory = [], []
    run_recipe(_trial_jpeg(_TRIAL_SIDES[0]), recipe, engine=engine, deadline=deadline)
    for side in _TRIAL_SIDES:
        content = _trial_jpeg(side)
        before, engine.net_seconds = start_peak(), 0.0
        started = time.perf_counter()
        run_recipe(content, recipe, engine=engine, deadline=deadline)
        elapsed = time.perf_counter() - started - engine.net_seconds
        pixels = float(result_pixels((side, side), recipe))
        seconds.append((pixels, max(elapsed, 1e-6)))
        memory.append((pixels, float(max(0, peak_bytes() - before))))
    return Surroundings(fit_line(seconds), fit_line(memory))


def _step_runs(width: int, height: int, step: Step, engine: Engine) -> Iterator[NetRun]:
    if isinstance(step, (Restore, Upscale)) and step.network:
        raise RecipeError(f"The costs of the network {step.network!r} are not known.")
    if isinstance(step, Restore) and step.strength > 0:
        yield NetRun(engine.net("restore", 1), height, width)
    if isinstance(step, Upscale):
        for scale in plan_upscale(width, height, step, engine.scales("upscale")).scales:
            yield NetRun(engine.net("upscale", scale, step.flavour), height, width)
            width, height = width * scale, height * scale


def _trial_jpeg(side: int) -> bytes:
    """A picture with some detail, as a JPEG file."""
    rng = np.random.default_rng(side)
    small: NDArray[np.uint8] = rng.integers(0, 256, (side // 8, side // 8, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()
