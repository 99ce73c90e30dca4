"""Where a product lies in its picture, and where it is to stand in its frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from enhancer_worker.matting.pieces import COARSE_SIDE, SPECK_SHARE, VISIBLE
from enhancer_worker.pipeline.boxes import Box
from shopimg.contract import Frame

_TOUCHES = np.ones((3, 3), bool)


def place(product: tuple[int, int], frame: tuple[int, int], step: Frame) -> Box:
    """Tell where a product belongs.

    Args:
        product: width and height of its box, pixels.
        frame: width and height of the frame, pixels.
        step: fill, padding or margins, and alignment.

    Returns:
        A box of the product's shape, up to whole pixels: it fills the frame as far as its edges
        let it, lies within them, and is centred between them or stands on the lower one.

    >>> place((100, 200), (1000, 1000), Frame(fill=0.8))
    Box(left=300, top=100, right=700, bottom=900)
    >>> place((100, 200), (1000, 1000), Frame(fill=0.8, padding=0.2, align="bottom"))
    Box(left=350, top=200, right=650, bottom=800)
    >>> place((100, 200), (1000, 1000), Frame(fill=0.8, margins=(0.1, 0, 0.3, 0.5)))
    Box(left=600, top=100, right=900, bottom=700)
    """
    top_edge, right_edge, bottom_edge, left_edge = (share * min(frame) for share in step.edges)
    free = (frame[0] - left_edge - right_edge, frame[1] - top_edge - bottom_edge)
    fill = max(length / side for length, side in zip(product, frame, strict=True))
    room = min(space / length for length, space in zip(product, free, strict=True))
    scale = min(step.fill / fill, room)
    width, height = (
        # A hair more than the room is an error of rounding.
        max(1, min(round(length * scale), math.floor(space + 1e-6)))
        for length, space in zip(product, free, strict=True)
    )
    middle = _middle(frame, step)
    left, top = (
        math.ceil(centre - length / 2 - 0.5 - 1e-6)
        for centre, length in zip(middle, (width, height), strict=True)
    )
    if step.align == "bottom":
        top = frame[1] - math.ceil(bottom_edge - 1e-6) - height
    return Box(max(0, left), max(0, top), max(0, left) + width, max(0, top) + height)


def _middle(frame: tuple[int, int], step: Frame) -> tuple[float, float]:
    """Column and row in the middle of what the edges leave free."""
    top, right, bottom, left = (share * min(frame) for share in step.edges)
    return (left + frame[0] - right) / 2, (top + frame[1] - bottom) / 2


def product_box(alpha: NDArray[np.uint8]) -> Box | None:
    """Find the box of what is visible, but for specks that a cut-out has left somewhere.

    Args:
        alpha: (H, W), uint8.

    Returns:
        None where everything is transparent.
    """
    mask = alpha >= VISIBLE
    cell = math.ceil(max(mask.shape) / COARSE_SIDE)
    coarse = _reduced(mask, cell)
    labels, count = ndimage.label(coarse, structure=_TOUCHES)
    if not count:
        return None
    sizes = np.bincount(labels.ravel())[1:]
    kept = np.flatnonzero(sizes >= SPECK_SHARE * sizes.max())
    boxes = [ndimage.find_objects(labels)[number] for number in kept]
    rows, columns = (
        slice(min(b[axis].start for b in boxes) * cell, max(b[axis].stop for b in boxes) * cell)
        for axis in (0, 1)
    )
    part = mask[rows, columns]
    down, across = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return Box(
        columns.start + int(across[0]),
        rows.start + int(down[0]),
        columns.start + int(across[-1]) + 1,
        rows.start + int(down[-1]) + 1,
    )


def frame_figures(alpha: NDArray[np.uint8], step: Frame) -> dict[str, float]:
    """Measure how a product lies in its frame.

    Args:
        alpha: (H, W), uint8: of the framed picture; not empty.
        step: what was asked for.

    Returns:
        Shares of the frame's width and height, the larger of them as the fill, and the distance
        from where the product belongs, in pixels.
    """
    box = product_box(alpha)
    if box is None:
        raise ValueError("the frame is empty")
    height, width = alpha.shape
    wanted = place((box.width, box.height), (width, height), step)
    across, down = box.width / width, box.height / height
    # Compared by middles and by the side that it stands on: sizes are figures of their own.
    column, row = _middle((width, height), step)
    sideways = abs((box.left + box.right) / 2 - column)
    upright: float = abs(box.bottom - wanted.bottom)
    if step.align == "centre":
        upright = abs((box.top + box.bottom) / 2 - row)
    return {
        "frame_fill": round(max(across, down), 4),
        "frame_width": round(across, 4),
        "frame_height": round(down, 4),
        "frame_position_error": round(max(sideways, upright), 4),
    }


def _reduced(mask: NDArray[np.bool_], cell: int) -> NDArray[np.bool_]:
    """Say of squares of pixels whether any of them is set."""
    height, width = mask.shape
    padded = np.pad(mask, ((0, -height % cell), (0, -width % cell)))
    rows, columns = padded.shape[0] // cell, padded.shape[1] // cell
    return np.asarray(padded.reshape(rows, cell, columns, cell).any(axis=(1, 3)))
