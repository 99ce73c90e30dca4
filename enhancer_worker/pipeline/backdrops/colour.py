"""The backdrop of one colour."""

from __future__ import annotations

import numpy as np

from enhancer_worker.pipeline.backdrops.protocol import BackdropImage
from enhancer_worker.pipeline.steps.outcome import Tools
from shopimg.contract import Backdrop
from shopimg.contract.provenance import UNKNOWN


def plain(step: Backdrop, width: int, height: int, _tools: Tools) -> BackdropImage:
    """Fill a picture with the step's colour, exactly; see ``BackdropGenerator``."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[...] = rgb(step.colour)
    details = {"colour": step.colour}
    # Nothing was put together: there is no second picture.
    return BackdropImage(pixels, details, source_type=UNKNOWN, seamless=True, exact=True)


def rgb(colour: str) -> tuple[int, int, int]:
    """Read a colour as recipes write it.

    >>> rgb("#f4f1ea")
    (244, 241, 234)
    """
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
