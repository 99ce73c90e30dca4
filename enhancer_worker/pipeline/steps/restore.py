"""Removes noise and JPEG artefacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.runner import Finish
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.pipeline.assessment import assess
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools, engine_details
from shopimg.contract import RecipeError, Restore


def restore(picture: Picture, step: Restore, tools: Tools) -> StepOutcome:
    """Apply a share of the network's correction, unless the picture looks clean.

    What looks clean is judged for our restorer; a foreign one that the step names runs anyway.

    Args:
        picture: any size.
        step: ``strength`` 0 leaves every pixel as it is, 1 applies the whole correction;
            ``always`` restores what looks clean too.
        tools: engine and deadline.

    Raises:
        RecipeError: the foreign network that the step names does not keep the size.
    """
    if step.strength == 0:
        return StepOutcome(picture, {"strength": 0, "skipped": "strength is 0"})
    verdict = None if step.always or step.network else _judge(picture, tools.engine)
    if verdict is not None and verdict.looks_clean:
        details = {"strength": step.strength, "skipped": "looks clean"}
        return StepOutcome(picture, details, verdict.weights, verdict.figures)
    net = _network(step, tools)
    finish = None if step.strength == 1 else blend(step.strength)
    run = tools.engine.run(net, picture.pixels, tools.deadline, finish)
    details = {"strength": step.strength, **engine_details(net, run)}
    result = Picture(run.pixels, picture.alpha, picture.grey)
    weights, figures = (verdict.weights, verdict.figures) if verdict else ({}, {})
    return StepOutcome(result, details, {**weights, net.name: net.digest}, figures)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the estimator makes of an upload."""

    looks_clean: bool
    figures: Mapping[str, float]
    weights: Mapping[str, str]


def _judge(picture: Picture, engine: Engine) -> _Verdict | None:
    """Estimate the damage; None where no estimator ships."""
    if not engine.ships("estimate"):
        return None
    net = engine.net("estimate", 1)
    found = assess(net, picture.pixels)
    return _Verdict(found.looks_clean, found.figures(), {net.name: net.digest})


def _network(step: Restore, tools: Tools) -> LoadedNet:
    if not step.network:
        return tools.engine.net("restore", 1)
    net = tools.engine.foreign(step.network, step.sha256)
    if net.geometry.scale != 1:
        raise RecipeError(f"The network {step.network!r} enlarges: it belongs into upscale.")
    return net


def blend(strength: float) -> Finish:
    """Build what mixes the input with the network's result.

    Args:
        strength: share of the result, 0 to 1.
    """

    def mix(batch: NDArray[np.float32], results: NDArray[np.float32]) -> NDArray[np.float32]:
        return batch + np.float32(strength) * (results - batch)

    return mix
