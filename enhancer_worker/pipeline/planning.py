"""Predicts how long a recipe takes on this machine, before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.measuring import cost_of
from enhancer_worker.engine.planner import TILE_SIDES, NetCost, Prediction, choose_tile, predict
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.pipeline.steps.upscale import plan_upscale
from enhancer_worker.pipeline.surroundings import (
    HollowEngine,
    Surroundings,
    result_pixels,
    surroundings_of,
)
from shopimg.contract import FLAVOURS, Recipe, RecipeError, Restore, Step, Upscale


@dataclass(frozen=True, slots=True)
class NetRun:
    """One run of a network that a recipe asks for."""

    nets: tuple[LoadedNet, ...]
    """Which one; several where the picture decides."""
    height: int
    """Rows that go in."""
    width: int
    """Columns that go in."""


@dataclass(frozen=True, slots=True)
class JobPrediction:
    """What a job is expected to cost."""

    runs: tuple[Prediction, ...]
    """One per run of a network."""
    seconds: float
    """File to file, with networks loaded and compiled for the shapes of its tiles."""
    warm_up_seconds: float
    """Time on top for the first job of a size: its networks are compiled for its tiles."""
    peak_bytes: float
    """Memory beyond the idle process."""
    nets: tuple[LoadedNet, ...] = ()
    """Networks, in the order of ``runs``."""


class Planner:
    """Measures the machine for a recipe once, then predicts jobs of any size."""

    def __init__(self, recipe: Recipe, engine: Engine) -> None:
        """Measure what surrounds the networks, unless that is known.

        Args:
            recipe: what would run.
            engine: tells which networks there are, how large its tiles are, and where figures
                are kept.

        Raises:
            RecipeError: see ``net_runs``.
            WorkerError: the machine cannot run the recipe.
        """
        for role in recipe.roles:
            for step in role.steps:
                _refuse_foreign(step)
        self._recipe, self._engine = recipe, engine
        self._costs = dict[str, NetCost]()
        # First of all, while no network that has run holds memory.
        self._around = surroundings_of(recipe, HollowEngine(engine), engine.config.cache_dir)

    def cost(self, net: LoadedNet) -> NetCost:
        """Return what a network costs on this machine."""
        if net.name not in self._costs:
            config = self._engine.config
            self._costs[net.name] = cost_of(net, config.threads, config.cache_dir)
        return self._costs[net.name]

    def predict(self, size: tuple[int, int]) -> JobPrediction:
        """Predict one job.

        Args:
            size: width and height of the upright upload, pixels.

        Raises:
            RecipeError: see ``net_runs``.
        """
        runs = list(net_runs(*size, self._recipe, self._engine))
        costs = {net.name: self.cost(net) for run in runs for net in run.nets}
        return predict_job(size, self._recipe, self._engine, costs, self._around)


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
    chosen = [_dearest(run, engine, costs) for run in net_runs(*size, recipe, engine)]
    nets = tuple(net for net, _ in chosen)
    predictions = tuple(prediction for _, prediction in chosen)
    pixels = (size[0] * size[1], result_pixels(size, recipe))
    by_net = {net.name: p for net, p in zip(nets, predictions, strict=True)}
    # Each network keeps memory for the next job; on top comes the moment that needs most.
    kept = sum(p.kept_bytes for p in by_net.values())
    moments = [max(0.0, p.peak_bytes - p.kept_bytes) for p in predictions]
    return JobPrediction(
        predictions,
        sum(p.seconds for p in predictions) + around.seconds.at(*pixels),
        sum(p.warm_up_seconds for p in by_net.values()),
        kept + max([*moments, around.peak_bytes.at(*pixels)]),
        nets,
    )


def _dearest(
    run: NetRun, engine: Engine, costs: Mapping[str, NetCost]
) -> tuple[LoadedNet, Prediction]:
    """Expect the slowest of the networks that may run."""

    def expected(net: LoadedNet) -> Prediction:
        tile = engine.tile_for(net, run.height, run.width)
        return predict(
            *(run.height, run.width, net.geometry, costs[net.name]),
            max(tile, net.geometry.smallest_tile),
        )

    return max(((net, expected(net)) for net in run.nets), key=lambda one: one[1].seconds)


def best_tile(
    net: LoadedNet, run: NetRun, cost: NetCost, engine: Engine, most_bytes: float
) -> Prediction:
    """Pick the fastest tile size for one run, the engine's own included; see ``choose_tile``."""
    geometry = net.geometry
    sides = (*TILE_SIDES, engine.tile_size(geometry))
    return choose_tile(run.height, run.width, geometry, cost, sides=sides, most_bytes=most_bytes)


def _refuse_foreign(step: Step) -> None:
    if isinstance(step, (Restore, Upscale)) and step.network:
        raise RecipeError(f"The costs of the network {step.network!r} are not known.")


def _step_runs(width: int, height: int, step: Step, engine: Engine) -> Iterator[NetRun]:
    _refuse_foreign(step)
    if isinstance(step, Restore) and step.strength > 0:
        yield NetRun((engine.net("restore", 1),), height, width)
    if isinstance(step, Upscale):
        flavours = FLAVOURS if step.flavour == "auto" else (step.flavour,)
        for scale in plan_upscale(width, height, step, engine.scales("upscale")).scales:
            nets = [engine.net("upscale", scale, flavour) for flavour in flavours]
            yield NetRun(tuple({net.name: net for net in nets}.values()), height, width)
            width, height = width * scale, height * scale
