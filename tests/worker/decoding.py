"""What decoding gives, and pictures to decode."""

from __future__ import annotations

import numpy as np
from PIL import Image

from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.decode import decode, open_source


def read(content: bytes) -> Picture:
    return decode(open_source(content))[0]


def facts_of(content: bytes) -> dict[str, object]:
    return decode(open_source(content))[1]


def noise(width: int = 64, height: int = 48) -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)
