"""The product before its backdrop: exact inside, shaded and mirrored around."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.backdrops.protocol import BackdropImage
from enhancer_worker.pipeline.composite import compose
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.harmony import NO_CHANGE, backdrop_gains
from enhancer_worker.pipeline.reflection import Reflection, reflect
from enhancer_worker.pipeline.steps.backdrop import backdrop
from enhancer_worker.pipeline.steps.outcome import Tools
from shopimg.contract import Backdrop, Cutout, Frame, Output, RecipeError, WorkerError
from shopimg.contract.provenance import (
    ALGORITHMICALLY_ENHANCED,
    COMPOSITE_WITH_GENERATED,
    declared_source_type,
)
from tests.worker.products import block, rgba, texture
from tests.worker.recipe_runs import NO_LIMIT, pixels_of, png, run_one

WHITE = Backdrop(generator="colour", shadow_mode="none")


def plain(width: int, height: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


def composed(engine: Engine, product: Picture, **options: Any) -> NDArray[np.uint8]:
    step = Backdrop(generator="colour", **options)
    return backdrop(product, step, Tools(engine, NO_LIMIT)).picture.pixels


def generated(step: Backdrop, width: int, height: int, _tools: Tools) -> BackdropImage:
    """A generator of a shop's own."""
    pixels = plain(width, height, (180, 180, 180))
    pixels[:, :, 0] += np.uint8(step.seed)
    details, weights = {"style": step.style}, {"backdrop_own": "9" * 64}
    return BackdropImage(pixels, details, weights, source_type=COMPOSITE_WITH_GENERATED)


def too_small(_step: Backdrop, width: int, height: int, _tools: Tools) -> BackdropImage:
    return BackdropImage(plain(width - 1, height, (1, 2, 3)))


def around(_step: Backdrop, width: int, height: int, tools: Tools) -> BackdropImage:
    """A generator that paints green around the product, and red over it."""
    assert tools.product is not None
    assert tools.product.alpha is not None
    pixels = plain(width, height, (0, 200, 0))
    pixels[tools.product.alpha == 255] = (200, 0, 0)
    return BackdropImage(pixels, exact=True)


OWN = f"{__name__}.generated"


# --- mixing ---------------------------------------------------------------------------------


def test_compose__mixes_by_the_formula() -> None:
    alpha = np.array([[0, 51, 128, 255]], np.uint8)
    product = Picture(plain(4, 1, (200, 100, 0)), alpha)
    result = compose(product, plain(4, 1, (0, 50, 250)))
    share = alpha[..., None] / 255
    expected = share * (200, 100, 0) + (1 - share) * (0, 50, 250)
    assert np.array_equal(result, np.rint(expected).astype(np.uint8))


def test_compose__multiplies_light_as_light() -> None:
    product = Picture(plain(1, 1, (9, 9, 9)), np.zeros((1, 1), np.uint8))
    half = np.full((1, 1), 0.5, np.float32)
    # 188 is half the light of 255.
    assert compose(product, plain(1, 1, (255, 255, 255)), light=half)[0, 0, 0] == 188
    full = np.ones((1, 1), np.float32)
    every = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    hidden = Picture(every, np.zeros((1, 256), np.uint8))
    assert np.array_equal(compose(hidden, every, light=full), every)


def test_compose__applies_gains_to_the_backdrop_only() -> None:
    product = Picture(plain(2, 1, (90, 90, 90)), np.array([[255, 0]], np.uint8))
    result = compose(product, plain(2, 1, (188, 188, 188)), gains=(1.0, 0.5, 2.0))
    assert result.tolist() == [[[90, 90, 90], [188, 137, 255]]]


def test_compose__never_changes_what_is_opaque() -> None:
    product = block(700, 600, (100, 100, 600, 500), softness=2.0)
    assert product.alpha is not None
    light = np.random.default_rng(1).uniform(0, 1, (40, 50)).astype(np.float32)
    step = Backdrop(reflection=0.8)
    result = compose(
        product,
        texture(700, 600),
        light=light,
        gains=(0.9, 1.0, 1.04),
        reflection=reflect(product, step),
    )
    opaque = product.alpha == 255
    assert opaque.sum() > 100_000
    assert np.array_equal(result[opaque], product.pixels[opaque])


# --- reflection -----------------------------------------------------------------------------


