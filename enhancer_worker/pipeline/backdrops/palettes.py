"""Completes what a recipe says of colours by those that suit the style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from enhancer_worker.nets.backdrop_conditions import SEAMLESS, Colour, Palette
from enhancer_worker.pipeline.backdrops.colour import rgb
from shopimg.contract.steps.scene import BRAND

_STREAM = 5
_WOODS = ("b98e62 d9d5cf cfa77a", "8a6243 c9c5bf a87f5c", "cdb491 e2dfda e0cba9")
PALETTES: Mapping[str, Sequence[str]] = {
    "studio_white": ("f7f7f6 f1f1f0 f5f5f4",),
    "studio_gradient": (
        "9aa3ab 8d969f a5adb5",
        "c9beb2 bdb1a4 d1c6bb",
        "a9b7b0 9aaaa2 b3c0b9",
        "6f7885 626b78 7b8491",
        "c7a9a2 bb9b94 cfb3ad",
    ),
    "cove": (
        "d9d4cd d0cac2 d4cec7",
        "b9c4c9 aebac0 b2bec4",
        "d8c0b4 cfb4a7 d2b9ac",
        "a8b5a2 9daa96 a1af9b",
        "8f95a3 848a99 888e9d",
    ),
    "wood_table": (
        *_WOODS,
        "6b4a36 bdb8b1 855f47",
        "a9998b dcd9d5 c4b5a8",
    ),
    "marble": (
        "ebe9e6 cfccc8 c9c7c6",
        "efe9e1 d8d2ca dccfbd",
        "4a4a4c b9b7b4 77767a",
        "cbcacb d5d3d2 dededf",
    ),
    "concrete": (
        "a3a2a0 a9a8a6 b4b3b1",
        "8b8b8a 949493 9b9b9a",
        "b7b3ad c9c5bf c5c1bb",
    ),
    "fabric": (
        "c9beb0 d2c8bb b5a998",
        "a7adb3 b2b8be 93999f",
        "b8aaa6 cfc6c3 a39490",
        "8c9488 b9beb5 788074",
    ),
    "interior_bokeh": (
        "a97d54 9d948a c09468",
        "8a6243 a39a90 a87f5c",
        "cdb491 aaa39b e0cba9",
    ),
    "outdoor_bokeh": (
        "a97d54 8d9a78 c09468",
        "a9998b 93a0a0 c4b5a8",
        "8a6243 9aa17f a87f5c",
    ),
    BRAND: ("c9c5bf bdb8b1 b5afa7",),  # where its training measured none
}
"""Surface, what is behind it, accent, as such pictures measure; of a shop's own style, neutral."""
_DARKER = 0.8


def complete_palette(style: str, known: Sequence[str], given: Sequence[str], seed: int) -> Palette:
    """Three colours.

    Args:
        style: a key of ``PALETTES``.
        known: palettes of the style, as there.
        given: none to five colours ``#rrggbb``: surface, behind it, accent; more are left out. One
            alone colours a seamless backdrop as a whole.
        seed: chooses among the known ones.
    """
    chosen = int(np.random.default_rng((seed, _STREAM)).integers(len(known)))
    surface, behind, accent = (rgb(text) for text in known[chosen].split())
    own = [rgb(text) for text in given]
    if not own:
        return surface, behind, accent
    if style in SEAMLESS:
        behind = own[0]
    third = own[2] if len(own) > 2 else _darker(own[0])
    return own[0], own[1] if len(own) > 1 else behind, third


def _darker(colour: Colour) -> Colour:
    red, green, blue = (round(level * _DARKER) for level in colour)
    return red, green, blue
