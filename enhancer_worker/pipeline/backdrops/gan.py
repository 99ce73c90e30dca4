"""Backdrops by our own network, enlarged, with the fine grain that it is too small to draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.engine.engine import Engine
from enhancer_worker.engine.session import LoadedNet
from enhancer_worker.nets.backdrop_conditions import SEAMLESS, BackdropConditions
from enhancer_worker.nets.backdrop_input import network_input
from enhancer_worker.nets.manifest import read_manifest
from enhancer_worker.pipeline.backdrops.comb import without_comb
from enhancer_worker.pipeline.backdrops.grain import add_grain
from enhancer_worker.pipeline.backdrops.palettes import PALETTES, complete_palette
from enhancer_worker.pipeline.backdrops.protocol import BackdropImage
from enhancer_worker.pipeline.backdrops.window import Window, choose_window
from enhancer_worker.pipeline.steps.outcome import Tools
from shopimg.contract import Backdrop, RecipeError, WeightName
from shopimg.contract.provenance import COMPOSITE_WITH_GENERATED
from shopimg.contract.steps.scene import BRAND, ENLARGED_TIMES

_STRONGEST_BACKLIGHT = 110.0
"""Degrees from the camera beyond which the network has seen no light."""


def generated(step: Backdrop, width: int, height: int, tools: Tools) -> BackdropImage:
    """Paint a backdrop of a style; see ``BackdropGenerator``.

    Raises:
        RecipeError: this worker has no such network, or its network was not taught the style.
    """
    palettes, flavour = PALETTES[step.style], "faithful"
    if step.style == BRAND:
        palettes, flavour = _taught_palettes(tools.engine) or palettes, BRAND
    net = tools.engine.net("backdrop", 1, flavour)
    window = choose_window(1 - step.horizon, width, height)
    conditions = conditions_of(step, window.horizon, palettes)
    made = np.clip(without_comb(net.session(network_input(conditions))[0]), 0, 1)
    small = np.rint(made.transpose(1, 2, 0) * 255).astype(np.uint8)
    tools.deadline.check()
    larger = _upscaler(tools.engine, small, max(width, height))
    large = small if larger is None else tools.engine.run(larger, small, tools.deadline).pixels
    pixels = add_grain(_cut(large, window, width, height), conditions, window)
    ran = [net] if larger is None else [net, larger]
    return BackdropImage(
        pixels,
        {"network": net.name, "style": step.style, "palette": list(map(list, conditions.palette))},
        {one.name: one.digest for one in ran},
        source_type=COMPOSITE_WITH_GENERATED,
        seamless=step.style in SEAMLESS,
    )


def _taught_palettes(engine: Engine) -> Sequence[str]:
    """Palettes of the shop's own style, as its training measured them.

    Raises:
        RecipeError: no network was taught it.
    """
    for record in read_manifest(engine.config.weights_dir).values():
        name = WeightName.parse(record.name)
        if name is not None and (name.step, name.flavour) == (Backdrop.name, BRAND):
            told = record.config.get("palettes", "").split(",")
            return [palette.strip() for palette in told if palette.strip()]
    raise RecipeError(
        "This worker was not taught the style 'brand': train it on photographs of the shop, "
        "export backdrop_s_brand, and let ENHANCER_WEIGHTS_DIR name the folder."
    )


def conditions_of(step: Backdrop, horizon: float, palettes: Sequence[str]) -> BackdropConditions:
    """What the network is told.

    Args:
        step: what the recipe says; it counts degrees from behind the product.
        horizon: share of the network's frame from its bottom.
        palettes: those of the style.
    """
    azimuth = (180 - step.light_direction + 180) % 360 - 180
    return BackdropConditions(
        style=step.style,
        palette=complete_palette(step.style, palettes, step.palette, step.seed),
        azimuth=float(np.clip(azimuth, -_STRONGEST_BACKLIGHT, _STRONGEST_BACKLIGHT)),
        elevation=step.light_elevation,
        light_size=step.light_size,
        horizon=horizon,
        seed=step.seed,
    )


def _upscaler(engine: Engine, small: NDArray[np.uint8], side: int) -> LoadedNet | None:
    """Return the network that enlarges, where there is one and that many pixels are wanted."""
    if side <= small.shape[0]:
        return None
    try:
        return engine.exact_net("upscale", ENLARGED_TIMES)
    except RecipeError:
        return None


def _cut(pixels: NDArray[np.uint8], window: Window, width: int, height: int) -> NDArray[np.uint8]:
    """Resample one window of a square picture to a frame."""
    side = pixels.shape[0]
    box = (
        window.left * side,
        window.top * side,
        (window.left + window.width) * side,
        (window.top + window.height) * side,
    )
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box))
