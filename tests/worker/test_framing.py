"""Where a product lies, where it belongs, and how it gets there."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline.boxes import Box, box_of
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.extension import extend
from enhancer_worker.pipeline.framing import frame_figures, place, product_box
from enhancer_worker.pipeline.steps.frame import frame
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from enhancer_worker.pipeline.transparency import on_white
from shopimg.contract import Cutout, Frame, ProductNotFoundError
from tests.worker.products import block, rgba, texture
from tests.worker.recipe_runs import NO_LIMIT, pixels_of, png, run_one

SIDES = st.integers(64, 3000)
SHARES = st.floats(0, 0.45)
STEPS = st.builds(
    Frame,
    fill=st.floats(0.1, 1),
    padding=SHARES,
    margins=st.one_of(st.just(()), st.tuples(SHARES, SHARES, SHARES, SHARES)),
    align=st.sampled_from(["centre", "bottom"]),
)


def framed(engine: Engine, picture: Picture, **options: Any) -> StepOutcome:
    return frame(picture, Frame(**options), Tools(engine, NO_LIMIT))


# --- geometry -------------------------------------------------------------------------------


@given(st.integers(1, 4000), st.integers(1, 4000), SIDES, SIDES, STEPS)
def test_place__stays_within_the_padding(
    width: int, height: int, across: int, down: int, step: Frame
) -> None:
    box = place((width, height), (across, down), step)
    top, right, bottom, left = (share * min(across, down) for share in step.edges)
    slack = 1.0  # what one pixel at least needs, and halves that centring leaves over
    assert box.left >= left - slack
    assert box.top >= top - slack
    assert box.right <= across - right + slack
    assert box.bottom <= down - bottom + slack
    assert box.left >= 0 <= box.top
    assert box.right <= across
    assert box.bottom <= down


@given(st.integers(1, 4000), st.integers(1, 4000), SIDES, SIDES, STEPS)
def test_place__fills_as_asked_or_as_the_padding_allows(
    width: int, height: int, across: int, down: int, step: Frame
) -> None:
    box = place((width, height), (across, down), step)
    top, right, bottom, left = (share * min(across, down) for share in step.edges)
    filled = box.width >= step.fill * across - 1 or box.height >= step.fill * down - 1
    bounded = box.width >= across - left - right - 1 or box.height >= down - top - bottom - 1
    assert filled or bounded
    assert box.width <= step.fill * across + 1
    assert box.height <= step.fill * down + 1


@given(st.integers(100, 4000), st.integers(100, 4000), SIDES, SIDES, STEPS)
def test_place__keeps_the_shape(
    width: int, height: int, across: int, down: int, step: Frame
) -> None:
    box = place((width, height), (across, down), step)
    # Both sides are rounded to whole pixels, and one has a pixel at least.
    if min(box.width, box.height) > 1:
        assert abs(box.width * height - box.height * width) <= width + height


@given(st.integers(1, 4000), st.integers(1, 4000), SIDES, SIDES, STEPS)
def test_place__aligns(width: int, height: int, across: int, down: int, step: Frame) -> None:
    box = place((width, height), (across, down), step)
    top, right, bottom, left = (share * min(across, down) for share in step.edges)
    slack = 1 + 1e-4
    if box.left:
        assert abs((box.left - left) - (across - right - box.right)) <= slack
    if step.align == "centre" and box.top:
        assert abs((box.top - top) - (down - bottom - box.bottom)) <= slack
    elif box.top:
        assert down - box.bottom == math.ceil(bottom - 1e-6)


def test_product_box__leaves_faint_edges_and_specks_out() -> None:
    alpha = np.zeros((900, 1300), np.uint8)
    alpha[300:601, 200:805] = 255
    alpha[299] = 25
    alpha[20:23, 1200:1203] = 255
    assert product_box(alpha) == Box(200, 300, 805, 601)
    assert box_of(alpha) == Box(0, 20, 1300, 601)


def test_product_box__takes_parts_that_lie_apart() -> None:
    alpha = np.zeros((100, 100), np.uint8)
    alpha[10:30, 10:30] = alpha[70:80, 80:95] = 255
    assert product_box(alpha) == Box(10, 10, 95, 80)


def test_product_box__of_nothing_is_none() -> None:
    assert product_box(np.full((20, 20), 25, np.uint8)) is None
    assert box_of(np.zeros((20, 20), np.uint8)) is None


def test_frame_figures__measure_size_and_place() -> None:
    alpha = np.zeros((100, 200), np.uint8)
    alpha[40:90, 60:120] = 255
    assert frame_figures(alpha, Frame(padding=0.1, align="bottom")) == {
        "frame_fill": 0.5,
        "frame_width": 0.3,
        "frame_height": 0.5,
        "frame_position_error": 10.0,
    }
    moved = frame_figures(alpha, Frame(margins=(0.3, 0.0, 0.0, 0.1)))
    assert moved["frame_position_error"] == 15.0


def test_frame__extends_a_whole_picture_to_a_ratio_on_two_sides(engine: Engine) -> None:
    picture = Picture(texture(60, 40))
    outcome = framed(engine, picture, ratio="1:1", fill=1.0).picture
    assert outcome.pixels.shape == (60, 60, 3)
    np.testing.assert_array_equal(outcome.pixels[10:50], picture.pixels)


# --- the step -------------------------------------------------------------------------------


def test_frame__moves_pixels_that_keep_their_size_without_a_change(engine: Engine) -> None:
    picture = block(200, 200, (20, 30, 120, 190), softness=1.0)
    assert picture.alpha is not None
    box = product_box(picture.alpha)
    assert box is not None
    outcome = framed(engine, picture, fill=box.height / 200)
    moved = outcome.picture.alpha
    assert moved is not None
    assert outcome.details["scale"] == 1.0
    target = Box(*outcome.details["box"])
    assert (target.width, target.height) == (box.width, box.height)
    assert target != box
    shift = (target.top - box.top, target.left - box.left)
    expected = np.roll(rgba(picture), shift, (0, 1))
    visible = moved > 0
    assert np.array_equal(moved, expected[..., 3])
    assert np.array_equal(outcome.picture.pixels[visible], expected[visible][:, :3])


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(40, 90), st.integers(40, 70)),
    st.integers(64, 200),
    st.integers(64, 200),
    STEPS,
)
def test_frame__reaches_size_fill_and_place(
    box: tuple[int, int, int, int], width: int, height: int, step: Frame
) -> None:
    picture = block(100, 80, box)
    step = dataclasses.replace(step, width=width, height=height)
    outcome = frame(picture, step, None)  # type: ignore[arg-type]
    target = Box(*outcome.details["box"])
    assert (outcome.picture.width, outcome.picture.height) == (width, height)
    wanted = max(target.width / width, target.height / height)
    # The resampled edge crosses the threshold within a pixel of where it belongs.
    assert abs(outcome.quality["frame_fill"] - wanted) <= 2 / min(width, height) + 1e-4
    assert outcome.quality["frame_position_error"] <= 2.0


def test_frame__resamples_without_a_fringe(engine: Engine) -> None:
    alpha = np.zeros((80, 80), np.uint8)
    alpha[20:60, 20:60] = 255
    pixels = np.zeros((80, 80, 3), np.uint8)
    pixels[20:60, 20:60] = (250, 120, 40)
    outcome = framed(engine, Picture(pixels, alpha), width=333, height=333)
    opacity = outcome.picture.alpha
    assert opacity is not None
    assert 0 < opacity[opacity > 0].min() < 255
    # By as much of a pixel as is seen.
    away = np.abs(outcome.picture.pixels.astype(int) - (250, 120, 40)) * (opacity / 255)[..., None]
    assert away.max() <= 1


def test_frame__mixes_colours_by_how_much_of_them_is_seen(engine: Engine) -> None:
    # A white product beside its own soft shadow.
    pixels, alpha = np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.uint8)
    alpha[20:80, 20:61], alpha[20:80, 61:80] = 255, 40
    pixels[20:80, 20:61] = 255
    result = framed(engine, Picture(pixels, alpha), width=333, height=333).picture
    assert result.alpha is not None
    # On white nothing is darker than the shadow itself, but for the filter's overshoot.
    seen = on_white(result.pixels, result.alpha)[333 // 2]
    assert seen.min() >= 255 - 40 - 5
    assert seen.min() <= 255 - 40


def test_frame__cuts_off_what_leaves_it(engine: Engine) -> None:
    # A faint veil around the product is no part of its box, and larger than the frame.
    picture = block(100, 100, (40, 40, 60, 60))
    assert picture.alpha is not None
    picture.alpha[picture.alpha == 0] = 10
    outcome = framed(engine, picture, width=64, height=64, fill=0.9)
    alpha = outcome.picture.alpha
    assert alpha is not None
    assert (alpha[[0, 0, -1, -1], [0, -1, 0, -1]] >= 9).all()
    assert abs(outcome.quality["frame_fill"] - 0.9) <= 3 / 64


def test_frame__names_the_edges_that_may_cut_the_product_off(engine: Engine) -> None:
    outcome = framed(engine, block(60, 40, (0, 10, 30, 40)), width=64, height=64)
    assert outcome.details["touches"] == ["left", "bottom"]


def test_frame__without_a_product_is_refused(engine: Engine) -> None:
    with pytest.raises(ProductNotFoundError, match="everything is transparent"):
        framed(engine, block(60, 40, (0, 0, 0, 0)), width=64, height=64)


def test_frame__of_a_whole_picture_continues_its_edges(engine: Engine) -> None:
    pixels = texture(80, 60)
    pixels[:, :40] //= 2
    outcome = framed(engine, Picture(pixels), width=160, height=120, fill=0.5)
    result = outcome.picture
    assert result.alpha is None
    assert outcome.details["extended"]
    assert np.array_equal(result.pixels[30:90, 40:120], pixels)
    # Each side goes on as what is beside it.
    left, right = result.pixels[60, 5].mean(), result.pixels[60, 155].mean()
    assert abs(left - 65) < 12
    assert abs(right - 130) < 12


def test_extend__is_smoother_further_away() -> None:
    result = extend(texture(200, 200), Box(100, 100, 300, 300), (400, 400)).astype(float)
    near, far = result[100:300, 97:100], result[100:300, 2:5]
    assert np.abs(np.diff(near, axis=0)).mean() > 20
    assert np.abs(np.diff(far, axis=0)).mean() < 2


def test_extend__joins_the_picture_without_a_seam() -> None:
    ramp = np.repeat(np.linspace(0, 250, 200).astype(np.uint8)[:, None, None], 3, 2)
    picture = np.broadcast_to(ramp, (200, 150, 3)).copy()
    result = extend(picture, Box(75, 50, 225, 250), (300, 300))
    inside, beside = result[50:250, 75].astype(int), result[50:250, 74].astype(int)
    assert np.abs(inside - beside).max() <= 2


def test_frame__in_a_recipe_frames_an_upload_with_transparency(engine: Engine) -> None:
    upload = png(rgba(block(90, 70, (10, 10, 50, 40))))
    result = run_one(engine, upload, Cutout(), Frame(width=100, height=80, fill=0.8))
    assert pixels_of(result).shape == (80, 100, 4)
    assert result.quality["frame_fill"] == pytest.approx(0.8, abs=0.02)
    assert [step.name for step in result.steps] == ["decode", "cutout", "frame", "encode"]
