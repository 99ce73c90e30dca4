"""The promises about a composite: the product to the bit, the background to the level."""

from __future__ import annotations

import numpy as np
import pytest

from enhancer_worker.engine.engine import Engine
from enhancer_worker.pipeline import run as run_module
from enhancer_worker.pipeline.composite import compose
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.encode import EncodedFile, encode
from enhancer_worker.pipeline.locks import check_file, check_locks, inside_of
from enhancer_worker.pipeline.steps.backdrop import backdrop
from enhancer_worker.pipeline.steps.outcome import StepOutcome, Tools
from shopimg.contract import Backdrop, Cutout, Frame, Output, PixelLockError
from tests.worker.products import block, rgba
from tests.worker.recipe_runs import PNG, png, run_one

WHITE = Backdrop(generator="colour", shadow_mode="none")
SCENE = Backdrop(generator="colour", colour="#c0b0a0")
JPEG = Output("jpeg", 95)


def smooth(width: int = 160, height: int = 160, softness: float = 1.0) -> Picture:
    """A product whose colours change slowly, as those of most photographs do."""
    alpha = block(width, height, (40, 30, 120, 130), softness).alpha
    rows, columns = np.mgrid[:height, :width]
    return Picture(
        np.dstack([60 + rows // 2, 90 + columns // 2, 120 + 0 * rows]).astype(np.uint8), alpha
    )


def before(product: Picture, colour: tuple[int, int, int] = (255, 255, 255)) -> Picture:
    return Picture(compose(product, np.full_like(product.pixels, colour)))


def locked(
    product: Picture, composite: Picture, output: Output = JPEG, step: Backdrop = WHITE
) -> dict[str, float]:
    return check_locks(product, composite, encode(composite, output, b""), step)


def test_inside__keeps_away_from_the_edge() -> None:
    alpha = np.full((20, 30), 255, np.uint8)
    alpha[:, :10] = 254
    inside = inside_of(alpha)
    # The border of the picture is no edge of the product.
    assert inside[:, 13:].all()
    assert not inside[:, :13].any()


def test_pixel_lock__finds_a_single_level_in_a_single_pixel() -> None:
    product = smooth()
    composite = before(product)
    composite.pixels[80, 70, 1] += 1
    with pytest.raises(PixelLockError, match=r"1 of \d+ pixels changed, first at 70, 80"):
        locked(product, composite)


def test_pixel_lock__does_not_mind_the_edge() -> None:
    product = smooth()
    assert product.alpha is not None
    composite = before(product)
    column = int(np.flatnonzero(product.alpha[80] == 255)[0])
    composite.pixels[80, column] ^= 1
    assert locked(product, composite, PNG)["pixel_lock_max_difference"] == 0


def test_pixel_lock__needs_the_product_where_it_was() -> None:
    product = smooth()
    with pytest.raises(PixelLockError, match="composite"):
        locked(product, Picture(before(product).pixels[:, :-1]))
    moved = Picture(np.roll(before(product).pixels, 1, axis=1))
    with pytest.raises(PixelLockError, match="pixels changed"):
        locked(product, moved)


def test_pixel_lock__measures_what_the_encoder_rounds() -> None:
    product = smooth()
    fine, coarse = (locked(product, before(product), Output("jpeg", q)) for q in (95, 60))
    assert 0 < fine["pixel_lock_max_difference"] <= 6
    assert fine["pixel_lock_p95"] < 1.2
    assert fine["pixel_lock_p50"] <= fine["pixel_lock_p95"] <= fine["pixel_lock_max"]
    assert coarse["pixel_lock_p95"] > fine["pixel_lock_p95"]


def test_pixel_lock__allows_nothing_in_a_lossless_file() -> None:
    product = smooth()
    composite = before(product)
    figures = locked(product, composite, PNG)
    names = ("max_difference", "p50", "p95", "max")
    assert [figures[f"pixel_lock_{name}"] for name in names] == [0, 0, 0, 0]
    jpeg = encode(composite, JPEG, b"")
    with pytest.raises(PixelLockError, match="in the file"):
        check_locks(product, composite, EncodedFile(jpeg.content, "png"), WHITE)


def test_pixel_lock__refuses_a_file_that_is_too_coarse() -> None:
    # Noise that colours every pixel: more than any photograph has.
    product = block(160, 160, (40, 30, 120, 130))
    with pytest.raises(PixelLockError, match="'pixel_lock_p95'"):
        locked(product, before(product), Output("jpeg", 30))


def test_pixel_lock__refuses_a_file_of_another_size() -> None:
    product = smooth()
    other = encode(before(smooth(width=150)), JPEG, b"")
    with pytest.raises(PixelLockError, match=r"the file has \(160, 150, 3\)"):
        check_locks(product, before(product), other, WHITE)


def test_pixel_lock__has_nothing_to_measure_in_a_product_without_inside() -> None:
    thin = block(80, 80, (40, 10, 44, 70))
    figures = locked(thin, before(thin))
    assert not [name for name in figures if name.startswith("pixel_lock")]


def test_white_lock__measures_the_file() -> None:
    product = smooth()
    lossless = locked(product, before(product), PNG)
    assert (lossless["white_share"], lossless["white_min"]) == (1.0, 255.0)
    coarse = locked(product, before(product), Output("jpeg", 60))
    assert coarse["white_share"] < 1
    assert coarse["white_min"] < 255


def test_white_lock__does_not_let_254_pass() -> None:
    product = smooth()
    composite = before(product)
    composite.pixels[5, 5, 2] = 254
    with pytest.raises(PixelLockError, match="not white around"):
        locked(product, composite)


def test_white_lock__refuses_a_quality_at_which_white_is_254() -> None:
    product = smooth()
    with pytest.raises(PixelLockError, match="white is 254 in the file"):
        locked(product, before(product), Output("jpeg", 45))


def test_white_lock__finds_the_halo_of_an_old_background() -> None:
    clean = smooth(softness=2.0)
    assert clean.alpha is not None
    dirty = Picture(clean.pixels.copy(), clean.alpha)
    dirty.pixels[(clean.alpha < 250)] = (20, 20, 20)
    assert locked(clean, before(clean))["white_halo"] < 2
    assert locked(dirty, before(dirty))["white_halo"] > 8


def test_white_lock__of_a_product_that_fills_everything_measures_nothing() -> None:
    product = smooth()
    full = Picture(product.pixels, np.full((160, 160), 255, np.uint8))
    assert locked(full, before(full))["white_halo"] == 0
    assert "white_share" not in locked(full, before(full))


def test_white_lock__is_for_plain_white_only() -> None:
    assert WHITE.is_white
    assert Backdrop(generator="colour", shadow_opacity=0).is_white
    others = [SCENE, Backdrop(generator="colour"), Backdrop(shadow_mode="none")]
    others.append(Backdrop(generator="colour", shadow_mode="none", reflection=0.1))
    assert not any(one.is_white for one in others)
    product = smooth()
    scene = before(product, (192, 176, 160))
    assert not [name for name in locked(product, scene, step=SCENE) if "white" in name]


def test_locks__are_figures_of_the_variant(engine: Engine) -> None:
    upload = png(rgba(smooth()))
    steps = (Cutout(), Frame(width=200, height=200, fill=0.8))
    image = run_one(engine, upload, *steps, WHITE, output=JPEG)
    assert image.quality["pixel_lock_p95"] < 1.5
    assert (image.quality["white_share"], image.quality["white_min"]) == (1, 255)
    scene = run_one(engine, upload, *steps, SCENE, output=JPEG)
    assert "pixel_lock_max" in scene.quality
    assert "white_share" not in scene.quality
    assert not [name for name in run_one(engine, upload, *steps).quality if "lock" in name]


def test_locks__end_a_recipe_whose_composite_changes_the_product(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(picture: Picture, step: Backdrop, tools: Tools) -> StepOutcome:
        outcome = backdrop(picture, step, tools)
        outcome.picture.pixels[90:110, 90:110] //= 2
        return outcome

    functions = {**run_module.STEP_FUNCTIONS, Backdrop: careless}
    monkeypatch.setattr(run_module, "STEP_FUNCTIONS", functions)
    steps = (Cutout(), Frame(width=200, height=200, fill=0.8), WHITE)
    with pytest.raises(PixelLockError):
        run_one(engine, png(rgba(smooth())), *steps, output=JPEG)


def test_pixel_lock__refuses_a_file_that_is_far_off_in_a_tenth_of_the_product() -> None:
    wanted = np.full((100, 100, 3), 120, np.uint8)
    found = wanted.copy()
    found[:10] = 160
    with pytest.raises(PixelLockError, match="in the file"):
        check_file(wanted, found, np.ones((100, 100), bool), lossless=False)
