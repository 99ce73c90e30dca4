"""From light to picture: passes of the path tracer, exposure, sRGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mitsuba as mi
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float64]
PASSES = 4
BRIGHT_SHARE_PERCENT = 97
BRIGHT_LEVEL = 0.80
"""Where the automatic exposure puts the brighter parts, as a share of white."""
SHOULDER = 0.72
"""Light above this share of white is compressed instead of cut off."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the path tracer saw: light, and what it fell on."""

    light: Array
    """Mean radiance, (H, W, 3)."""
    variance: Array
    """Variance of that mean, (H, W, 3)."""
    albedo: Array
    """Colour of the surface, (H, W, 3); without noise, because it needs no light."""
    normal: Array
    """Direction of the surface, (H, W, 3)."""


def expose(scene: Any, samples: int, *, seed: int) -> Exposure:
    """Render in independent passes, whose differences tell how noisy each pixel is."""
    each = max(1, samples // PASSES)
    render: Any = mi.render  # its annotations are those of one variant only
    passes = [
        np.asarray(render(scene, spp=each, seed=seed * PASSES + number)).astype(float)
        for number in range(PASSES)
    ]
    frames = np.nan_to_num(np.stack(passes), posinf=0.0)
    mean = frames.mean(axis=0)
    variance = frames[..., :3].var(axis=0, ddof=1) / PASSES
    return Exposure(mean[..., :3], variance, mean[..., 3:6], mean[..., 6:9])


def develop(light: Array, exposure: float) -> Image.Image:
    """Turn radiance into an sRGB picture.

    Args:
        light: (H, W, 3), linear.
        exposure: factor on the automatic exposure.
    """
    luminance = light @ np.array([0.2126, 0.7152, 0.0722])
    value = light * exposure * BRIGHT_LEVEL / np.percentile(luminance, BRIGHT_SHARE_PERCENT)
    room = 1 - SHOULDER
    rolled = SHOULDER + room * (1 - np.exp(-(value - SHOULDER) / room))
    value = np.where(value > SHOULDER, rolled, value)
    srgb = np.where(
        value <= 0.0031308, value * 12.92, 1.055 * np.maximum(value, 0) ** (1 / 2.4) - 0.055
    )
    return Image.fromarray(np.round(np.clip(srgb, 0, 1) * 255).astype(np.uint8))


def coverage(scene: Any, samples: int, *, seed: int) -> Image.Image:
    """Render the scene of ``Studio.load_mask``: how much of each pixel the product covers.

    Returns:
        A picture of one channel, 255 where nothing else is to be seen.
    """
    render: Any = mi.render  # its annotations are those of one variant only
    seen = np.asarray(render(scene, spp=samples, seed=seed))[..., 0].astype(float)
    return Image.fromarray(np.round(np.clip(seen, 0, 1) * 255).astype(np.uint8))
