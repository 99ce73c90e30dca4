"""Enlarges a picture: networks first, then resampling to the exact size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools, engine_details
from shopimg.contract import Upscale

_LARGEST_NET_FACTOR = 16
_CASCADES = {1: (), 2: (2,), 4: (4,), 8: (4, 2), 16: (4, 4)}
_LARGEST_INTERMEDIATE_PIXELS = 120_000_000


@dataclass(frozen=True, slots=True)
class UpscalePlan:
    """How a picture reaches its size."""

    scales: tuple[int, ...]
    """Factors of the networks, run one after the other; may be empty."""
    width: int
    """Final pixels."""
    height: int
    """Final pixels."""


def plan_upscale(width: int, height: int, step: Upscale) -> UpscalePlan:
    """Choose the smallest network factor that suffices.

    Args:
        width: source pixels.
        height: source pixels.
        step: a factor, or the longest side to reach.

    Returns:
        The plan. Where the sufficient factor would need too much memory on the way, or is above
        16, the next smaller one is used and plain resampling does the rest.

    >>> plan_upscale(1000, 500, Upscale(to=2500))
    UpscalePlan(scales=(4,), width=2500, height=1250)
    """
    if step.scale is not None:
        return UpscalePlan((step.scale,), width * step.scale, height * step.scale)
    longest, to = max(width, height), step.to or 0
    if longest >= to:
        return UpscalePlan((), width, height)
    factor = 2
    while factor * longest < to and factor < _LARGEST_NET_FACTOR:
        factor *= 2
    while factor > 1 and factor**2 * width * height > _LARGEST_INTERMEDIATE_PIXELS:
        factor //= 2
    size = [max(1, round(side * to / longest)) for side in (width, height)]
    return UpscalePlan(_CASCADES[factor], *size)


def upscale(picture: Picture, step: Upscale, tools: Tools) -> StepOutcome:
    """Enlarge colours with networks, and transparency by resampling.

    Args:
        picture: colours under transparent pixels are already filled.
        step: what to reach.
        tools: engine and deadline.
    """
    plan = plan_upscale(picture.width, picture.height, step)
    if (plan.width, plan.height) == (picture.width, picture.height):
        return StepOutcome(picture, {**step.options(), "skipped": "already as large"})
    pixels, weights, runs = picture.pixels, dict[str, str](), list[dict[str, Any]]()
    for scale in plan.scales:
        net = tools.engine.net("upscale", scale)
        run = tools.engine.run(net, pixels, tools.deadline)
        pixels = run.pixels
        weights[net.name] = net.digest
        runs.append(engine_details(net, run))
    tools.deadline.check()
    pixels = resample(pixels, plan.width, plan.height)
    alpha = None if picture.alpha is None else resample(picture.alpha, plan.width, plan.height)
    details = {**step.options(), "width": plan.width, "height": plan.height, "runs": runs}
    return StepOutcome(Picture(pixels, alpha, picture.grey), details, weights)


def resample(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Bring pixels to an exact size with Lanczos; nothing happens where they have it.

    Args:
        pixels: (H, W) or (H, W, 3), uint8.
        width: pixels.
        height: pixels.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(pixels)
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS))
