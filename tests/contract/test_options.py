"""Options that callers may choose, and recipes that are always there."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from shopimg.contract import (
    BUILT_IN,
    CATALOGUE,
    CLEAN,
    OPTIONS,
    SCENE,
    WHITE,
    Recipe,
    RecipeError,
    Role,
)
from shopimg.contract.options import with_options
from shopimg.contract.steps import STEP_TYPES, Backdrop, Cutout, Frame
from shopimg.contract.steps.scene import STYLES

DIGEST = "ab" * 32


def _steps(recipe: Any, role: str, kind: Any) -> Any:
    (found,) = (role_ for role_ in recipe.roles if role_.name == role)
    (step,) = (step for step in found.steps if isinstance(step, kind))
    return step


def test_built_in__recipes_share_what_they_have_in_common() -> None:
    assert list(BUILT_IN) == ["clean", "white", "scene", "catalogue", "feed"]
    main, white, scene = CATALOGUE.roles
    assert (main.name, white.name, scene.name, scene.candidates) == ("main", "white", "scene", 3)
    assert white.steps[:3] == scene.steps[:3]
    assert main.steps == white.steps[:2]


@pytest.mark.parametrize(
    ("name", "value", "kind", "field", "expected"),
    [
        ("background.style", "marble", Backdrop, "style", "marble"),
        ("background.palette", ["#102030"], Backdrop, "palette", ("#102030",)),
        ("background.seed", 7, Backdrop, "seed", 7),
        ("background.horizon", 0.5, Backdrop, "horizon", 0.5),
        ("light.direction", 90, Backdrop, "light_direction", 90),
        ("light.size", 0.1, Backdrop, "light_size", 0.1),
        ("shadow.mode", "hard", Backdrop, "shadow_mode", "hard"),
        ("shadow.opacity", 0.3, Backdrop, "shadow_opacity", 0.3),
        ("padding", 0.2, Frame, "padding", 0.2),
        ("output_size", 1200, Frame, "height", 1200),
        ("output_size", "1600x2000", Frame, "width", 1600),
        ("mask", DIGEST, Cutout, "mask", DIGEST),
    ],
)
def test_with_options__sets_the_field_of_the_step(
    name: str, value: Any, kind: Any, field: str, expected: Any
) -> None:
    changed = with_options(SCENE, {name: value})
    assert getattr(_steps(changed, "scene", kind), field) == expected
    assert changed.name == "scene"


def test_options__are_all_tried_above() -> None:
    assert set(OPTIONS) == {
        *("background.style", "background.palette", "background.colour", "background.seed"),
        *("background.horizon", "light.direction", "light.size", "shadow.mode"),
        *("shadow.opacity", "padding", "output_size", "mask"),
    }


def test_with_options__leaves_the_white_backdrop_alone() -> None:
    changed = with_options(CATALOGUE, {"background.style": "marble", "shadow.mode": "hard"})
    assert _steps(changed, "white", Backdrop) == _steps(WHITE, "white", Backdrop)
    scene = _steps(changed, "scene", Backdrop)
    assert {scene.candidate(number).style for number in range(3)} == {"marble"}


def test_with_options__casts_the_shadow_of_a_recipe_that_has_no_scenes() -> None:
    changed = with_options(WHITE, {"shadow.mode": "soft", "shadow.opacity": 0.2})
    backdrop = _steps(changed, "white", Backdrop)
    assert (backdrop.shadow_mode, backdrop.shadow_opacity) == ("soft", 0.2)
    assert not backdrop.is_white
    assert _steps(WHITE, "white", Backdrop).is_white


def test_with_options__take_the_place_of_what_the_recipe_says_otherwise() -> None:
    frame = Frame(ratio="4:5", margins=(0.1, 0.1, 0.3, 0.1))
    recipe = Recipe("own", (Role("white", (Cutout(), frame)),))
    padded = _steps(with_options(recipe, {"padding": 0.2}), "white", Frame)
    assert padded == Frame(ratio="4:5", padding=0.2)
    sized = _steps(with_options(recipe, {"output_size": "800x600"}), "white", Frame)
    assert sized == Frame(width=800, height=600, margins=(0.1, 0.1, 0.3, 0.1))


def test_with_options__colours_the_plain_backdrop_only() -> None:
    changed = with_options(CATALOGUE, {"background.colour": "#f0f0f0"})
    assert _steps(changed, "white", Backdrop).colour == "#f0f0f0"
    assert _steps(changed, "scene", Backdrop) == _steps(SCENE, "scene", Backdrop)


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (CLEAN, {"padding": 0.1}, "The recipe 'clean' has no option 'padding'."),
        (SCENE, {"generator": "x.y"}, "There is no option 'generator'. Known: background.style"),
        (SCENE, {"background.generator": "x.y"}, "There is no option 'background.generator'."),
        (SCENE, {"background.seed": "7"}, "backdrop.seed must be an integer from 0 to"),
        (SCENE, {"output_size": "big"}, "output_size must be pixels such as 2000 or 1600x2000"),
        (SCENE, {"output_size": 12.5}, "output_size must be pixels such as 2000 or 1600x2000"),
        (SCENE, {"output_size": "20x2000"}, "frame.width must be an integer from 64 to 8000"),
        (WHITE, {"background.style": "marble"}, "The recipe 'white' has no option"),
    ],
)
def test_with_options__refuses_what_the_recipe_cannot_take(
    recipe: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        with_options(recipe, options)
    assert caught.value.public_message.startswith(message)


def test_documents__name_every_recipe_step_and_option() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "recipes.md").read_text()
    words = {*BUILT_IN, *STEP_TYPES, *OPTIONS, *STYLES} - {"mask"}
    words |= {field.name for step in STEP_TYPES.values() for field in dataclasses.fields(step)}
    assert {word for word in words if f"`{word}`" not in page} == set()
