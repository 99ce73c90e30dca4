"""What makes backdrops in the comparison: a network, or no network at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from enhancer_worker.nets.backdrop_conditions import SEAMLESS, BackdropConditions
from enhancer_worker.nets.backdrop_generator import BackdropGenerator, BackdropGeneratorConfig
from enhancer_worker.nets.backdrop_input import network_input
from enhancer_worker.nets.backdrop_maps import SIDE
from enhancer_worker.nets.backdrop_noise import KINDS, pyramid
from enhancer_worker.training.backdrops.dcgan import DCGANGenerator
from enhancer_worker.training.data import Tile
from shopimg.contract import WorkerError

Painter = Callable[[Sequence[BackdropConditions]], list[Tile]]
"""Makes pictures, each (SIDE, SIDE, 3), uint8, one of each condition."""

TEXTURES = {"wood_table": "grain", "marble": "veins", "concrete": "clouds", "fabric": "weave"}
TEXTURE_SHARE = 0.5
BATCH = 4


def network(path: Path) -> Painter:
    """A trained generator: `dcgan.safetensors`, or any other file of `backdrop_s`.

    Raises:
        WorkerError: the file holds other weights.
    """
    net: nn.Module = BackdropGenerator(BackdropGeneratorConfig())
    if path.stem.startswith("dcgan"):
        net = DCGANGenerator()
    try:
        net.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as err:
        raise WorkerError(detail=f"{path}: {err}") from err
    net.eval().requires_grad_(False)

    def paint(wanted: Sequence[BackdropConditions]) -> list[Tile]:
        made: list[Tile] = []
        for at in range(0, len(wanted), BATCH):
            inputs = np.concatenate([network_input(one) for one in wanted[at : at + BATCH]])
            with torch.no_grad():
                pictures = net(torch.from_numpy(inputs)).clamp(0, 1)
            made += list((pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
        return made

    return paint


def no_network(wanted: Sequence[BackdropConditions]) -> list[Tile]:
    """The baseline: a gradient of the palette with a flat texture in the surface's half."""
    return [_gradient(conditions) for conditions in wanted]


def _gradient(conditions: BackdropConditions) -> Tile:
    surface, behind, accent = (np.array(c, np.float32) for c in conditions.palette)
    rows = (np.arange(SIDE) + 0.5) / SIDE - (1 - conditions.horizon)
    width = 0.15 if conditions.style in SEAMLESS else 0.004
    share = np.clip(rows / width + 0.5, 0, 1)[:, None, None]
    across = np.linspace(-1, 1, SIDE) * np.sin(np.radians(conditions.azimuth))
    light = (1 + 0.1 * across)[None, :, None]
    texture = _texture(conditions, np.random.default_rng(conditions.seed))[..., None]
    ground = surface + (accent - surface) * TEXTURE_SHARE * texture
    picture = (share * ground + (1 - share) * behind) * light
    levels: Tile = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return levels


def _texture(conditions: BackdropConditions, rng: np.random.Generator) -> NDArray[np.float32]:
    if conditions.style in SEAMLESS:
        return np.zeros((SIDE, SIDE), np.float32)
    kind = TEXTURES.get(conditions.style, "grain")
    tile = pyramid()[0][..., KINDS.index(kind)]
    top, left = rng.integers(0, tile.shape[0], 2)
    rolled = np.roll(tile, (-int(top), -int(left)), axis=(0, 1))
    return 2 * rolled[:SIDE, :SIDE] - 1