def test_reflection__mirrors_the_product_below_its_foot() -> None:
    pixels = plain(100, 200, (0, 0, 0))
    pixels[:90], pixels[90:] = (200, 0, 0), (0, 0, 200)
    product = Picture(pixels, block(100, 200, (30, 40, 70, 120)).alpha)
    found = reflect(product, Backdrop(reflection=0.5))
    assert found is not None
    row = 122 - found.rows.start
    assert found.share[row, 50] == pytest.approx(0.5, abs=0.1)
    assert np.abs(found.pixels[row, 50].astype(int) - (0, 0, 200)).max() < 12
    assert found.share[row, 10] == 0
    fading = found.share[row:, 50]
    assert (np.diff(fading) <= 1e-6).all()
    assert fading[-1] < 0.01


def test_reflection__is_seen_on_white(engine: Engine) -> None:
    product = block(120, 120, (40, 20, 80, 80))
    without = composed(engine, product, shadow_mode="none")
    mirrored = composed(engine, product, shadow_mode="none", reflection=0.4)
    assert (without[82:90, 50:70] == 255).all()
    assert mirrored[82:90, 50:70].mean() < 240
    assert (mirrored[:20] == 255).all()


def test_reflection__of_a_white_product_is_white() -> None:
    product = block(120, 120, (40, 20, 80, 80))
    assert product.alpha is not None
    product.pixels[:] = np.where(product.alpha[..., None] > 0, 255, 0)
    found = reflect(product, Backdrop(reflection=0.5))
    assert found is not None
    seen = found.pixels[found.share > 0.02]
    assert len(seen) > 500
    assert seen.min() >= 253


def test_reflection__needs_room_and_a_product() -> None:
    step = Backdrop(reflection=0.4)
    assert reflect(block(60, 60, (20, 20, 40, 60)), step) is None
    assert reflect(block(60, 60, (0, 0, 0, 0)), step) is None
    assert reflect(block(60, 60, (20, 20, 40, 40)), Backdrop()) is None


# --- the product's light --------------------------------------------------------------------


def test_harmony__follows_a_warm_light_by_half_and_within_bounds() -> None:
    alpha = np.full((50, 50), 255, np.uint8)
    red, green, blue = backdrop_gains(Picture(plain(50, 50, (226, 220, 210)), alpha))
    assert 1 < red / green < 1.06
    assert 0.9 < blue / green < 1
    assert backdrop_gains(Picture(plain(50, 50, (220, 220, 220)), alpha))[0] == pytest.approx(
        backdrop_gains(Picture(plain(50, 50, (220, 220, 220)), alpha))[2]
    )


def test_harmony__is_darker_for_a_dim_product() -> None:
    alpha = np.full((50, 50), 255, np.uint8)
    dim, bright = (backdrop_gains(Picture(plain(50, 50, (v, v, v)), alpha))[1] for v in (140, 250))
    assert 0.88 <= dim < 0.95 < 1 < bright <= 1.04


def test_harmony__does_not_take_a_colour_for_a_light() -> None:
    alpha = np.full((50, 50), 255, np.uint8)
    assert backdrop_gains(Picture(plain(50, 50, (200, 40, 40)), alpha)) == NO_CHANGE
    assert backdrop_gains(Picture(plain(50, 50, (20, 20, 20)), alpha)) == NO_CHANGE
    assert backdrop_gains(block(50, 50, (0, 0, 0, 0))) == NO_CHANGE


# --- the step -------------------------------------------------------------------------------


def test_backdrop__of_one_colour_has_that_colour(engine: Engine) -> None:
    product = block(90, 80, (30, 20, 60, 60))
    assert product.alpha is not None
    result = composed(engine, product, colour="#c8102e", shadow_mode="none")
    assert (result[product.alpha == 0] == (200, 16, 46)).all()


def test_backdrop__draws_a_shadow_outside_the_product_only(engine: Engine) -> None:
    product = block(200, 200, (70, 40, 130, 150))
    assert product.alpha is not None
    result = composed(engine, product, colour="#dddddd", light_direction=270)
    assert np.array_equal(result[product.alpha == 255], product.pixels[product.alpha == 255])
    assert result[151:156, 80:120].mean() < 208
    assert (result[:20] == 221).all()


