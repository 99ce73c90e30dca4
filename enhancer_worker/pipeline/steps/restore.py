"""Removes noise, JPEG artefacts and blur."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.engine.runner import Finish
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.pipeline.assessment import Assessment
from enhancer_worker.pipeline.blur_estimation import estimate_blur, noise_to_allow_for
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.deconvolution import SHARP, deconvolve
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools, engine_details
from enhancer_worker.pipeline.white_ground import stands_on_white
from shopimg.contract import RecipeError, Restore


def restore(picture: Picture, step: Restore, tools: Tools) -> StepOutcome:
    """Apply a share of the correction, unless the picture looks clean.

    What looks clean is judged for our restorer; a foreign one that the step names runs anyway. A
    picture that is blurred and nothing else is deconvolved by the kernel that a network finds:
    that gains more than our restorer does, and invents nothing.

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
    asks = not step.always and not step.network
    verdict = tools.verdicts.of(picture.pixels, tools.engine) if asks else None
    weights, figures = (verdict.weights, verdict.found.figures()) if verdict else ({}, {})
    if verdict is not None and verdict.found.looks_clean:
        details = {"strength": step.strength, "skipped": "looks clean"}
        return StepOutcome(picture, details, weights, figures)
    if verdict is not None and _is_divisible(picture, verdict.found) and tools.engine.ships("blur"):
        net = tools.engine.net("blur", 1)
        found = estimate_blur(net, picture.pixels)
        weights = {**weights, net.name: net.digest}
        if found.blurs[0] != SHARP:
            tools.deadline.check()
            sharper = deconvolve(picture.pixels, found, noise_to_allow_for(verdict.found))
            details = {"strength": step.strength, "deblurred": asdict(found.blurs[0])}
            return StepOutcome(_mixed(picture, sharper, step.strength), details, weights, figures)
    net = _network(step, tools)
    finish = None if step.strength == 1 else blend(step.strength)
    run = tools.engine.run(net, picture.pixels, tools.deadline, finish)
    details = {"strength": step.strength, **engine_details(net, run)}
    result = Picture(run.pixels, picture.alpha, picture.grey)
    return StepOutcome(result, details, {**weights, net.name: net.digest}, figures)


def _is_divisible(picture: Picture, found: Assessment) -> bool:
    """Tell whether a blur can be divided out of the whole picture.

    Who puts a product before white cuts its outline after the blur: it would get a dark seam.
    """
    return found.is_only_blurred and not stands_on_white(picture.pixels)


def _mixed(picture: Picture, sharper: NDArray[np.uint8], strength: float) -> Picture:
    if strength < 1:
        before, after = (pixels.astype(np.float32) for pixels in (picture.pixels, sharper))
        sharper = np.rint(blend(strength)(before, after)).astype(np.uint8)
    return Picture(sharper, picture.alpha, picture.grey)


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
