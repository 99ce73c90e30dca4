"""Places the product in a frame, or the whole picture, whose edges are then continued."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.pipeline.boxes import Box, box_of
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.extension import extend
from enhancer_worker.pipeline.framing import frame_figures, place, product_box
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from enhancer_worker.pipeline.steps.upscale import resample
from enhancer_worker.pipeline.transparency import resample_seen
from shopimg.contract import Frame, ProductNotFoundError

_FILTER_PIXELS = 3


def frame(picture: Picture, step: Frame, _tools: Tools) -> StepOutcome:
    """Place what is not transparent; pixels that keep their size keep their values too.

    Args:
        picture: with the transparency of a cut-out, or without any.
        step: size, fill, edges and alignment.

    Raises:
        ProductNotFoundError: there is none, as everything is transparent.
    """
    size = step.result_size(picture.width, picture.height)
    if picture.alpha is None:
        return _whole(picture, size, step)
    source = product_box(picture.alpha)
    if source is None:
        raise ProductNotFoundError("There is no product to frame: everything is transparent.")
    target = place((source.width, source.height), size, step)
    pixels, alpha = _moved(picture.pixels, picture.alpha, source, target, size)
    figures = frame_figures(alpha, step)
    details = _details(picture, source, target, size) | {"touches": _touched(source, picture)}
    return StepOutcome(
        dataclasses.replace(picture, pixels=pixels, alpha=alpha), details, quality=figures
    )


def _whole(picture: Picture, size: tuple[int, int], step: Frame) -> StepOutcome:
    source = Box(0, 0, picture.width, picture.height)
    target = place((source.width, source.height), size, step)
    pixels = extend(resample(picture.pixels, target.width, target.height), target, size)
    details = _details(picture, source, target, size) | {"extended": True}
    return StepOutcome(dataclasses.replace(picture, pixels=pixels), details)


def _details(
    picture: Picture, source: Box, target: Box, size: tuple[int, int]
) -> dict[str, object]:
    """Tell where the product lies in the frame, and where all of the picture would."""
    across, down = target.width / source.width, target.height / source.height
    left, top = target.left - source.left * across, target.top - source.top * down
    whole = (left, top, left + picture.width * across, top + picture.height * down)
    return {
        "width": size[0],
        "height": size[1],
        "scale": round(across, 4),
        "box": [target.left, target.top, target.right, target.bottom],
        "picture": [round(edge, 2) for edge in whole],
    }


def _touched(source: Box, picture: Picture) -> list[str]:
    """Name the edges of the picture that the product reaches: it may be cut off there."""
    reached = {
        "left": source.left == 0,
        "top": source.top == 0,
        "right": source.right == picture.width,
        "bottom": source.bottom == picture.height,
    }
    return [side for side, there in reached.items() if there]


def _moved(
    pixels: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    source: Box,
    target: Box,
    size: tuple[int, int],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return colours and transparency of the frame: what was in one box is in the other."""
    visible = box_of(alpha)
    if visible is None:
        raise ValueError("nothing is visible")
    drawn, part = _mapped(visible, source, target, size)
    inside = Box(
        *(math.floor(v) - _FILTER_PIXELS for v in part[:2]),
        *(math.ceil(v) + _FILTER_PIXELS for v in part[2:]),
    )
    colours, opacity = _cut(pixels, inside, "edge"), _cut(alpha, inside, "constant")
    if (source.width, source.height) == (target.width, target.height):
        left, top = round(part[0]) - inside.left, round(part[1]) - inside.top
        same = Box(left, top, left + drawn.width, top + drawn.height)
        colours, opacity = colours[same.area], opacity[same.area]
    else:
        box = (
            *(part[0] - inside.left, part[1] - inside.top),
            *(part[2] - inside.left, part[3] - inside.top),
        )
        colours, opacity = resample_seen(colours, opacity, (drawn.width, drawn.height), box)
    result = np.zeros((size[1], size[0], 3), np.uint8)
    opaque = np.zeros((size[1], size[0]), np.uint8)
    result[drawn.area], opaque[drawn.area] = colours, opacity
    return result, opaque


def _mapped(
    visible: Box, source: Box, target: Box, size: tuple[int, int]
) -> tuple[Box, tuple[float, float, float, float]]:
    """Tell which box of the frame is drawn, and out of which part of the picture."""
    across, down = target.width / source.width, target.height / source.height
    drawn = Box(
        max(0, math.floor(target.left + (visible.left - source.left) * across)),
        max(0, math.floor(target.top + (visible.top - source.top) * down)),
        min(size[0], math.ceil(target.left + (visible.right - source.left) * across)),
        min(size[1], math.ceil(target.top + (visible.bottom - source.top) * down)),
    )
    return drawn, (
        source.left + (drawn.left - target.left) / across,
        source.top + (drawn.top - target.top) / down,
        source.left + (drawn.right - target.left) / across,
        source.top + (drawn.bottom - target.top) / down,
    )


def _cut(values: NDArray[np.uint8], box: Box, beyond: str) -> NDArray[np.uint8]:
    """Cut a box out of a picture that it may leave."""
    height, width = values.shape[:2]
    inside = Box(
        *(max(0, box.left), max(0, box.top)), *(min(width, box.right), min(height, box.bottom))
    )
    margins = [
        (inside.top - box.top, box.bottom - inside.bottom),
        (inside.left - box.left, box.right - inside.right),
    ]
    margins += [(0, 0)] * (values.ndim - 2)
    if beyond == "edge":
        return np.pad(values[inside.area], margins, mode="edge")
    return np.pad(values[inside.area], margins)
