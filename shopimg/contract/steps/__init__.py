"""The operations that a recipe may name: options, their limits, and what they make of a size."""

from collections.abc import Mapping

from shopimg.contract.steps.base import Step
from shopimg.contract.steps.photo import Restore, Upscale
from shopimg.contract.steps.scene import Backdrop, Cutout, Frame

STEP_TYPES: Mapping[str, type[Step]] = {
    step.name: step for step in (Restore, Upscale, Cutout, Frame, Backdrop)
}
"""Every operation that a recipe may name."""

__all__ = ["STEP_TYPES", "Backdrop", "Cutout", "Frame", "Restore", "Step", "Upscale"]
