"""The options of a recipe that a client may choose, by the names of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from shopimg.contract.errors import RecipeError
from shopimg.contract.recipe import Recipe
from shopimg.contract.steps.scene import (
    BRAND,
    LARGEST_SEED,
    MOST_PALETTE_COLOURS,
    SHADOW_MODES,
    STYLES,
)
from shopimg.recipes import with_options

_LONGEST_TEXT = 100
_COLOUR = {"type": "string", "pattern": "^#[0-9a-f]{6}$"}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "background.style": {"type": "string", "description": ", ".join((*STYLES, BRAND))},
    "background.palette": {"type": "array", "items": _COLOUR, "maxItems": MOST_PALETTE_COLOURS},
    "background.colour": {**_COLOUR, "description": "Of a backdrop of one colour."},
    "background.seed": {"type": "integer", "minimum": 0, "maximum": LARGEST_SEED},
    "background.horizon": {"type": "number", "minimum": 0.2, "maximum": 0.95},
    "light.direction": {
        "type": "number",
        "minimum": 0,
        "maximum": 360,
        "description": "Degrees clockwise from behind the product: 90 is from the right.",
    },
    "light.size": {**_SHARE, "description": "0 for hard edges, 1 for soft ones."},
    "shadow.mode": {"type": "string", "enum": list(SHADOW_MODES)},
    "shadow.opacity": _SHARE,
    "padding": {"type": "number", "minimum": 0, "maximum": 0.45},
    "output_size": {
        "oneOf": [{"type": "integer"}, {"type": "string"}],
        "description": "Pixels: `2000`, or `1600x2000`.",
    },
}
"""Every option but the mask, which has an address of its own."""


@extend_schema_field({"type": "object", "properties": dict(SCHEMAS), "additionalProperties": False})
class OptionsField(serializers.DictField):
    """Options by name; what a value may be depends on the recipe, which ``check`` asks."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return options that have a name and a value that could be one.

        Raises:
            ValidationError: naming the option.
        """
        options: dict[str, Any] = super().to_internal_value(data)
        no_option = f"There is no such option. Known: {', '.join(SCHEMAS)}."
        unknown = dict.fromkeys(options.keys() - SCHEMAS, no_option)
        odd = {name: "This is no value." for name in options if not _may_be_one(options[name])}
        if problems := odd | unknown:
            raise serializers.ValidationError(problems)
        return options


def check(recipe: Recipe, options: Mapping[str, Any]) -> None:
    """Refuse options that a recipe does not have, and values that they cannot have in it.

    Raises:
        ValidationError: naming each option.
    """
    problems = {}
    for name, value in options.items():
        try:
            with_options(recipe, {name: value})
        except RecipeError as err:
            problems[name] = err.public_message
    if problems:
        raise serializers.ValidationError({"options": problems})


def _may_be_one(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(entry, str) and _may_be_one(entry) for entry in value)
    if isinstance(value, str):
        # PostgreSQL has no text with a zero byte in it.
        return len(value) <= _LONGEST_TEXT and "\0" not in value
    return isinstance(value, int | float)
