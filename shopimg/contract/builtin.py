"""The recipes that are always there."""

from __future__ import annotations

from shopimg.contract.recipe import Output, Recipe, Role
from shopimg.contract.steps import Backdrop, Cutout, Frame, Restore, Upscale
from shopimg.contract.steps.scene import PLAIN

_SIDE = 2000
_ENLARGED = (Restore(), Upscale(to=_SIDE))
_WHITE = (
    Frame(width=_SIDE, height=_SIDE, fill=0.88),
    Backdrop(generator=PLAIN, shadow_mode="none"),
)
_AS_LARGE = (
    Restore(),
    Cutout(),
    Backdrop(generator=PLAIN, shadow_mode="none"),
)
_SCENE = (
    Frame(width=_SIDE, height=_SIDE, fill=0.62, padding=0.12, align="bottom"),
    # The seed is one whose three backdrops people liked: the first ones have a muddy room.
    Backdrop(further_styles=("wood_table", "interior_bokeh"), seed=12),
)
# What other files are made of loses nothing. Recipes that aim at a marketplace write the JPEG that
# it asks for.
_MAIN_IMAGE = Output("png")

CLEAN = Recipe("clean", (Role("main", (Restore(), Upscale(scale=2))),))
"""Removes noise and artefacts, then doubles the size: what uploads need."""

WHITE = Recipe("white", (Role("white", (*_ENLARGED, Cutout(), *_WHITE), _MAIN_IMAGE),))
"""The main image of marketplaces: the product alone, large, before pure white."""

SCENE = Recipe("scene", (Role("scene", (*_ENLARGED, Cutout(), *_SCENE), candidates=3),))
"""The product with its shadow on generated backdrops of three styles, to choose from."""

CATALOGUE = Recipe(
    "catalogue",
    (Role("main", _ENLARGED), *WHITE.roles, *SCENE.roles),
)
"""All three; what they have in common is done once."""

FEED = Recipe("feed", (Role("feed", _AS_LARGE, _MAIN_IMAGE),))
"""The product alone before pure white, no larger than it was photographed: for marketplaces that
refuse what was enlarged."""

BUILT_IN = {recipe.name: recipe for recipe in (CLEAN, WHITE, SCENE, CATALOGUE, FEED)}
"""By name."""
