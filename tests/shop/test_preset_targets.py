"""Recipes that aim at a marketplace: what they do, and what they are refused."""

from __future__ import annotations

import ast
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from shopimg import recipes
from shopimg.contract import BUILT_IN, CATALOGUE, CLEAN, SCENE, WHITE, Output, Recipe, RecipeError
from shopimg.measuring import measure
from shopimg.presets.checking import Subject
from shopimg.presets.markets import (
    AMAZON,
    EBAY,
    ETSY,
    GOOGLE,
    PRESETS,
    SHOPIFY,
    WALMART,
)
from shopimg.presets.operations import operations_done, operations_of
from shopimg.presets.rules import Operation, Preset
from shopimg.presets.target import target
from tests.shop.pictures import encoded, product
from tests.shop.preset_cases import FIRST_NEW, TODAY, not_passed

DOCS = Path(__file__).resolve().parents[2] / "docs"
KEEPING_SIZE = Recipe.parse(
    "own",
    {
        "main": {
            "steps": [
                {"step": "restore"},
                {"step": "cutout"},
                {"step": "backdrop", "generator": "colour", "shadow_mode": "none"},
            ]
        }
    },
)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"name": "upscale", "scale": 2}, {Operation.ENLARGEMENT}),
        ({"name": "upscale", "to": 900, "skipped": "already as large"}, set()),
        ({"name": "restore", "strength": 1.0}, set()),
        ({"name": "frame", "scale": 0.9}, set()),
        ({"name": "frame", "scale": 1.1}, {Operation.ENLARGEMENT}),
        ({"name": "backdrop", "generator": "colour"}, set()),
        ({"name": "backdrop", "generator": "image"}, set()),
        ({"name": "backdrop", "generator": "gan"}, {Operation.GENERATED_BACKDROP}),
        ({"name": "backdrop", "generator": "shop.own.Service"}, {Operation.GENERATED_BACKDROP}),
        ({"name": "backdrop"}, {Operation.GENERATED_BACKDROP}),
    ],
)
def test_operations_done__reads_the_provenance(
    operation: dict[str, object], expected: set[Operation]
) -> None:
    assert operations_done({"operations": [{"name": "decode"}, operation]}) == expected


def test_operations_of__built_in_recipes() -> None:
    assert operations_done({}) == set()
    by_role = {role.name: operations_of(role) for role in CATALOGUE.roles}
    scene = {Operation.ENLARGEMENT, Operation.GENERATED_BACKDROP}
    assert by_role == {
        "main": {Operation.ENLARGEMENT},
        "white": {Operation.ENLARGEMENT},
        "scene": scene,
    }
    assert operations_of(KEEPING_SIZE.roles[0]) == set()


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
@pytest.mark.parametrize("day", [TODAY, FIRST_NEW + timedelta(days=365)])
def test_target__result_keeps_the_rules(preset: Preset, day: date) -> None:
    """Draw what the target says, and hold it against the rules: nothing but the count is left."""
    (role,) = target(KEEPING_SIZE, preset).roles
    width, height = role.result_size(2400, 2400)
    fill = preset.target.fill
    edge = (1 - fill) / 2
    box = tuple(round(side * share) for share in (edge, 1 - edge) for side in (width, height))
    picture = encoded(
        product((width, height), box), role.output.format, quality=role.output.quality
    )
    bad = not_passed(Subject(measure(picture), operations_of(role)), preset, day)
    assert {rule for rule in bad if rule != "images"} == set()


def test_target__sets_frame_background_and_file() -> None:
    (role,) = target(KEEPING_SIZE, AMAZON).roles
    assert [step.name for step in role.steps] == ["restore", "cutout", "frame", "backdrop"]
    frame, backdrop = role.steps[2:]
    assert (frame.width, frame.height, frame.fill) == (2000, 2000, 0.88)
    assert (backdrop.colour, backdrop.shadow_mode) == ("#ffffff", "none")
    assert role.output == Output("jpeg", 95)
    assert target(WHITE, WALMART).roles[0].result_size(400, 300) == (2200, 2200)


def test_recipes__colour_is_the_shops_own_where_the_market_leaves_it() -> None:
    steps = [{"step": "cutout"}, {"step": "backdrop", "generator": "colour", "colour": "#eeeeee"}]
    found = _parse({"preset": "ebay", "steps": steps})
    assert found.roles[0].steps[-1].options()["colour"] == "#eeeeee"
    with pytest.raises(RecipeError, match=r"leave out backdrop.colour"):
        _parse({"preset": "walmart", "steps": steps})


