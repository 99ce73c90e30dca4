"""Printed things: brands, fine print, bar codes; drawn with the typeface that Pillow brings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
INK: Colour = (34, 32, 30)
ANCHORS = {"l": 0.0, "m": 0.5, "r": 1.0}


@dataclass(frozen=True, slots=True)
class Type:
    """How a line is set; lengths are shares of the size."""

    ink: Colour = INK
    tracking: float = 0.0
    """Extra space between letters."""
    weight: float = 0.0
    """Extra thickness of the strokes."""
    anchor: str = "m"
    """What stands at x: l (start of the line), m (middle) or r (end)."""
    leading: float = 1.45
    """From one line to the next."""


PLAIN = Type()


@dataclass
class Print:
    """A sheet that is printed on; all measures are pixels of the sheet."""

    width: int
    height: int
    ground: Colour = (250, 248, 243)
    sheet: Image.Image = field(init=False)

    def __post_init__(self) -> None:
        """Take a blank sheet."""
        self.sheet = Image.new("RGB", (self.width, self.height), self.ground)

    def text(self, x: float, y: float, words: str, size: float, look: Type = PLAIN) -> Print:
        """Write one line whose capitals are centred on y."""
        font = ImageFont.load_default(size)
        widths = [font.getlength(letter) + look.tracking * size for letter in words]
        left = x - (sum(widths) - look.tracking * size) * ANCHORS[look.anchor]
        pen = ImageDraw.Draw(self.sheet)
        for letter, width in zip(words, widths, strict=True):
            stroke = look.weight * size
            pen.text((left, y), letter, look.ink, font, anchor="lm", stroke_width=stroke)
            left += width
        return self

    def lines(self, x: float, y: float, words: list[str], size: float, look: Type = PLAIN) -> Print:
        """Write lines below each other, the first one at y."""
        for number, line in enumerate(words):
            self.text(x, y + number * look.leading * size, line, size, look)
        return self

    def rule(self, box: Box, ink: Colour = INK) -> Print:
        """Fill a rectangle (left, top, right, bottom)."""
        ImageDraw.Draw(self.sheet).rectangle(box, fill=ink)
        return self

    def frame(self, margin: float, thickness: int, ink: Colour = INK) -> Print:
        """Draw a frame at a distance from the edge."""
        box = (margin, margin, self.width - margin, self.height - margin)
        ImageDraw.Draw(self.sheet).rectangle(box, outline=ink, width=thickness)
        return self

    def disc(self, x: float, y: float, radius: float, ink: Colour = INK) -> Print:
        """Fill a circle."""
        ImageDraw.Draw(self.sheet).circle((x, y), radius, fill=ink)
        return self

    def polygon(self, points: list[tuple[float, float]], ink: Colour = INK) -> Print:
        """Fill a polygon."""
        ImageDraw.Draw(self.sheet).polygon(points, fill=ink)
        return self

    def barcode(self, box: Box, digits: str) -> Print:
        """Print bars that follow from the digits, and the digits below."""
        left, top, right, bottom = box
        bars = np.random.default_rng(int(digits)).integers(1, 4, 59)
        scale = (right - left) / bars.sum()
        edges = left + scale * np.concatenate([[0], np.cumsum(bars)])
        for start, stop in zip(edges[:-1:2], edges[1::2], strict=True):
            self.rule((start, top, stop - 1, bottom))
        size = (right - left) / 11
        middle = (left + right) / 2
        return self.text(middle, bottom + size * 0.85, digits, size, Type(tracking=0.12))

    def pixels(self) -> NDArray[np.float64]:
        """Return the sheet as sRGB in [0, 1], (H, W, 3)."""
        return np.asarray(self.sheet, float) / 255
