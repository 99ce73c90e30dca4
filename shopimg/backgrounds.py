"""Where the product is on a plain, light background, and how white that background is."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, the last two exclusive."""

WHITE = 255
"""Level of every channel of a white pixel."""

_LIGHT = 200
"""Least level of every channel of a background that counts as light."""
_TOLERANCE = 12
"""Levels by which a background may vary: noise and JPEG blocks, no gradient that one would see."""
_UNIFORM_SHARE = 0.7
"""Least share of the border that has the background's colour: a product may be cut by one side."""
_BORDER_SHARE = 0.01
"""Width of the border, as a share of the shortest side."""
_BLOCK_PIXELS = 16
"""JPEG smears an edge over its own block, 16 pixels wide where colours are subsampled."""


@dataclass(frozen=True, slots=True)
class Background:
    """What is around the product."""

    product_box: Box | None
    """What differs from a uniform light background; None where the background is another one."""
    border_white_share: float | None
    """Share of the border's pixels that are exactly 255 in all channels, 0 to 1, without those of
    the product and around it; None where the product covers all of the border."""
    border_minimum: int | None
    """Darkest channel among the same pixels."""
    outside_white_share: float | None
    """Share of exactly white pixels outside the product's box and 16 pixels around it; None where
    there is no box or nothing outside it."""
    outside_minimum: int | None
    """Darkest channel among the same pixels."""


def look_at_background(image: Image.Image) -> Background:
    """Measure the background of an upright picture.

    The whiteness of a transparent pixel is that of black, as a market may lay anything under it;
    the product is looked for on white.

    Args:
        image: RGB or RGBA.
    """
    darkest = functools.reduce(ImageChops.darker, image.split())
    border = _border_mask(image.size)
    differing = _differing(_on_white(image).split(), border)
    box = None if differing is None else differing.getbbox()
    border_white, border_minimum = _whiteness(darkest, _without_product(border, differing))
    outside_white, outside_minimum = _whiteness(darkest, _outside(image.size, box))
    return Background(box, border_white, border_minimum, outside_white, outside_minimum)


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _border_mask(size: tuple[int, int]) -> Image.Image:
    width, height = size
    thick = max(1, round(min(size) * _BORDER_SHARE))
    mask = Image.new("L", size, 255)
    mask.paste(0, (thick, thick, width - thick, height - thick))
    return mask


def _differing(bands: Sequence[Image.Image], border: Image.Image) -> Image.Image | None:
    """Mark what is not background with 255; None without a uniform light background.

    Band by band: a result of 100 megapixels is not to be held several times over.
    """
    colour = [_median(band.histogram(border)) for band in bands]
    if min(colour) < _LIGHT:
        return None
    marks = (band.point(_far_from(level)) for band, level in zip(bands, colour, strict=True))
    marked = functools.reduce(ImageChops.lighter, marks)
    levels = marked.histogram(border)
    if levels[0] < _UNIFORM_SHARE * sum(levels):
        return None
    return _without_specks(marked)


def _far_from(level: int) -> list[int]:
    return [255 * (abs(other - level) > _TOLERANCE) for other in range(256)]


def _without_specks(mask: Image.Image) -> Image.Image:
    """Remove what is one pixel wide or high, and leave the outline of the rest as it is.

    A pixel stays if it is part of a marked square of 2 x 2 pixels.
    """
    width, height = mask.size
    squares = Image.new("L", (width + 2, height + 2))  # what is shifted out comes in again
    squares.paste(mask, (1, 1))
    for x, y in ((-1, 0), (0, -1)):
        squares = ImageChops.darker(squares, ImageChops.offset(squares, x, y))
    for x, y in ((1, 0), (0, 1)):
        squares = ImageChops.lighter(squares, ImageChops.offset(squares, x, y))
    return squares.crop((1, 1, width + 1, height + 1))


def _without_product(border: Image.Image, differing: Image.Image | None) -> Image.Image:
    """Leave out of the border the blocks that the product touches, and their neighbours."""
    if differing is None:
        return border
    blocks = differing.reduce(_BLOCK_PIXELS).point([255 * (level > 0) for level in range(256)])
    width, height = blocks.width * _BLOCK_PIXELS, blocks.height * _BLOCK_PIXELS
    around = blocks.filter(ImageFilter.MaxFilter(3)).resize(
        (width, height), Image.Resampling.NEAREST
    )
    kept = ImageChops.invert(around.crop((0, 0, *border.size)))
    return ImageChops.darker(border, kept)


def _outside(size: tuple[int, int], box: Box | None) -> Image.Image | None:
    if box is None:
        return None
    left, top, right, bottom = box
    mask = Image.new("L", size, 255)
    grown = (
        left - _BLOCK_PIXELS,
        top - _BLOCK_PIXELS,
        right + _BLOCK_PIXELS,
        bottom + _BLOCK_PIXELS,
    )
    mask.paste(0, grown)
    return mask


def _whiteness(darkest: Image.Image, mask: Image.Image | None) -> tuple[float | None, int | None]:
    """Return the share of white pixels under a mask, and the darkest level there."""
    if mask is None or mask.getbbox() is None:
        return None, None
    levels = darkest.histogram(mask)
    minimum = next(level for level, number in enumerate(levels) if number)
    return levels[WHITE] / sum(levels), minimum


def _median(levels: Sequence[int]) -> int:
    half, seen = sum(levels) / 2, 0
    for level, number in enumerate(levels):
        seen += number
        if seen >= half:
            return level
    raise ValueError("There are no pixels.")
