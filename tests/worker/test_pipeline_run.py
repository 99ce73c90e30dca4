"""Recipes from upload to results, through small networks."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline import run as run_module
from enhancer_worker.pipeline.background import Background
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.run import run_recipe
from enhancer_worker.pipeline.step_cache import StepCache
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from enhancer_worker.pipeline.steps.restore import restore
from enhancer_worker.pipeline.steps.upscale import UpscalePlan, plan_upscale
from shopimg.contract import (
    Backdrop,
    Cutout,
    Deadline,
    DeadlineExceededError,
    Frame,
    Output,
    ProductNotFoundError,
    Recipe,
    RecipeError,
    Restore,
    Role,
    SourceTooLargeError,
    Step,
    Upscale,
)
from shopimg.contract.provenance import (
    ALGORITHMICALLY_ENHANCED,
    GENERATED,
    UNKNOWN,
    declared_source_type,
    xmp_packet,
)
from tests.worker.recipe_runs import (
    NO_LIMIT,
    PNG,
    encoded,
    photo,
    pixels_of,
    png,
    recipe_of,
    run_one,
)

# --- restore --------------------------------------------------------------------------------


def test_restore__strength_zero_is_the_identity(engine: Engine) -> None:
    result = run_one(engine, png(photo()), Restore(0))
    assert np.array_equal(pixels_of(result), photo())
    assert result.digital_source_type == UNKNOWN
    assert result.weights == {}
    assert result.steps[1].details["skipped"] == "strength is 0"


def test_restore__strength_blends_towards_the_whole_correction(engine: Engine) -> None:
    def restored(strength: float) -> NDArray[np.float64]:
        outcome = restore(Picture(photo()), Restore(strength), Tools(engine, NO_LIMIT))
        return outcome.picture.pixels.astype(float)

    # Past the step, the colour gate would correct what these random weights do to colours.
    before, half, whole = photo().astype(float), restored(0.5), restored(1.0)
    assert np.abs(whole - before).max() > 10
    inside = (whole > 0) & (whole < 255)
    # Each side is rounded once to whole levels.
    assert np.abs(half - (before + whole) / 2)[inside].max() <= 1.0


# --- upscale --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "size"),
    [
        (Upscale(scale=2), (96, 80)),
        (Upscale(scale=3), (144, 120)),
        (Upscale(scale=4), (192, 160)),
        (Upscale(to=96), (96, 80)),
        (Upscale(to=131), (131, 109)),
        (Upscale(to=300), (300, 250)),
        (Upscale(to=48), (48, 40)),
        (Upscale(to=20), (48, 40)),
    ],
)
def test_upscale__reaches_the_exact_size(
    engine: Engine, step: Upscale, size: tuple[int, int]
) -> None:
    result = run_one(engine, png(photo()), step)
    assert (result.width, result.height) == size
    assert pixels_of(result).shape == (size[1], size[0], 3)


def test_upscale__leaves_a_large_picture_alone(engine: Engine) -> None:
    result = run_one(engine, png(photo()), Upscale(to=48))
    assert np.array_equal(pixels_of(result), photo())
    assert result.digital_source_type == UNKNOWN
    assert result.weights == {}


@pytest.mark.parametrize(
    ("width", "height", "to", "plan"),
    [
        (1000, 500, 1000, UpscalePlan((), 1000, 500)),
        (1000, 500, 1001, UpscalePlan((2,), 1001, 500)),
        (1000, 500, 2000, UpscalePlan((2,), 2000, 1000)),
        (500, 1000, 4000, UpscalePlan((4,), 2000, 4000)),
        (1000, 10, 4001, UpscalePlan((3, 2), 4001, 40)),
        (100, 100, 1600, UpscalePlan((4, 4), 1600, 1600)),
        (100, 100, 12_000, UpscalePlan((4, 4), 12_000, 12_000)),
        # On the way to 2 x 8000 there would be 192 megapixels.
        (8000, 6000, 9000, UpscalePlan((), 9000, 6750)),
        (3000, 3000, 9000, UpscalePlan((3,), 9000, 9000)),
        # So would there be on the way to 3 x 4000, but not to 2 x 4000.
        (4000, 4000, 9000, UpscalePlan((2,), 9000, 9000)),
    ],
)
def test_plan_upscale__takes_the_smallest_factor_that_suffices(
    width: int, height: int, to: int, plan: UpscalePlan
) -> None:
    assert plan_upscale(width, height, Upscale(to=to)) == plan


def test_run_recipe__refuses_too_large_results_before_any_work(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "decode", lambda source: pytest.fail("decoded"))
    content = png(np.zeros((2000, 6100, 3), np.uint8))
    with pytest.raises(SourceTooLargeError, match="12200x4000"):
        run_one(engine, content, Upscale(scale=2))
    with pytest.raises(SourceTooLargeError, match="12000x12000"):
        run_one(engine, png(photo(48, 48)), Upscale(to=12_000))


# --- promises -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        (Restore(),),
        (Upscale(scale=2),),
        (Upscale(scale=3),),
        (Upscale(scale=3, strength=0.5),),
        (Upscale(scale=3, strength=0),),
        (Upscale(to=131),),
    ],
)
def test_white__stays_white(engine: Engine, steps: tuple[Step, ...]) -> None:
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[24:40, 24:40] = photo(16, 16)
    result = pixels_of(run_one(engine, png(pixels), *steps))
    border = int(20 * result.shape[0] / 64)
    outside = np.ones(result.shape[:2], bool)
    outside[border:-border, border:-border] = False
    assert (result[outside] == 255).all()
    assert (result[~outside] != 255).any()


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
def test_white__stays_white_in_every_format(engine: Engine, kind: str) -> None:
    white = png(np.full((64, 64, 3), 255, np.uint8))
    result = run_one(engine, white, Restore(), Upscale(scale=2), output=Output(kind))
    assert (pixels_of(result) == 255).all()


@pytest.mark.parametrize("enlarge", [Upscale(scale=2), Upscale(scale=3), Upscale(to=131)])
def test_grey__stays_neutral(engine: Engine, enlarge: Upscale) -> None:
    grey = photo()[..., 0]
    result = pixels_of(run_one(engine, png(grey), Restore(), enlarge))
    assert (result[..., :1] == result).all()
    colour = pixels_of(run_one(engine, png(photo()), Restore(), enlarge))
    assert (colour[..., :1] != colour).any()


@pytest.mark.parametrize("scale", [2, 3])
def test_alpha__comes_back_without_dark_fringes(engine: Engine, scale: int) -> None:
    y, x = np.mgrid[:64, :64]
    alpha = np.clip((24 - np.hypot(y - 32, x - 32)) * 64 + 128, 0, 255).astype(np.uint8)
    rgba = np.dstack([np.full((64, 64, 3), (230, 200, 180), np.uint8), alpha])
    rgba[alpha == 0] = 0
    flat = np.full((64, 64, 3), (230, 200, 180), np.uint8)
    result = pixels_of(run_one(engine, png(rgba), Restore(), Upscale(scale=scale)))
    expected = pixels_of(run_one(engine, png(flat), Restore(), Upscale(scale=scale)))
    assert result.shape == (64 * scale, 64 * scale, 4)
    visible = result[..., 3] > 0
    # The colours are those of the same picture without any transparency, up to the very edge:
    # three levels from 8-bit premultiplication, a little more after two networks of noise.
    difference = np.abs(result[..., :3].astype(int) - expected)[visible]
    assert difference.max() <= 6
    assert result[32 * scale, 32 * scale, 3] == 255
    assert result[0, 0, 3] == 0


def test_alpha__turns_jpeg_into_webp(engine: Engine) -> None:
    rgba = np.dstack([photo(), np.full((40, 48), 128, np.uint8)])
    result = run_one(engine, png(rgba), Restore(), output=Output("jpeg"))
    assert result.mime_type == "image/webp"
    assert pixels_of(result)[..., 3].tolist() == [[128] * 48] * 40


def test_origin__is_algorithmically_enhanced(engine: Engine) -> None:
    result = run_one(engine, png(photo()), Restore())
    assert result.digital_source_type == ALGORITHMICALLY_ENHANCED
    assert declared_source_type(result.content) == ALGORITHMICALLY_ENHANCED


def test_origin__of_a_generated_upload_stays_generated(engine: Engine) -> None:
    upload = encoded(Image.fromarray(photo()), "WEBP", xmp=xmp_packet(GENERATED))
    result = run_one(engine, upload, Restore())
    assert result.digital_source_type == GENERATED
    assert declared_source_type(result.content) == GENERATED


# --- reports, sharing, failures -------------------------------------------------------------


def test_run_recipe__reports_what_ran(engine: Engine) -> None:
    result = run_one(engine, png(photo()), Restore(0.5), Upscale(scale=2))
    names = [report.name for report in result.steps]
    assert names == ["decode", "restore", "upscale", "colour_gate", "text_guard", "encode"]
    assert all(report.seconds > 0 for report in result.steps)
    assert result.steps[1].details == {
        "strength": 0.5,
        "network": "restore_s",
        "device": "cpu (torch fp32)",
        "tiles": 1,
        "tile_size": [40, 48],
    }
    assert sorted(result.weights) == ["restore_s", "upscale_x2_s_photo"]
    assert all(len(digest) == 64 for digest in result.weights.values())
    # Random weights tint the picture, and the gate takes the tint away again.
    assert result.steps[3].details == {"corrected": True}
    assert result.quality["colour_corrected"] == 1
    assert result.quality["colour_shift_mean_uncorrected"] > 1
    assert result.quality["colour_shift_mean"] < 0.3
    assert result.quality["colour_shift_p95"] < 1


def test_run_recipe__shares_work_between_roles(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    for step_type, function in run_module.STEP_FUNCTIONS.items():

        def counted(picture, step, tools, function=function):  # type: ignore[no-untyped-def]
            ran.append(step.name)
            return function(picture, step, tools)

        monkeypatch.setitem(run_module.STEP_FUNCTIONS, step_type, counted)
    recipe = Recipe(
        "test",
        (
            Role("large", (Restore(), Upscale(scale=2)), PNG),
            Role("small", (Restore(),), PNG),
            Role("feed", (Restore(), Upscale(scale=2)), Output("jpeg")),
            Role("plain", (Upscale(scale=2),), PNG),
        ),
    )
    images = run_recipe(png(photo()), recipe, engine=engine, deadline=NO_LIMIT)
    assert ran == ["restore", "upscale", "upscale"]
    assert [image.role for image in images] == ["large", "small", "feed", "plain"]
    assert [image.width for image in images] == [96, 48, 96, 96]
    seconds = [[report.seconds > 0 for report in image.steps] for image in images]
    assert seconds == [
        [True, True, True, True, True, True],
        [False, False, True, True, True],
        [False, False, False, False, False, True],
        [False, True, True, True, True],
    ]
    alone = run_one(engine, png(photo()), Restore())
    assert alone.content == images[1].content


@pytest.mark.parametrize("overlap", [False, True])
def test_run_recipe__makes_what_needs_no_product_where_there_is_none(
    engine: Engine, tmp_path: Path, overlap: bool
) -> None:
    """An upload of which everything is transparent, so that no network needs to be sure of it."""
    upload = png(np.zeros((40, 48, 4), np.uint8))
    recipe = Recipe(
        "test",
        (
            Role("white", (Restore(), Cutout(), Backdrop(generator="colour")), PNG),
            Role("main", (Restore(),), PNG),
            Role("framed", (Frame(width=64, height=64),), PNG),
            Role("large", (Restore(), Upscale(scale=2)), PNG),
            Role("scene", (Restore(), Cutout(), Backdrop()), PNG, candidates=2),
        ),
    )
    background = Background(overlap=overlap)
    with pytest.raises(ProductNotFoundError) as caught:
        run_recipe(
            upload,
            recipe,
            engine=engine,
            deadline=NO_LIMIT,
            cache=StepCache(tmp_path, 10_000_000),
            background=background,
        )
    background.close()
    assert caught.value.public_message.startswith("No product was found in this photo.")
    assert [image.role for image in caught.value.images] == ["main", "large"]
    assert [pixels_of(image).shape for image in caught.value.images] == [(40, 48, 4), (80, 96, 4)]


def test_run_recipe__frames_a_whole_photo_in_which_no_product_is_found(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(*_: object) -> StepOutcome:
        raise ProductNotFoundError

    monkeypatch.setitem(run_module.STEP_FUNCTIONS, Cutout, find_nothing)
    framed = Role("framed", (Frame(width=64, height=64),), PNG)
    white = Role("white", (Cutout(), Backdrop(generator="colour")), PNG)
    for roles in ((framed, white), (white, framed)):
        with pytest.raises(ProductNotFoundError) as caught:
            run_recipe(png(photo()), Recipe("test", roles), engine=engine, deadline=NO_LIMIT)
        assert [image.role for image in caught.value.images] == ["framed"]


def test_run_recipe__asks_the_deadline_between_steps(engine: Engine) -> None:
    asked: list[int] = []

    def stop_at(count: int) -> Deadline:
        def check() -> None:
            asked.append(1)
            if len(asked) == count:
                raise DeadlineExceededError

        return Deadline(math.inf, checks=[check])

    steps = (Restore(), Upscale(scale=2))
    run_recipe(png(photo()), recipe_of(*steps), engine=engine, deadline=stop_at(1000))
    total = len(asked)
    assert total >= 8
    for count in range(1, total + 1):
        asked.clear()
        with pytest.raises(DeadlineExceededError):
            run_recipe(png(photo()), recipe_of(*steps), engine=engine, deadline=stop_at(count))


def test_run_recipe__refuses_unknown_steps_before_it_opens_the_upload(engine: Engine) -> None:
    class Sharpen(Step):
        name = "sharpen"

    with pytest.raises(RecipeError, match="does not know the step 'sharpen'"):
        run_one(engine, b"", Sharpen())


def test_run_recipe__goes_on_from_what_was_not_judged_yet(engine: Engine) -> None:
    """The role that ends early must not change what the longer one makes."""
    short, long = Role("short", (Restore(),), PNG), Role("long", (Restore(), Upscale(scale=2)), PNG)
    alone, *_ = run_recipe(png(photo()), Recipe("a", (long,)), engine=engine, deadline=NO_LIMIT)
    both = run_recipe(png(photo()), Recipe("b", (short, long)), engine=engine, deadline=NO_LIMIT)
    assert both[1].content == alone.content
    assert [report.name for report in both[1].steps] == [report.name for report in alone.steps]


def test_run_recipe__step_that_does_nothing_hides_no_change_before_it(engine: Engine) -> None:
    result = run_one(engine, png(photo()), Restore(always=True), Upscale(to=16))
    assert "colour_gate" in [report.name for report in result.steps]
    assert result.digital_source_type