def test_target__scales_nothing_where_the_market_refuses_enlargement() -> None:
    (role,) = target(KEEPING_SIZE, GOOGLE).roles
    assert role.steps == KEEPING_SIZE.roles[0].steps
    framed = _parse({"preset": "google", "steps": [{"step": "frame", "fill": 0.8}]})
    assert framed.roles[0].steps[0].options()["fill"] == 0.8


@pytest.mark.parametrize("preset", [EBAY, ETSY, SHOPIFY])
@pytest.mark.parametrize("upload", [(400, 400), (400, 500), (800, 600)])
def test_target__makes_a_picture_that_is_not_cut_out_large_enough(
    preset: Preset, upload: tuple[int, int]
) -> None:
    (role,) = target(CLEAN, preset).roles
    assert [step.name for step in role.steps] == ["restore", "upscale"]
    assert role.output.quality == 95
    size = role.result_size(*upload)
    picture = product(size, (0, 0, *size))
    measured = measure(encoded(picture, role.output.format, quality=role.output.quality))
    bad = not_passed(Subject(measured, operations_of(role)), preset)
    assert set(bad) <= {"square"}  # for which something would have to be cut off or added


def test_recipes__size_is_the_shops_own_where_nothing_is_cut_out() -> None:
    found = _parse({"preset": "etsy", "steps": [{"step": "upscale", "scale": 2}]})
    assert found.roles[0].result_size(400, 300) == (800, 600)


@pytest.mark.parametrize(
    ("recipe", "preset", "words"),
    [
        (SCENE, AMAZON, "Amazon refuses generated backdrops: give the step backdrop"),
        (SCENE, WALMART, "Walmart Marketplace refuses generated backdrops"),
        (WHITE, GOOGLE, "Google Merchant Center refuses enlarged pictures: leave out"),
        (CLEAN, AMAZON, "Role 'main': Amazon wants the background #ffffff. Add the steps cutout"),
    ],
)
def test_target__refuses_what_the_market_forbids(
    recipe: Recipe, preset: Preset, words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        target(recipe, preset)


def _parse(role: object) -> Recipe:
    return recipes.parse("own", {"hero": role}, {})


def test_recipes__role_of_the_settings_aims_at_a_market(settings) -> None:
    steps = [{"step": "cutout"}, {"step": "backdrop", "generator": "colour"}]
    table = {"hero": {"preset": "amazon", "steps": steps}, "main": {"steps": [{"step": "restore"}]}}
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": {"feed": table}}
    found = recipes.get_recipe("feed")
    assert found.roles[0].result_size(400, 300) == (2000, 2000)
    assert found.roles[1].output == Output()
    # A job keeps what the preset has set, and workers know no presets.
    assert Recipe.parse("feed", found.to_table()) == found


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preset": "bol"}, r"own.hero.preset: .*There is no preset 'bol'"),
        ({"preset": 3}, "own.hero.preset: "),
        ({"output": {"quality": 80}}, "own.hero: leave out output, which the preset 'ebay' sets"),
        ({"steps": [{"step": "frame", "fill": 0.5}]}, "own.hero: leave out frame.fill"),
        ({"steps": [{"step": "melt"}]}, "is not one of the steps"),
        ({"steps": "melt"}, "is not one of the steps"),
        ({"steps": []}, "Recipe 'own': role 'hero' is a table with a list of steps, "),
    ],
)
def test_recipes__refuses_a_table_with_a_clear_message(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        _parse({"preset": "ebay", "steps": [{"step": "restore"}]} | changes)


@pytest.mark.parametrize("role", [None, "clean", []])
def test_recipes__refuses_what_is_no_table(role: object) -> None:
    with pytest.raises(RecipeError, match="role 'hero' is a table with a list of steps"):
        _parse(role)


def test_how_to__shows_recipes_that_are_taken() -> None:
    text = (DOCS / "how-to" / "marketplaces.md").read_text()
    tables = re.findall(r"^```python\nSHOPIMG = (.+?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(tables) == 1
    for table in tables:
        for name, recipe in ast.literal_eval(table)["RECIPES"].items():
            assert recipes.parse(name, recipe, {}).name == name


def test_preset__fix_is_a_built_in_recipe_that_can_aim_at_the_market() -> None:
    for preset in PRESETS.values():
        assert target(BUILT_IN[preset.fix], preset).name == preset.fix
