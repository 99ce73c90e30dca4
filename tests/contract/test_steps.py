"""Options of steps: what is refused, in which words, and what follows from those that are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopimg.contract import (
    CLEAN,
    Network,
    Recipe,
    RecipeError,
    Restore,
    Role,
    Upscale,
    WeightName,
)

DIGEST = "0123456789abcdef" * 4
NETWORK = Network("a.safetensors", DIGEST)
SHIPPED = (
    "upscale_x2_s",
    "upscale_x3_s",
    "upscale_x4_s",
    "upscale_x2_s_photo",
    "upscale_x4_s_photo",
    "upscale_x2_m",
    "upscale_x2_m_photo",
    "restore_s",
    "estimate_s",
    "espcn_x2",
    "vdsr_x2",
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "upscale needs either scale or to."),
        ({"scale": 2, "to": 100}, "upscale needs either scale or to."),
        ({"scale": 1}, "upscale.scale must be 2, 3 or 4, not 1."),
        ({"scale": 5}, "upscale.scale must be 2, 3 or 4, not 5."),
        ({"scale": 2.0}, "upscale.scale must be 2, 3 or 4, not 2.0."),
        ({"scale": "3"}, "upscale.scale must be 2, 3 or 4, not '3'."),
        ({"scale": True}, "upscale.scale must be 2, 3 or 4, not True."),
        ({"to": 15}, "upscale.to must be 16 to 12000 pixels, not 15."),
        ({"to": 12_001}, "upscale.to must be 16 to 12000 pixels, not 12001."),
        ({"to": 100.5}, "upscale.to must be 16 to 12000 pixels, not 100.5."),
        (
            {"scale": 2, "flavour": "sharp"},
            "upscale.flavour must be auto, photo or faithful, not 'sharp'.",
        ),
        ({"scale": 2, "flavour": []}, "upscale.flavour must be auto, photo or faithful, not []."),
        ({"scale": 2, "strength": -0.1}, "upscale.strength must be between 0 and 1, not -0.1."),
        ({"scale": 2, "strength": 1.1}, "upscale.strength must be between 0 and 1, not 1.1."),
        ({"scale": 2, "strength": "1"}, "upscale.strength must be between 0 and 1, not '1'."),
        (
            {"scale": 2, "strength": float("nan")},
            "upscale.strength must be between 0 and 1, not nan.",
        ),
    ],
)
def test_upscale__says_what_is_wrong(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Upscale(**options)
    assert caught.value.public_message == message


@pytest.mark.parametrize(
    ("network", "sha256", "message"),
    [
        ("a.safetensors", "", "{} needs both network and sha256, or neither."),
        ("", DIGEST, "{} needs both network and sha256, or neither."),
        (
            "../a.safetensors",
            DIGEST,
            "{}.network must be a file name without folders, not '../a.safetensors'.",
        ),
        ("a/b", DIGEST, "{}.network must be a file name without folders, not 'a/b'."),
        ("a\\b", DIGEST, "{}.network must be a file name without folders, not 'a\\\\b'."),
        ("c:b", DIGEST, "{}.network must be a file name without folders, not 'c:b'."),
        ("..", DIGEST, "{}.network must be a file name without folders, not '..'."),
        ("a\0", DIGEST, "{}.network must be a file name without folders, not 'a\\x00'."),
        (7, DIGEST, "{}.network must be a file name without folders, not 7."),
        ("a", "12", "{}.sha256 must be 64 hexadecimal digits in lower case, not '12'."),
        (
            "a",
            "G" * 64,
            "{}.sha256 must be 64 hexadecimal digits in lower case, not '" + "G" * 64 + "'.",
        ),
        (
            "a",
            DIGEST + "\n",
            "{}.sha256 must be 64 hexadecimal digits in lower case, not '" + DIGEST + "\\n'.",
        ),
        ("a", 64, "{}.sha256 must be 64 hexadecimal digits in lower case, not 64."),
    ],
)
@pytest.mark.parametrize(("step", "options"), [(Upscale, {"scale": 2}), (Restore, {})])
def test_network__is_a_pinned_file_name(
    step: type[Upscale] | type[Restore],
    options: dict[str, Any],
    network: Any,
    sha256: Any,
    message: str,
) -> None:
    with pytest.raises(RecipeError) as caught:
        step(**options, network=network, sha256=sha256)
    assert caught.value.public_message == message.format(step.name)


@pytest.mark.parametrize(
    ("network", "known", "message"),
    [
        ("b", {}, "'b' is no registered network (there are none), and a file needs its sha256."),
        (
            "b",
            {"c": NETWORK, "a": NETWORK},
            "'b' is no registered network (known are a, c), and a file needs its sha256.",
        ),
        (
            ["b"],
            {},
            "['b'] is no registered network (there are none), and a file needs its sha256.",
        ),
    ],
)
def test_recipe__refuses_an_unknown_network(
    network: Any, known: dict[str, Network], message: str
) -> None:
    table = {"main": {"steps": [{"step": "upscale", "scale": 2, "network": network}]}}
    with pytest.raises(RecipeError) as caught:
        Recipe.parse("mine", table, known)
    assert caught.value.public_message == (f"Recipe 'mine': main.upscale.network: {message}")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a.safetensors", "needs file and sha256, and nothing else."),
        ({"file": "a.safetensors"}, "needs file and sha256, and nothing else."),
        ({"file": "a", "sha256": DIGEST, "scale": 2}, "needs file and sha256, and nothing else."),
        (
            {"file": "a/b", "sha256": DIGEST},
            ": file must be a file name without folders, not 'a/b'.",
        ),
        ({"file": "", "sha256": DIGEST}, ": file must be a file name without folders, not ''."),
        (
            {"file": "a", "sha256": ""},
            ": sha256 must be 64 hexadecimal digits in lower case, not ''.",
        ),
    ],
)
def test_network__is_registered_with_a_file_and_its_digest(table: Any, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Network.parse("mine", table)
    head = "Network 'mine'" if message.startswith(":") else "Network 'mine' "
    assert caught.value.public_message == head + message


def test_recipe__survives_its_table() -> None:
    table = {
        "main": {
            "steps": [
                {"step": "restore", "strength": 0.5, "network": "r.safetensors", "sha256": DIGEST},
                {"step": "upscale", "to": 2000, "flavour": "faithful", "strength": 0},
            ]
        }
    }
    recipe = Recipe.parse("mine", table)
    assert recipe.roles[0].steps == (
        Restore(0.5, "r.safetensors", DIGEST),
        Upscale(to=2000, flavour="faithful", strength=0),
    )
    assert Recipe.parse("mine", recipe.to_table()) == recipe


@pytest.mark.parametrize("output", [None, 5, "png", [["quality", 5]], {1: 2, "a": 3}])
def test_recipe__refuses_an_output_that_is_no_table(output: object) -> None:
    table = {"main": {"steps": [{"step": "restore"}], "output": output}}
    with pytest.raises(RecipeError, match=r"^Recipe 'mine': main\.output is a table of opt"):
        Recipe.parse("mine", table)


def test_recipe__names_the_option_that_there_is_not() -> None:
    table = {"main": {"steps": [{"step": "upscale", "scale": 2, "sharpness": 1}]}}
    with pytest.raises(
        RecipeError,
        match=r"Recipe 'mine': main.upscale has no sharpness; there are scale, to, flavour",
    ):
        Recipe.parse("mine", table)


def test_clean__restores_and_doubles_in_the_flavour_that_suits() -> None:
    assert CLEAN.roles == (Role("main", (Restore(), Upscale(scale=2, flavour="auto"))),)


# --- sizes ----------------------------------------------------------------------------------

sides = st.integers(16, 12_000)


@given(sides, sides, st.sampled_from(Upscale.SCALES))
def test_result_size__by_a_factor(width: int, height: int, scale: int) -> None:
    assert Upscale(scale=scale).result_size(width, height) == (scale * width, scale * height)


@given(sides, sides, st.integers(16, 12_000))
def test_result_size__to_a_longest_side(width: int, height: int, to: int) -> None:
    step = Upscale(to=to)
    size = step.result_size(width, height)
    if max(width, height) >= to:
        assert size == (width, height)
        return
    assert max(size) == to
    assert abs(size[0] * height - size[1] * width) <= max(width, height) / 2
    assert min(size) >= 1
    assert step.result_size(height, width) == size[::-1]
    assert step.result_size(*size) == size


def test_result_size__of_a_role_counts_every_step() -> None:
    role = Role("main", (Upscale(scale=3), Restore(), Upscale(to=1000)))
    assert role.result_size(100, 50) == (1000, 500)
    assert role.result_size(400, 50) == (1200, 150)


# --- weights --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "names"),
    [
        (Restore(), {"restore_s", "estimate_s"}),
        (Restore(always=True), {"restore_s"}),
        (Restore(0), set()),
        (Restore(1, "a", DIGEST), set()),
        # Whatever the flavour, faithful draws the text.
        (
            Upscale(scale=2, flavour="photo"),
            {"upscale_x2_s_photo", "upscale_x2_m_photo", "upscale_x2_s", "upscale_x2_m"},
        ),
        # The estimator tells which flavour suits.
        (
            Upscale(scale=2),
            {
                "estimate_s",
                "upscale_x2_s_photo",
                "upscale_x2_m_photo",
                "upscale_x2_s",
                "upscale_x2_m",
            },
        ),
        (Upscale(scale=2, flavour="faithful"), {"upscale_x2_s", "upscale_x2_m"}),
        # No photo network ships for x3: faithful takes its place.
        (Upscale(scale=3, flavour="photo"), {"upscale_x3_s"}),
        (
            Upscale(to=2000),
            {
                "estimate_s",
                "upscale_x2_s_photo",
                "upscale_x2_m_photo",
                "upscale_x4_s_photo",
                "upscale_x2_s",
                "upscale_x2_m",
                "upscale_x3_s",
                "upscale_x4_s",
            },
        ),
        (
            Upscale(to=2000, flavour="faithful"),
            {"upscale_x2_s", "upscale_x2_m", "upscale_x3_s", "upscale_x4_s"},
        ),
        (Upscale(scale=2, strength=0), set()),
        # A network from elsewhere has its own scale.
        (
            Upscale(scale=2, network="a", sha256=DIGEST),
            {"upscale_x2_s", "upscale_x2_m", "upscale_x3_s", "upscale_x4_s"},
        ),
        (Upscale(scale=2, strength=0, network="a", sha256=DIGEST), set()),
    ],
)
def test_weights__are_those_that_a_step_may_run(step: Restore | Upscale, names: set[str]) -> None:
    assert step.weights(SHIPPED) == names
    recipe = Recipe("mine", (Role("main", (step,)),))
    assert recipe.weights(iter(SHIPPED)) == names


def test_weights__of_faithful_are_never_replaced() -> None:
    assert Upscale(scale=2, flavour="faithful").weights(["upscale_x2_s_photo"]) == set()


def test_fingerprint__moves_only_with_what_may_run() -> None:
    def fingerprint(recipe: Recipe, changed: str = "") -> str:
        digests = {name: f"new {name}" if name == changed else name for name in SHIPPED}
        return recipe.fingerprint({name: digests[name] for name in recipe.weights(digests)})

    moves = {name for name in SHIPPED if fingerprint(CLEAN, name) != fingerprint(CLEAN)}
    upscalers = {"upscale_x2_s", "upscale_x2_m"}
    assert moves == {
        "restore_s",
        "estimate_s",
        *upscalers,
        *(f"{name}_photo" for name in upscalers),
    }


@pytest.mark.parametrize(
    "name", ["espcn_x2", "vdsr_x2", "upscale", "upscale_x2", "upscale_x1_s", "Upscale_x2_s", ""]
)
def test_weight_name__of_no_step(name: str) -> None:
    assert WeightName.parse(name) is None


def test_weight_name__has_parts() -> None:
    assert WeightName.parse("upscale_x3_m_photo") == WeightName("upscale", 3, "m", "photo")
    assert WeightName.parse("restore_s") == WeightName("restore", 1, "s", "faithful")
