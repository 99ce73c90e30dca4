"""Removes noise and JPEG artefacts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.runner import Finish
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools, engine_details
from shopimg.contract import Restore


def restore(picture: Picture, step: Restore, tools: Tools) -> StepOutcome:
    """Apply a share of the network's correction.

    Args:
        picture: any size.
        step: ``strength`` 0 leaves every pixel as it is, 1 applies the whole correction.
        tools: engine and deadline.
    """
    if step.strength == 0:
        return StepOutcome(picture, {"strength": 0, "skipped": "strength is 0"})
    net = tools.engine.net("restore", 1)
    finish = None if step.strength == 1 else blend(step.strength)
    run = tools.engine.run(net, picture.pixels, tools.deadline, finish)
    details = {"strength": step.strength, **engine_details(net, run)}
    result = Picture(run.pixels, picture.alpha, picture.grey)
    return StepOutcome(result, details, {net.name: net.digest})


def blend(strength: float) -> Finish:
    """Build what mixes the input with the network's result.

    Args:
        strength: share of the result, 0 to 1.
    """

    def mix(batch: NDArray[np.float32], results: NDArray[np.float32]) -> NDArray[np.float32]:
        return batch + np.float32(strength) * (results - batch)

    return mix
