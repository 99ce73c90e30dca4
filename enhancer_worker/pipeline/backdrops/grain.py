"""Fine grain at the delivered size, so that an enlarged backdrop does not look like plastic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enhancer_worker.nets.backdrop_conditions import BackdropConditions
from enhancer_worker.nets.backdrop_maps import FOCAL, VANISHING, placing
from enhancer_worker.nets.backdrop_noise import mean_tone, sample
from enhancer_worker.pipeline.backdrops.window import Window

Floats = NDArray[np.float32]

FINER = 4.0
"""The grain's texture is that of the network's input, so many times finer."""
AMOUNTS = {
    "wood_table": ("grain", 0.16),
    "interior_bokeh": ("grain", 0.16),
    "outdoor_bokeh": ("grain", 0.16),
    "marble": ("clouds", 0.03),
    "concrete": ("clouds", 0.10),
    "fabric": ("weave", 0.12),
}
"""What texture a style's surface has, and its share of the light."""
SENSOR_NOISE = 0.6
"""Standard deviation everywhere, of 255: it breaks the bands of smooth gradients."""
_BAND_ROWS = 256
_STREAM = 4


def add_grain(
    pixels: NDArray[np.uint8], conditions: BackdropConditions, window: Window
) -> NDArray[np.uint8]:
    """Add texture in perspective to the surface, and a trace of noise everywhere.

    Args:
        pixels: (H, W, 3), uint8: the window of the network's frame, enlarged.
        conditions: that it was made of.
        window: part of the network's frame that it shows.
    """
    rng = np.random.default_rng((conditions.seed, _STREAM))
    height, width = pixels.shape[:2]
    result = np.empty_like(pixels)
    kind, amount = AMOUNTS.get(conditions.style, ("clouds", 0.0))
    for top in range(0, height, _BAND_ROWS):
        rows = slice(top, min(top + _BAND_ROWS, height))
        light = pixels[rows].astype(np.float32)
        if amount:
            at = window.top + (np.arange(rows.start, rows.stop) + 0.5) / height * window.height
            light *= 1 + amount * _texture(kind, at, width, conditions, window)[..., None]
        light += rng.standard_normal((*light.shape[:2], 1), np.float32) * SENSOR_NOISE
        result[rows] = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    return result


def _texture(
    kind: str,
    rows: NDArray[np.float64],
    width: int,
    conditions: BackdropConditions,
    window: Window,
) -> Floats:
    """Texture of the floor, about -0.5 to 0.5; 0 above the horizon."""
    share = np.clip((rows - (1 - conditions.horizon)) / 0.02, 0, 1)[:, None]
    if not share.any():
        return np.zeros((len(rows), width), np.float32)
    x = window.left + (np.arange(width) + 0.5) / width * window.width - 0.5
    depth = FOCAL / np.maximum(rows - (1 - conditions.horizon - VANISHING), VANISHING)
    lie = placing(conditions.seed)
    across = x[None, :] * depth[:, None] / FOCAL
    along = np.broadcast_to(depth[:, None], across.shape)
    cos, sin = np.cos(lie.angle), np.sin(lie.angle)
    u = (across * cos - along * sin) / lie.scale * FINER + lie.offset[1]
    v = (across * sin + along * cos) / lie.scale * FINER + lie.offset[0]
    covered = depth * np.sqrt(depth) / FOCAL * window.width / width / lie.scale * FINER
    covered = np.broadcast_to(covered[:, None], across.shape)
    places = (u.astype(np.float32), v.astype(np.float32), covered.astype(np.float32))
    noise = sample(*places, kinds=(kind,))[..., 0]
    # The tile's own mean: that of the rows at hand would draw a seam between these and the next.
    result: Floats = ((noise - mean_tone(kind)) * share).astype(np.float32)
    return result
