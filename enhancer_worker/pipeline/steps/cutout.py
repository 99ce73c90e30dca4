"""Makes everything but the product transparent."""

from __future__ import annotations

from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from shopimg.contract import Cutout, RecipeError


def cutout(picture: Picture, _step: Cutout, _tools: Tools) -> StepOutcome:
    """Keep the transparency that an upload has.

    Raises:
        RecipeError: it has none.
    """
    if picture.alpha is None:
        raise RecipeError("This worker can cut out only what is transparent already.")
    return StepOutcome(picture, {"skipped": "already transparent"}, mask=picture.alpha)
