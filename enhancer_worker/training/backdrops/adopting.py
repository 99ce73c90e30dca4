"""Lets one style of a generator begin as another."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from enhancer_worker.nets.backdrop_conditions import STYLES
from enhancer_worker.nets.backdrop_generator import GATE_STEP, BackdropGenerator
from enhancer_worker.nets.backdrop_scenery import FREE

SCENERY_FROM = "interior_bokeh"
"""Style whose scenery the new one begins with."""


@torch.no_grad()
def adopt(net: BackdropGenerator, style: str, material: str) -> None:
    """Begin a style with the surface of another, and the scenery of rooms.

    Args:
        net: a trained generator; changed in place.
        style: one with scenery that the net was not trained for, and that may use all maps of the
            other's surface.
        material: a style that it was trained for.
    """
    new, known = STYLES.index(style), STYLES.index(material)
    conditions = cast(nn.Linear, net.mapping[0]).weight
    conditions[:, new] = conditions[:, known]
    allowed = cast(Tensor, net.allowed)
    wanted = allowed[known] * (1 + GATE_STEP * net.gates[known])
    may = allowed[new] > 0
    net.gates[new, may] = (wanted[may] / allowed[new, may] - 1) / GATE_STEP
    into, out_of = FREE.index(style), FREE.index(SCENERY_FROM)
    for layer in (cast(nn.Linear, net.behind.mapping[0]), net.behind.first):
        layer.weight[:, into] = layer.weight[:, out_of]