def test_backdrop__shows_its_generator_the_framed_product(engine: Engine) -> None:
    product = block(60, 40, (20, 10, 40, 30))
    step = Backdrop(generator=f"{__name__}.around", shadow_mode="none")
    made = backdrop(product, step, Tools(engine, NO_LIMIT)).picture.pixels
    inside = np.zeros((40, 60), bool)
    inside[10:30, 20:40] = True
    assert np.array_equal(made[inside], product.pixels[inside])
    assert (made[~inside] == (0, 200, 0)).all()


def test_backdrop__fits_what_is_not_exact_to_the_light(engine: Engine) -> None:
    alpha = block(60, 60, (20, 20, 40, 40)).alpha
    warm = Picture(plain(60, 60, (226, 220, 200)), alpha)
    step = Backdrop(generator=OWN, shadow_mode="none")
    outcome = backdrop(warm, step, Tools(engine, NO_LIMIT))
    red, _green, blue = outcome.picture.pixels[0, 0].tolist()
    assert red > blue
    assert outcome.details["gains"][0] > outcome.details["gains"][2]
    assert composed(engine, warm, colour="#b4b4b4", shadow_mode="none")[0, 0].tolist() == [180] * 3


def test_backdrop__reports_what_its_generator_says(engine: Engine) -> None:
    step = Backdrop(generator=OWN, seed=7, reflection=0.2)
    outcome = backdrop(block(90, 80, (30, 20, 60, 60)), step, Tools(engine, NO_LIMIT))
    assert outcome.weights == {"backdrop_own": "9" * 64}
    assert outcome.composed == COMPOSITE_WITH_GENERATED
    assert outcome.picture.alpha is None
    assert {k: outcome.details[k] for k in ("generator", "seed", "shadow", "style")} == {
        "generator": OWN, "seed": 7, "shadow": "soft", "style": "studio_gradient"
    }  # fmt: skip
    assert outcome.details["reflection"] == 0.2


def test_backdrop__of_a_wrong_size_is_an_error_of_the_worker(engine: Engine) -> None:
    step = Backdrop(generator=f"{__name__}.too_small")
    with pytest.raises(WorkerError, match=r"too_small made uint8 \(80, 89, 3\)"):
        backdrop(block(90, 80, (30, 20, 60, 60)), step, Tools(engine, NO_LIMIT))


def test_backdrop__needs_a_product_that_was_cut_out(engine: Engine) -> None:
    with pytest.raises(RecipeError, match="cut out"):
        backdrop(Picture(texture(20, 20)), WHITE, Tools(engine, NO_LIMIT))


def test_backdrop__gives_equal_bytes_for_equal_seeds_and_others_for_others(engine: Engine) -> None:
    upload = png(rgba(block(90, 80, (30, 20, 60, 60), softness=1.0)))
    steps = (Cutout(), Frame(width=120, height=120), Backdrop(generator=OWN, seed=4))
    first, again = (run_one(engine, upload, *steps) for _ in range(2))
    other = run_one(engine, upload, *steps[:2], dataclasses.replace(steps[2], seed=5))
    assert first.content == again.content
    assert first.content != other.content


def test_backdrop__is_told_by_the_file(engine: Engine) -> None:
    upload = png(rgba(block(90, 80, (30, 20, 60, 60), softness=1.0)))
    steps = (Cutout(), Frame(width=120, height=120))
    jpeg = Output("jpeg")
    scene = run_one(engine, upload, *steps, Backdrop(generator=OWN), output=jpeg)
    assert scene.mime_type == "image/jpeg"
    assert declared_source_type(scene.content) == COMPOSITE_WITH_GENERATED
    assert scene.weights == {"backdrop_own": "9" * 64}
    white = run_one(engine, upload, *steps, WHITE, output=jpeg)
    assert declared_source_type(white.content) == ALGORITHMICALLY_ENHANCED
    assert pixels_of(white).shape == (120, 120, 3)
    names = ["decode", "cutout", "frame", "backdrop", "encode", "locks"]
    assert [step.name for step in white.steps] == names


def test_reflection__replaces_the_light_of_the_surface() -> None:
    hidden = Picture(plain(4, 4, (0, 0, 0)), np.zeros((4, 4), np.uint8))
    grey, half = plain(4, 4, (100, 100, 100)), np.full((2, 4), 0.5, np.float32)
    mirrored = Reflection(slice(1, 3), grey[1:3], half)
    assert np.array_equal(compose(hidden, grey, reflection=mirrored), grey)
