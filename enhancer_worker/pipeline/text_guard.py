"""Keeps text and logos as the faithful network draws them, and measures what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from enhancer_worker.engine.tiling import Geometry
from enhancer_worker.pipeline.boxes import Box

Pixels = NDArray[np.uint8]

_FEATHER_PIXELS = 6
_BLOCK_PIXELS = 256
_AROUND_PIXELS = 2


@dataclass(frozen=True, slots=True)
class KeptText:
    """What the guard found and did in one enlargement."""

    regions: int
    """Rectangles of text."""
    edges_unguarded: float
    """Edge agreement of the enlargement alone, see ``edge_agreement``."""
    edges: float
    """The same with the faithful pixels in place."""


def keep_text(
    source: Pixels,
    result: Pixels,
    boxes: Sequence[Box],
    geometry: Geometry,
    faithful: Callable[[Pixels], Pixels],
) -> KeptText | None:
    """Replace text by what the faithful network makes of it; only blocks with text are run.

    Args:
        source: (h, w, 3), uint8, RGB: what was enlarged.
        result: (scale * h, scale * w, 3), uint8, RGB, changed in place.
        boxes: text of the source.
        geometry: of the faithful network; its scale is that of the enlargement.
        faithful: runs that network over a part of the source.

    Returns:
        What was found and done; None where there is no text.
    """
    before = edge_agreement(source, result, boxes)
    if before is None:
        return None
    mask = feathered_mask(source.shape[:2], boxes)
    for block in _blocks(mask):
        _blend_block(source, result, mask, block, geometry, faithful)
    after = edge_agreement(source, result, boxes)
    return KeptText(len(boxes), before, before if after is None else after)


def text_figures(
    original: Pixels, result: Pixels, boxes: Sequence[Box], runs: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Measure the text of a finished picture against that of the upload.

    Args:
        original: (h, w, 3), uint8, RGB.
        result: (H, W, 3), uint8, RGB: the same picture at any size.
        boxes: text of the upload.
        runs: reports of the networks, some of which may say what the guard found.

    Returns:
        ``text_edges``; where the guard has drawn text again also how well the enlargement agreed
        with what it was given, ``text_edges_unguarded`` before and ``text_edges_guarded`` after.
        Empty where there is no text.
    """
    figures: dict[str, float] = {}
    agreement = edge_agreement(original, result, boxes)
    if agreement is not None:
        figures["text_edges"] = agreement
    drawn = [run["text"] for run in runs if "text" in run]
    if drawn:
        figures["text_edges_unguarded"] = min(text["edges_unguarded"] for text in drawn)
        figures["text_edges_guarded"] = min(text["edges"] for text in drawn)
    return figures


