"""Draws a labelled table of pictures: one row per photograph, one column per method."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

MARGIN = 12
HEADER_HEIGHT = 40
CAPTION_HEIGHT = 22
LABEL_WIDTH = 150
INK, QUIET, PAPER = "#1a1a1a", "#6b6b6b", "#ffffff"
DIFFERENCE_GAIN = 8
"""How many times larger differences are drawn than they are."""


@dataclass(frozen=True)
class Cell:
    """One picture of the sheet."""

    picture: Tensor
    """(1, 3, side, side), float32, about [0, 1], RGB."""
    caption: str
    """A line under it; may be empty."""


@dataclass(frozen=True)
class Row:
    """One photograph."""

    label: str
    """Its name."""
    note: str
    """A second line, quieter."""
    cells: tuple[Cell, ...]
    """As many as the sheet has columns."""


def draw_sheet(columns: Sequence[str], rows: Sequence[Row], side: int) -> Image.Image:
    """Draw the sheet.

    Args:
        columns: headings.
        rows: from top to bottom.
        side: of every picture, pixels.
    """
    step = (side + MARGIN, side + CAPTION_HEIGHT + MARGIN)
    width = LABEL_WIDTH + MARGIN + step[0] * len(columns)
    sheet = Image.new("RGB", (width, HEADER_HEIGHT + step[1] * len(rows) + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    fonts = _Fonts()
    for number, heading in enumerate(columns):
        left = LABEL_WIDTH + MARGIN + number * step[0]
        text = _fitted(draw, heading, fonts.heading, side)
        draw.text((left, HEADER_HEIGHT - 8), text, INK, fonts.heading, anchor="ls")
    for line, row in enumerate(rows):
        top = HEADER_HEIGHT + line * step[1]
        label = _fitted(draw, row.label, fonts.plain, LABEL_WIDTH - MARGIN)
        draw.text((MARGIN, top + 4), label, INK, fonts.plain)
        draw.text((MARGIN, top + 24), row.note, QUIET, fonts.small)
        for number, cell in enumerate(row.cells):
            left = LABEL_WIDTH + MARGIN + number * step[0]
            sheet.paste(to_image(cell.picture), (left, top))
            draw.text((left, top + side + 4), cell.caption, QUIET, fonts.small)
    return sheet


def to_image(picture: Tensor) -> Image.Image:
    """Round (1, 3, H, W), float32, about [0, 1], to an RGB picture."""
    pixels = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    return Image.fromarray(pixels.contiguous().numpy())


def difference(first: Tensor, second: Tensor) -> Tensor:
    """Signed difference on mid-grey, `DIFFERENCE_GAIN` times enlarged; equal pixels are grey."""
    return (0.5 + DIFFERENCE_GAIN * (first - second)).clamp(0, 1)


def liveliest_window(first: Tensor, second: Tensor, side: int) -> tuple[int, int]:
    """Where two pictures differ most: (top, left) of a window inside them, pixels.

    Args:
        first: (1, 3, H, W), float32, H and W at least `side`.
        second: same shape.
        side: of the window, pixels.
    """
    energy = (first - second).square().mean(1, keepdim=True)
    stride = max(1, side // 8)
    sums = functional.avg_pool2d(energy, side, stride)[0, 0]
    row, column = np.unravel_index(int(sums.argmax()), tuple(sums.shape))
    return int(row) * stride, int(column) * stride


class _Fonts:
    """Pillow's own typeface, so that a sheet looks the same everywhere."""

    def __init__(self) -> None:
        self.heading = ImageFont.load_default(18)
        self.plain = ImageFont.load_default(15)
        self.small = ImageFont.load_default(13)


def _fitted(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: int,
) -> str:
    """Shorten a text in its middle until it fits a width, pixels."""
    if draw.textlength(text, font) <= width:
        return text
    kept = len(text) - 1
    while kept > 2 and draw.textlength(_shortened(text, kept), font) > width:
        kept -= 1
    return _shortened(text, kept)


def _shortened(text: str, kept: int) -> str:
    half = (kept + 1) // 2
    return f"{text[:half]}...{text[len(text) - (kept - half) :]}"
