"""Enlarges a picture: networks first, then resampling to the exact size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.runner import Finish
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps.kept_text import redraw_text
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools, engine_details
from enhancer_worker.pipeline.steps.verdict import Verdict
from enhancer_worker.pipeline.text_regions import find_text
from shopimg.contract import RecipeError, Upscale

_LARGEST_CASCADE = 2
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


def plan_upscale(
    width: int, height: int, step: Upscale, scales: Sequence[int] = Upscale.SCALES
) -> UpscalePlan:
    """Choose the smallest network factor that suffices, of one network or two in a row.

    Args:
        width: source pixels.
        height: source pixels.
        step: a factor, or the longest side to reach.
        scales: factors for which there is a network.

    Returns:
        The plan. Where the sufficient factor would need too much memory on the way, or no cascade
        reaches it, the next smaller one is used and plain resampling does the rest.

    >>> plan_upscale(1000, 500, Upscale(to=2500))
    UpscalePlan(scales=(3,), width=2500, height=1250)
    """
    size = step.result_size(width, height)
    if step.strength == 0 or size == (width, height):
        return UpscalePlan((), *size)
    cascades = _cascades(scales)
    largest = math.isqrt(_LARGEST_INTERMEDIATE_PIXELS // (width * height))
    affordable = [factor for factor in cascades if factor <= max(1, largest)]
    sufficient = [factor for factor in affordable if factor * max(width, height) >= max(size)]
    return UpscalePlan(cascades[min(sufficient, default=max(affordable))], *size)


def _cascades(scales: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Networks to run by the factor they reach together; one where one does it.

    The larger factor comes first. The other order is cheaper, but for x8 it loses 0.16 dB on Set5
    and 0.04 dB on the first eight pictures of B100.
    """
    cascades: dict[int, tuple[int, ...]] = {}
    for length in range(_LARGEST_CASCADE + 1):
        for cascade in itertools.combinations_with_replacement(
            sorted(scales, reverse=True), length
        ):
            cascades.setdefault(math.prod(cascade), cascade)
    return cascades


def upscale(picture: Picture, step: Upscale, tools: Tools) -> StepOutcome:
    """Enlarge colours with networks, and transparency by resampling.

    Args:
        picture: colours under transparent pixels are already filled.
        step: what to reach.
        tools: engine and deadline.

    Raises:
        RecipeError: there is no network for the factor, or the one named does not enlarge.
    """
    asked = {"scale": step.scale, "to": step.to, "strength": step.strength}
    size = (picture.width, picture.height)
    if step.result_size(*size) == size:
        return StepOutcome(picture, {**asked, "skipped": "already as large"})
    plan = plan_upscale(*size, step, _network_scales(step, tools.engine))
    verdict = _judge(picture, step, plan, tools)
    flavour = _flavour(step, verdict)
    pixels, nets, runs = _run_networks(picture.pixels, plan.scales, step, flavour, tools)
    tools.deadline.check()
    pixels = resample(pixels, plan.width, plan.height)
    alpha = None if picture.alpha is None else resample(picture.alpha, plan.width, plan.height)
    details: dict[str, Any] = {
        **asked,
        # A cascade may need two networks of which one has no photo flavour.
        "flavour": "" if step.network else ", ".join(dict.fromkeys(net.flavour for net in nets)),
        "width": plan.width,
        "height": plan.height,
        "runs": runs,
    }
    if verdict is not None:
        details["judged"] = verdict.found.figures()
    weights = {**verdict.weights} if verdict else {}
    weights |= {net.name: net.digest for net in nets}
    return StepOutcome(Picture(pixels, alpha, picture.grey), details, weights)


def _judge(picture: Picture, step: Upscale, plan: UpscalePlan, tools: Tools) -> Verdict | None:
    """Look at what is to be enlarged, where that decides who does it."""
    if step.flavour != "auto" or step.network or not plan.scales:
        return None
    return tools.verdicts.of(picture.pixels, tools.engine)


def _flavour(step: Upscale, verdict: Verdict | None) -> str:
    if step.flavour != "auto":
        return step.flavour
    return "faithful" if verdict is not None and verdict.found.suits_faithful else "photo"


def _run_networks(
    pixels: NDArray[np.uint8], scales: Sequence[int], step: Upscale, flavour: str, tools: Tools
) -> tuple[NDArray[np.uint8], list[LoadedNet], list[dict[str, Any]]]:
    """Return the enlarged pixels, the networks that ran, and a report of each run."""
    nets, runs = list[LoadedNet](), list[dict[str, Any]]()
    for scale in scales:
        net = _network(step, scale, flavour, tools.engine)
        finish = None if step.strength == 1 else blend_detail(step.strength, scale)
        invents = bool(step.network) or net.flavour == "photo"
        looking = tools.background.submit(find_text, pixels) if invents else None
        run = tools.engine.run(net, pixels, tools.deadline, finish)
        source, pixels = pixels, run.pixels
        nets.append(net)
        runs.append(engine_details(net, run))
        if looking is not None:
            # The thread may be writing another picture still.
            boxes = find_text(source) if looking.cancel() else looking.result()
            redrawn, report = redraw_text(source, pixels, boxes, scale, finish, tools)
            nets += redrawn
            runs[-1] |= report
    return pixels, nets, runs


def _network_scales(step: Upscale, engine: Engine) -> tuple[int, ...]:
    if step.strength == 0:
        return ()
    if step.network:
        return (_foreign(step, engine).geometry.scale,)
    return (step.scale,) if step.scale else engine.scales("upscale")


def _network(step: Upscale, scale: int, flavour: str, engine: Engine) -> LoadedNet:
    if step.network:
        return _foreign(step, engine)
    return engine.net("upscale", scale, flavour)


def _foreign(step: Upscale, engine: Engine) -> LoadedNet:
    net = engine.foreign(step.network, step.sha256)
    if net.geometry.scale == 1:
        raise RecipeError(f"The network {step.network!r} does not enlarge.")
    return net


def blend_detail(strength: float, scale: int) -> Finish:
    """Build what takes a share of a network's detail over plain resampling.

    Args:
        strength: share of the network's result, 0 to 1.
        scale: of the network.
    """

    def mix(batch: NDArray[np.float32], results: NDArray[np.float32]) -> NDArray[np.float32]:
        plain = _resample_batch(batch, scale)
        return plain + np.float32(strength) * (results - plain)

    return mix


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


def _resample_batch(batch: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """Resample tiles through 8 bits, as strength 0 resamples the whole picture.

    Lanczos looks three source pixels far, which lies within every halo.

    Args:
        batch: (B, 3, h, w), float32, [0, 1]: whole levels.
        scale: output pixels per input pixel along one axis.

    Returns:
        (B, 3, scale * h, scale * w), float32, [0, 1].
    """
    levels = np.rint(batch.transpose(0, 2, 3, 1) * np.float32(255)).astype(np.uint8)
    height, width = levels.shape[1] * scale, levels.shape[2] * scale
    plain = np.stack([resample(tile, width, height) for tile in levels])
    return plain.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
