"""Sets the product before a backdrop, with its shadow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from enhancer_worker.pipeline.backdrops.protocol import BackdropImage
from enhancer_worker.pipeline.backdrops.registry import generator
from enhancer_worker.pipeline.composite import compose
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.harmony import NO_CHANGE, backdrop_gains
from enhancer_worker.pipeline.reflection import reflect
from enhancer_worker.pipeline.shadow import light_left
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from shopimg.contract import Backdrop, RecipeError, WorkerError


def backdrop(picture: Picture, step: Backdrop, tools: Tools) -> StepOutcome:
    """Make the backdrop, fit its light to the product's, draw the shadow and put all together.

    Args:
        picture: the framed product with its transparency.
        step: what to set it before.
        tools: engine and deadline.

    Raises:
        RecipeError: nothing was cut out, or the generator cannot do what the step asks for.
        WorkerError: the generator failed.
    """
    if picture.alpha is None:
        raise RecipeError("A backdrop needs a product that was cut out.")
    given = replace(tools, product=picture)
    made = generator(step.generator)(step, picture.width, picture.height, given)
    _check(made, picture, step)
    tools.deadline.check()
    gains = NO_CHANGE if made.exact else backdrop_gains(picture)
    light = light_left(picture.alpha, step, seamless=made.seamless)
    tools.deadline.check()
    reflection = reflect(picture, step)
    pixels = compose(picture, made.pixels, light=light, gains=gains, reflection=reflection)
    details = {
        "generator": step.generator,
        "seed": step.seed,
        "shadow": "none" if light is None else step.shadow_mode,
        "reflection": 0 if reflection is None else step.reflection,
        **({} if gains == NO_CHANGE else {"gains": list(gains)}),
        **made.details,
    }
    return StepOutcome(Picture(pixels), details, made.weights, composed=made.source_type)


def _check(made: BackdropImage, picture: Picture, step: Backdrop) -> None:
    """Refuse what a generator of the shop's own may get wrong."""
    wanted = (picture.height, picture.width, 3)
    if made.pixels.shape != wanted or made.pixels.dtype != np.uint8:
        raise WorkerError(
            detail=f"{step.generator} made {made.pixels.dtype} {made.pixels.shape}, not "
            f"uint8 {wanted}"
        )
