"""What decoding gives, and pictures to decode."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, features

from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.decode import decode, open_source

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF")


def read(content: bytes) -> Picture:
    return decode(open_source(content))[0]


def facts_of(content: bytes) -> dict[str, object]:
    return decode(open_source(content))[1]


def noise(width: int = 64, height: int = 48) -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)