def feathered_mask(shape: tuple[int, ...], boxes: Sequence[Box]) -> Pixels:
    """Return 255 inside the boxes, falling to 0 within a few pixels around them.

    Args:
        shape: rows and columns.
        boxes: within the picture.

    Returns:
        (h, w), uint8.
    """
    mask = np.zeros(shape, np.uint8)
    for box in boxes:
        mask[_around(box, shape, _FEATHER_PIXELS)] = 255
    # Two box blurs reach as far as the boxes were grown: inside the boxes nothing changes.
    blur = ImageFilter.BoxBlur(_FEATHER_PIXELS // 2)
    return np.asarray(Image.fromarray(mask).filter(blur).filter(blur))


def edge_agreement(before: Pixels, after: Pixels, boxes: Sequence[Box]) -> float | None:
    """Compare the strokes of text before and after, in the box where they agree least.

    The figure is the correlation of both gradient fields of the luma, ``sum(g * h) /
    sqrt(sum(g * g) * sum(h * h))``, once the result is shrunk to the size of the source: 1 for
    equal strokes of whatever contrast, about 0 for unrelated ones. This is the edge preservation
    measure of Sattar, Floreby, Salomonsson and Loevstroem (IEEE Transactions on Image Processing
    6(6), 1997), with gradients in place of the Laplacian, which noise disturbs more.

    Args:
        before: (h, w, 3), uint8, RGB.
        after: (H, W, 3), uint8, RGB: the same picture at any size.
        boxes: text, in pixels of ``before``.

    Returns:
        From -1 to 1; None where there is no text.
    """
    shape, agreements = before.shape[:2], list[float]()
    for box in boxes:
        rows, columns = _around(box, shape, _AROUND_PIXELS)
        first = _gradients(before[rows, columns])
        second = _gradients(_shrunk(after, shape, rows, columns))
        energy = float((first * first).sum() * (second * second).sum())
        agreements.append(float((first * second).sum()) / energy**0.5 if energy else 0.0)
    return round(min(agreements), 4) if agreements else None


def _gradients(pixels: NDArray[np.float64] | Pixels) -> NDArray[np.float64]:
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    return np.stack(np.gradient(luma))


def _shrunk(
    after: Pixels, shape: tuple[int, ...], rows: slice, columns: slice
) -> NDArray[np.float64] | Pixels:
    """Return a part of a result at the size of the source, without a copy of the whole."""
    down, across = after.shape[0] / shape[0], after.shape[1] / shape[1]
    top, left = int(rows.start * down), int(columns.start * across)
    part = after[top : int(np.ceil(rows.stop * down)), left : int(np.ceil(columns.stop * across))]
    box = (
        columns.start * across - left, rows.start * down - top,
        columns.stop * across - left, rows.stop * down - top,
    )  # fmt: skip
    size = (columns.stop - columns.start, rows.stop - rows.start)
    image = Image.fromarray(np.ascontiguousarray(part))
    return np.asarray(image.resize(size, Image.Resampling.BOX, box=box))


def _around(box: Box, shape: tuple[int, ...], pixels: int) -> tuple[slice, slice]:
    rows = slice(max(0, box.top - pixels), min(shape[0], box.bottom + pixels))
    return rows, slice(max(0, box.left - pixels), min(shape[1], box.right + pixels))


def _blocks(mask: Pixels) -> Iterator[Box]:
    """Yield the blocks of a regular grid in which the mask is not empty."""
    height, width = mask.shape
    for top in range(0, height, _BLOCK_PIXELS):
        for left in range(0, width, _BLOCK_PIXELS):
            bottom, right = min(top + _BLOCK_PIXELS, height), min(left + _BLOCK_PIXELS, width)
            if mask[top:bottom, left:right].any():
                yield Box(left, top, right, bottom)


def _blend_block(
    source: Pixels,
    result: Pixels,
    mask: Pixels,
    block: Box,
    geometry: Geometry,
    faithful: Callable[[Pixels], Pixels],
) -> None:
    # With the net's exact margin around it, a block comes out as in a run over the whole picture.
    rows = _window(block.top, source.shape[0], geometry.margin)
    columns = _window(block.left, source.shape[1], geometry.margin)
    scale = geometry.scale
    drawn = faithful(np.ascontiguousarray(source[rows, columns]))
    top, left = (block.top - rows.start) * scale, (block.left - columns.start) * scale
    within = np.s_[block.top : block.bottom, block.left : block.right]
    place = result[_scaled(within[0], scale), _scaled(within[1], scale)]
    drawn = drawn[top : top + place.shape[0], left : left + place.shape[1]]
    share = mask[within].repeat(scale, axis=0).repeat(scale, axis=1)
    # Pillow rounds to the nearest level, and needs no wider numbers in between.
    images = (Image.fromarray(np.ascontiguousarray(part)) for part in (drawn, place, share))
    place[...] = np.asarray(Image.composite(*images))


def _window(start: int, length: int, margin: int) -> slice:
    """Return a block with its margin, as long as any other: networks are compiled for a shape."""
    side = min(_BLOCK_PIXELS + 2 * margin, length)
    first = min(max(0, start - margin), length - side)
    return slice(first, first + side)


def _scaled(part: slice, scale: int) -> slice:
    return slice(part.start * scale, part.stop * scale)
