"""Pictures of a product, made to measure, for tests of measuring, presets and audits."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw

Box = tuple[int, int, int, int]
PLUM = (90, 20, 30)


def product(
    size: tuple[int, int] = (400, 400),
    box: Box | None = (50, 50, 350, 350),
    ground: Any = "white",
    mode: str = "RGB",
) -> Image.Image:
    """Return a plum box on a plain ground."""
    image = Image.new(mode, size, ground)
    if box is not None:
        left, top, right, bottom = box
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=PLUM)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
