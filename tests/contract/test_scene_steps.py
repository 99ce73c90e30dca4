"""The steps that cut the product out and set it elsewhere: options, limits, sizes, weights."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shopimg.contract import Backdrop, Cutout, Frame, Recipe, RecipeError, Restore, Role, Upscale

DIGEST = "ab" * 32
SHIPPED = (
    *("restore_s", "cutout_s", "backdrop_s", "backdrop_s_brand", "upscale_x2_s"),
    *("upscale_x4_s", "upscale_x4_m", "upscale_x4_s_photo"),
)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (Cutout, {"engine": "../u2net"}, "cutout.engine must be a file name without folders"),
        (Cutout, {"mask": "abc"}, "cutout.mask must be 64 hexadecimal digits"),
        (Frame, {"width": 63, "height": 100}, "frame.width must be an integer from 64 to 8000"),
        (Frame, {"width": 100}, "frame.height must be an integer from 64 to 8000, not 0."),
        (Frame, {"width": 100.0, "height": 100}, "frame.width must be an integer"),
        (Frame, {"fill": 1.01}, "frame.fill must be between 0.1 and 1, not 1.01."),
        (Frame, {"fill": True}, "frame.fill must be between 0.1 and 1, not True."),
        (Frame, {"padding": 0.5}, "frame.padding must be between 0 and 0.45, not 0.5."),
        (Frame, {"margins": [0.1, 0.1]}, "frame.margins must be four shares: top, right, bottom"),
        (Frame, {"margins": 0.1}, "frame.margins must be four shares"),
        (Frame, {"margins": [-0.1, 0, 0, 0]}, "frame.margins must be between 0 and 0.9, not -0.1."),
        (Frame, {"margins": [0.5, 0, 0.5, 0]}, "frame.margins must leave a tenth between them"),
        (Frame, {"ratio": "4x5"}, "frame.ratio must be width to height such as 4:5, not '4x5'."),
        (Frame, {"ratio": "0:5"}, "frame.ratio must be width to height such as 4:5, not '0:5'."),
        (Frame, {"ratio": 0.8}, "frame.ratio must be width to height such as 4:5, not 0.8."),
        (
            Frame,
            {"ratio": "4:5", "width": 400, "height": 500},
            "frame needs either ratio or width and height.",
        ),
        (Frame, {"align": "left"}, "frame.align must be one of centre, bottom, not 'left'."),
        (Backdrop, {"generator": "diffusion"}, "backdrop.generator must be one of gan, colour"),
        (Backdrop, {"style": "beach"}, "backdrop.style must be one of studio_white"),
        (Backdrop, {"further_styles": ["cove", "beach"]}, "backdrop.style must be one of"),
        (Backdrop, {"further_styles": "cove"}, "backdrop.further_styles must be a list of styles"),
        (Backdrop, {"seed": -1}, "backdrop.seed must be an integer from 0 to 2147483647"),
        (Backdrop, {"palette": "#ffffff"}, "backdrop.palette must be a list of colours"),
        (Backdrop, {"palette": ["#FFFFFF"]}, "backdrop.palette must be a colour such as #f4f1ea"),
        (Backdrop, {"palette": ["#ffffff"] * 6}, "backdrop.palette must have at most 5 colours."),
        (Backdrop, {"horizon": 0.1}, "backdrop.horizon must be between 0.2 and 0.95, not 0.1."),
        (Backdrop, {"light_direction": 361}, "backdrop.light_direction must be between 0 and 360"),
        (Backdrop, {"shadow_mode": "deep"}, "backdrop.shadow_mode must be one of none, soft"),
        (Backdrop, {"shadow_opacity": 2}, "backdrop.shadow_opacity must be between 0 and 1"),
        (Backdrop, {"generator": "image"}, "backdrop.image must name the picture to use."),
        (Backdrop, {"image": "a/b.jpg"}, "backdrop.image must be a file name without folders"),
    ],
)
def test_scene_step__names_the_option_that_is_wrong(
    kind: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        kind(**options)
    assert caught.value.public_message.startswith(message)


def test_backdrop__candidates_take_turns_with_the_styles() -> None:
    step = Backdrop(style="marble", further_styles=["cove", "concrete"], seed=4)
    candidates = [step.candidate(number) for number in range(4)]
    assert [one.style for one in candidates] == ["marble", "cove", "concrete", "marble"]
    assert [one.seed for one in candidates] == [4, 5, 6, 7]
    assert all(one.further_styles == () for one in candidates)


def test_backdrop__of_the_shops_own_generator_may_have_any_style() -> None:
    assert Backdrop(generator="shop.backdrops.Sunset", style="beach").style == "beach"


@pytest.mark.parametrize("style", ["a\0b", "\ud800", "a\nb", 101 * "a", 7])
def test_backdrop__style_of_any_generator_is_a_short_text(style: Any) -> None:
    with pytest.raises(RecipeError, match="at most 100 printable characters"):
        Backdrop(generator="shop.backdrops.Sunset", style=style)


def test_backdrop__read_from_json_equals_the_one_written() -> None:
    role = Role("scene", (Cutout(), Backdrop(palette=("#102030", "#ffffff"))), candidates=3)
    recipe = Recipe("r", (role,))
    table = json.loads(json.dumps(recipe.to_table()))
    assert Recipe.parse("r", table) == recipe


def test_frame__has_the_size_asked_for_whatever_comes_in() -> None:
    role = Role("white", (Upscale(scale=2), Frame(width=1600, height=2000)))
    assert role.result_size(500, 400) == (1600, 2000)
    assert Role("kept", (Upscale(scale=2), Frame())).result_size(500, 400) == (1000, 800)


@pytest.mark.parametrize(
    ("ratio", "size"), [("1:1", (500, 500)), ("4:5", (500, 625)), ("16:9", (712, 400))]
)
def test_frame__extends_a_picture_to_a_ratio(ratio: str, size: tuple[int, int]) -> None:
    assert Frame(ratio=ratio).result_size(500, 400) == size


def test_frame__read_from_json_equals_the_one_written() -> None:
    recipe = Recipe("r", (Role("white", (Frame(ratio="4:5", margins=(0.1, 0.2, 0.3, 0.05)),)),))
    assert Recipe.parse("r", json.loads(json.dumps(recipe.to_table()))) == recipe


@pytest.mark.parametrize(
    ("step", "weights"),
    [
        (Cutout(), {"cutout_s"}),
        (Cutout(mask=DIGEST), set()),
        (Cutout(engine="u2netp"), set()),
        (Frame(), set()),
        (Backdrop(), {"backdrop_s", "upscale_x4_s"}),
        (Backdrop(style="brand"), {"backdrop_s_brand", "upscale_x4_s"}),
        (
            Backdrop(style="brand", further_styles=["cove"]),
            {"backdrop_s", "backdrop_s_brand", "upscale_x4_s"},
        ),
        (Backdrop(generator="colour"), set()),
    ],
)
def test_scene_step__tells_which_weights_it_may_run(step: Any, weights: set[str]) -> None:
    assert step.weights(SHIPPED) == weights


def test_role__candidates_differ_in_the_seed_of_the_backdrop_only() -> None:
    role = Role("scene", (Restore(), Cutout(), Backdrop(seed=2**31 - 2)), candidates=3)
    seeds = [role.steps_of(number)[-1].options()["seed"] for number in range(3)]
    assert seeds == [2**31 - 2, 2**31 - 1, 0]
    assert {role.steps_of(number)[:2] for number in range(3)} == {(Restore(), Cutout())}


@pytest.mark.parametrize(
    ("steps", "candidates", "message"),
    [
        ((Cutout(), Backdrop()), 9, "Role 'r': candidates must be an integer from 1 to 8, not 9."),
        ((Cutout(),), 2, "Role 'r': candidates need a backdrop: all would be the same."),
        ((Cutout(), Backdrop(), Frame()), 1, "Role 'r': nothing can follow the backdrop."),
        ((Restore(), Backdrop()), 1, "Role 'r': a backdrop needs a cutout before it."),
    ],
)
def test_role__refuses_what_cannot_be_made(steps: Any, candidates: int, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Role("r", steps, candidates=candidates)
    assert caught.value.public_message == message


def test_recipe__tells_its_masks() -> None:
    other = "cd" * 32
    roles = (Role("a", (Cutout(mask=DIGEST),)), Role("b", (Cutout(mask=other), Frame())))
    assert Recipe("r", roles).masks == {DIGEST, other}
    assert Recipe("r", (Role("a", (Cutout(),)),)).masks == frozenset()
