"""Finds the product: by the matting net, whole and from close, and by what colours it has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.matting.colours import weighed_by_colour
from enhancer_worker.matting.guided import resized
from enhancer_worker.matting.prints import without_lit_holes

Plane = NDArray[np.float32]
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""A net: (B, 3, S, S), float32, [0, 1] to (B, 2, S, S), [0, 1], valid until the next call."""
Box = tuple[int, int, int, int]
"""Left, top, right and bottom, pixels of the picture."""

SIDE = 256
"""Width and height of what the net sees, pixels."""
MARGIN = 0.12
"""What is seen around a product when it is looked at once more, of its own size."""
LARGEST_CLOSE_UP = 0.8
"""Share of the picture's sides up to which a second look pays."""
SURE = 0.5
LEAST_DOUBT = 0.02
"""Expected error below which looks count alike."""


@dataclass(frozen=True, slots=True)
class CoarseMatte:
    """Where the product is, in a picture stretched over a square."""

    alpha: Plane
    """(S, S), float32, [0, 1]."""
    doubt: Plane
    """(S, S), float32, [0, 1]: the error that is expected of alpha."""
    box: Box
    """What it covers."""
    agreement: float = 1.0
    """Least intersection over union of what was found in two looks at the same."""


def coarse_matte(run: Run, pixels: NDArray[np.uint8]) -> CoarseMatte:
    """Find the product, and look at it once more from closer where it is small.

    Colours are heard after each look: what the first one left undecided, such as a strap of the
    same leather as another one, must be within what the second one covers. All else is taken for
    background, unless the product turns out to leave that: then colours are heard once more, up to
    the border of the picture. The net is not asked again, as it has seen that part already.

    Args:
        run: the net.
        pixels: (H, W, 3), uint8, RGB.
    """
    height, width = pixels.shape[:2]
    first = _look(run, pixels, (0, 0, width, height))
    matte = _coloured(*first)
    box = _close_up(np.maximum(first[1].alpha, matte.alpha), matte.box)
    if box is None:
        return matte
    seen, closer = _look(run, pixels, box)
    close = _coloured(seen, _joined(matte, closer))
    wider = _widened(close, matte.box)
    if wider == box:
        return close
    return _coloured(_shrunken(pixels, wider), _part(_pasted(matte, close), wider))


def _coloured(seen: NDArray[np.uint8], matte: CoarseMatte) -> CoarseMatte:
    weighed = weighed_by_colour(seen, matte.alpha, matte.doubt)
    return replace(matte, alpha=without_lit_holes(seen, matte.alpha, matte.doubt, weighed))


def _look(run: Run, pixels: NDArray[np.uint8], box: Box) -> tuple[NDArray[np.uint8], CoarseMatte]:
    """What the net is shown, (SIDE, SIDE, 3), uint8, RGB, and what it makes of that."""
    seen = _shrunken(pixels, box)
    planes = seen.astype(np.float32).transpose(2, 0, 1)[None] / np.float32(255)
    plain = run(np.ascontiguousarray(planes))[0].copy()
    # What is wrong in the mirror image is often not the same.
    mirrored = run(np.ascontiguousarray(planes[..., ::-1]))[0][..., ::-1]
    alpha, doubt = (plain + mirrored) / 2
    agreement = _overlap(plain[0] >= SURE, mirrored[0] >= SURE)
    return seen, CoarseMatte(alpha, doubt, box, agreement)


def _shrunken(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """A part of a picture as the net sees it: (SIDE, SIDE, 3), uint8, RGB."""
    left, top, right, bottom = box
    cut = Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right]))
    return np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))


def _close_up(alpha: Plane, whole: Box) -> Box | None:
    """What to look at once more: all that was found with a margin; None where that is all."""
    found = alpha >= SURE
    if not found.any():
        return None
    _, _, width, height = whole
    spans = []
    for axis, length in ((0, width), (1, height)):
        inside = np.flatnonzero(found.any(axis))
        low, high = float(inside[0]) / SIDE, float(inside[-1] + 1) / SIDE
        margin = MARGIN * (high - low) + 2 / SIDE
        spans.append((max(0.0, low - margin) * length, min(1.0, high + margin) * length))
    (left, right), (top, bottom) = spans
    if max((right - left) / width, (bottom - top) / height) > LARGEST_CLOSE_UP:
        return None
    return round(left), round(top), round(right), round(bottom)


def _widened(close: CoarseMatte, whole: Box) -> Box:
    """The box, up to the picture's border on each side where the product leaves it."""
    found = close.alpha >= SURE
    rims = (found[:, 0], found[0], found[:, -1], found[-1])
    sides = zip(rims, close.box, whole, strict=True)
    left, top, right, bottom = (edge if rim.any() else side for rim, side, edge in sides)
    return left, top, right, bottom


def _pasted(whole: CoarseMatte, close: CoarseMatte) -> CoarseMatte:
    """What is known of the whole picture, with what was found from close in its place."""
    left, top, right, bottom = (round(value) for value in _on_grid(close.box, whole.box))
    alpha, doubt = whole.alpha.copy(), whole.doubt.copy()
    for plane, found in ((alpha, close.alpha), (doubt, close.doubt)):
        plane[top:bottom, left:right] = resized(found, (right - left, bottom - top))
    return replace(whole, alpha=alpha, doubt=doubt, agreement=close.agreement)


def _joined(first: CoarseMatte, second: CoarseMatte) -> CoarseMatte:
    """Mean of two looks on the grid of the second one; where one doubts more, it counts less.

    From close the net sees finer edges, from afar what else there is.
    """
    far = _part(first, second.box)
    weight = (far.doubt + LEAST_DOUBT) / (far.doubt + second.doubt + 2 * LEAST_DOUBT)
    overlap = _overlap(far.alpha >= SURE, second.alpha >= SURE)
    return CoarseMatte(
        far.alpha + weight * (second.alpha - far.alpha),
        far.doubt + weight * (second.doubt - far.doubt),
        second.box,
        min(first.agreement, second.agreement, overlap),
    )


def _part(whole: CoarseMatte, box: Box) -> CoarseMatte:
    """What was found in the whole picture, on a grid of its own for the part in a box."""
    place = _on_grid(box, whole.box)
    alpha, doubt = (
        np.asarray(Image.fromarray(plane).resize((SIDE, SIDE), Image.Resampling.BILINEAR, place))
        for plane in (np.ascontiguousarray(whole.alpha), np.ascontiguousarray(whole.doubt))
    )
    return replace(whole, alpha=alpha, doubt=doubt, box=box)


def _on_grid(box: Box, whole: Box) -> tuple[float, float, float, float]:
    """A box in pixels of the grid over the whole picture."""
    _, _, width, height = whole
    left, top, right, bottom = box
    across, down = SIDE / width, SIDE / height
    return left * across, top * down, right * across, bottom * down


def _overlap(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    either = int((before | after).sum())
    return int((before & after).sum()) / either if either else 1.0
