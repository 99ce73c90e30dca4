"""The colour gate: what counts as a shift, what a correction does, and what it leaves alone."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from enhancer_worker.pipeline import averages, colour_gate
from enhancer_worker.pipeline.averages import local_averages, stretch_rows, triangles
from enhancer_worker.pipeline.colour import (
    ciede2000,
    linear_from_srgb,
    srgb_from_linear,
    srgb_to_lab,
)
from enhancer_worker.pipeline.colour_gate import Colours, ColourShift, ColourVerdict
from enhancer_worker.pipeline.context import Picture

Pixels = NDArray[np.uint8]


def photo(width: int = 320, height: int = 240, seed: int = 1) -> Pixels:
    """Return soft shapes with detail on them, no white and no black."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(50, 200, (6, 8, 3), np.uint8))
    shapes = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    detail = random.integers(-15, 16, (height, width, 1))
    return np.clip(shapes + detail, 20, 240).astype(np.uint8)


def lit(pixels: Pixels, gains: NDArray[np.float64] | tuple[float, float, float]) -> Pixels:
    """Multiply light: a tint, or the shadow of one where gains are given per pixel."""
    light = linear_from_srgb(pixels / 255) * np.asarray(gains)
    levels: Pixels = np.rint(srgb_from_linear(np.clip(light, 0, 1)) * 255).astype(np.uint8)
    return levels


def enlarged(pixels: Pixels, scale: int = 2) -> Pixels:
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def gate(original: Picture, result: Picture) -> ColourVerdict | None:
    return Colours.of(original).judge(result)


def judged(before: Pixels, after: Pixels, *, grey: bool = False) -> ColourVerdict:
    verdict = gate(Picture(before, grey=grey), Picture(after, grey=grey))
    assert verdict is not None
    return verdict


# --- averages -------------------------------------------------------------------------------


def test_local_averages__weigh_by_triangles_twice_as_wide_as_a_cell() -> None:
    pixels = np.zeros((4, 4), np.uint8)
    pixels[0, 0] = 70
    # 3/7 of the weight along each axis falls on the first pixel, and none of it on the far cell.
    expected = np.array([[70 * 9 / 49, 0], [0, 0]])
    assert np.abs(local_averages(pixels, 2, 2) - expected).max() < 1e-5


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (30, 41), (240, 320)])
def test_local_averages__of_one_colour_are_that_colour(rows: int, columns: int) -> None:
    pixels = np.full((240, 320, 3), (10, 200, 77), np.uint8)
    assert np.abs(local_averages(pixels, rows, columns) - (10, 200, 77)).max() < 1e-3


def test_local_averages__do_not_depend_on_the_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = local_averages(photo(), 15, 20)
    monkeypatch.setattr(averages, "_BAND_ROWS", 7)
    assert np.abs(local_averages(photo(), 15, 20) - whole).max() < 1e-3


def test_triangles__sum_to_one() -> None:
    for length, count in [(1, 1), (7, 7), (100, 3), (997, 96)]:
        assert np.abs(triangles(length, count).sum(axis=1) - 1).max() < 1e-5


def test_stretch_rows__joins_bands_without_a_seam() -> None:
    grid = np.random.default_rng(3).random((7, 9), np.float32)
    whole = stretch_rows(grid, (90, 71), slice(0, 71))
    bands = [
        stretch_rows(grid, (90, 71), slice(top, min(top + 10, 71))) for top in range(0, 71, 10)
    ]
    assert np.abs(np.concatenate(bands) - whole).max() < 1e-6
    assert whole.shape == (71, 90)
    assert abs(whole[0, 0] - grid[0, 0]) < 1e-6
    assert abs(whole[-1, -1] - grid[-1, -1]) < 1e-6


# --- what counts as a shift -----------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_gate__finds_nothing_in_the_same_picture_enlarged(scale: int) -> None:
    after = Picture(enlarged(photo(), scale))
    verdict = gate(Picture(photo()), after)
    assert verdict is not None
    assert verdict.picture is after
    assert not verdict.corrected
    assert verdict.before.p95 < 0.05


def test_gate__measures_a_known_shift() -> None:
    before, after = (np.full((64, 64, 3), level, np.uint8) for level in (119, 122))
    expected = ciede2000(srgb_to_lab(before[:1, :1]), srgb_to_lab(after[:1, :1]))[0, 0]
    verdict = judged(before, after)
    assert verdict.before.mean == pytest.approx(expected, abs=1e-3)
    assert verdict.before.p95 == pytest.approx(expected, abs=1e-3)
    assert 1.0 < expected < 1.4


@pytest.mark.parametrize("level", [60, 128, 220])
def test_gate__does_not_mistake_denoising_for_a_shift(level: int) -> None:
    noise = np.random.default_rng(4).normal(0, 8, (300, 400, 3))
    clean = np.full((300, 400, 3), level, np.uint8)
    verdict = judged(np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8), clean)
    assert not verdict.corrected
    assert verdict.before.mean < 0.3
    assert verdict.before.p95 < 0.6


def test_gate__does_not_mistake_the_repair_of_a_jpeg_for_a_shift() -> None:
    clean = Image.fromarray(photo()).filter(ImageFilter.GaussianBlur(2))
    file = io.BytesIO()
    clean.save(file, "JPEG", quality=40, subsampling="4:2:0")
    verdict = judged(np.asarray(Image.open(file)), np.asarray(clean))
    assert not verdict.corrected
    assert verdict.before.p95 < 1.0


def test_gate__looks_at_visible_cells_only() -> None:
    before, after = np.zeros((192, 192, 3), np.uint8), np.zeros((192, 192, 3), np.uint8)
    after[:, 96:] = 255
    alpha = np.zeros((192, 192), np.uint8)
    assert gate(Picture(before, alpha), Picture(after, alpha)) is None
    alpha[:, :64] = 255
    verdict = gate(Picture(before, alpha), Picture(after, alpha))
    assert verdict is not None
    assert verdict.before.p95 == 0.0


# --- what a correction does -----------------------------------------------------------------


def test_gate__takes_a_tint_away() -> None:
    verdict = judged(photo(), enlarged(lit(photo(), (1.06, 1.0, 0.92))))
    assert verdict.corrected
    assert verdict.before.mean > 1.5
    assert verdict.after.mean < 0.1
    assert verdict.after.p95 < 0.3
    # Every single pixel is back within the rounding of two passes.
    assert np.abs(verdict.picture.pixels.astype(int) - enlarged(photo())).max() <= 2


def test_gate__takes_a_tint_away_that_grows_from_side_to_side() -> None:
    ramp = np.linspace(0, 1, 320)[None, :, None]
    tinted = lit(photo(), 1 + ramp * np.array([0.08, -0.02, -0.1]))
    verdict = judged(photo(), tinted)
    assert verdict.before.p95 > 2
    assert verdict.after.mean < 0.15
    assert verdict.after.p95 < 0.4


def test_gate__keeps_detail_and_brings_no_edges() -> None:
    stripes = np.full((240, 320, 3), 90, np.uint8)
    stripes[:, ::2] = 160
    original = stripes.copy()
    original[:, :160] = lit(stripes, (1.1, 1.0, 1.0))[:, :160]
    verdict = judged(original, stripes)
    assert verdict.corrected
    ratio = linear_from_srgb(verdict.picture.pixels / 255) / linear_from_srgb(stripes / 255)
    # The gain falls from 1.1 to 1 within a cell or two: from one pixel to the next it hardly moves
    # (0.1 / 32 is the slope of the ramp; rounding to levels adds as much again).
    assert ratio[:, :100, 0].mean() == pytest.approx(1.1, abs=0.01)
    assert ratio[:, 220:, 0].mean() == pytest.approx(1.0, abs=0.001)
    gains = ratio[..., 0].mean(axis=0)
    assert np.abs(np.diff(gains[::2])).max() < 0.03


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("darkest", [110, 190])
def test_gate__leaves_the_shadow_beside_a_corrected_product_alone(darkest: int, scale: int) -> None:
    rows, columns = np.mgrid[:400, :400].astype(float) - 200
    shade = np.exp(-(((columns / 117) ** 2 + ((rows - 20) / 90) ** 2) ** 2))
    before = np.rint(255 - (255 - darkest) * shade)[..., None].repeat(3, axis=2).astype(np.uint8)
    disc = np.hypot(rows, columns) < 80
    after = before.copy()
    before[disc], after[disc] = (150, 90, 60), (165, 90, 52)
    result, after = enlarged(after, scale), judged(before, enlarged(after, scale)).picture.pixels
    changes = np.abs(after.astype(int) - result).max(axis=2)
    outside = ~disc.repeat(scale, axis=0).repeat(scale, axis=1)
    # Without edges the correction reached over the shadow by up to 9 levels.
    assert np.quantile(changes[outside], 0.995) <= 1
    assert changes[outside].max() <= 3
    middle = after[180 * scale : 220 * scale, 180 * scale : 220 * scale].astype(int)
    assert np.abs(middle - (150, 90, 60)).max() <= 1


def test_gate__does_not_keep_a_correction_that_does_not_help() -> None:
    verdict = judged(photo(), np.full((240, 320, 3), 255, np.uint8))
    assert not verdict.corrected
    assert verdict.after.p95 > 10


def test_gate__figures_say_what_happened() -> None:
    verdict = judged(photo(), lit(photo(), (1.06, 1.0, 0.92)))
    assert verdict.figures() == {
        "colour_shift_mean": round(verdict.after.mean, 4),
        "colour_shift_p95": round(verdict.after.p95, 4),
        "colour_shift_mean_uncorrected": round(verdict.before.mean, 4),
        "colour_shift_p95_uncorrected": round(verdict.before.p95, 4),
        "colour_corrected": 1.0,
    }
    same = judged(photo(), photo()).figures()
    assert same["colour_corrected"] == 0.0
    assert same["colour_shift_p95"] == same["colour_shift_p95_uncorrected"] == 0.0


def test_gate__does_not_change_what_it_was_given() -> None:
    before, after = photo(), lit(photo(), (1.06, 1.0, 0.92))
    copies = before.copy(), after.copy()
    assert judged(before, after).corrected
    assert np.array_equal(before, copies[0])
    assert np.array_equal(after, copies[1])


# --- what it leaves alone -------------------------------------------------------------------

tints = st.tuples(*[st.floats(0.8, 1.2)] * 3).filter(lambda t: max(t) - min(t) > 0.08)


@settings(deadline=None, max_examples=40)
@given(tint=tints, left=st.integers(0, 120), top=st.integers(0, 120), seed=st.integers(0, 9))
def test_gate__keeps_white_at_255(tint: tuple[float, ...], left: int, top: int, seed: int) -> None:
    before = np.full((180, 200, 3), 255, np.uint8)
    before[top : top + 60, left : left + 80] = photo(80, 60, seed)
    tinted = before.copy()
    tinted[top : top + 60, left : left + 80] = lit(photo(80, 60, seed), tint)
    verdict = judged(before, tinted)
    assert verdict.corrected
    assert (verdict.picture.pixels[(before == 255).all(axis=2)] == 255).all()


@settings(deadline=None, max_examples=40)
@given(gain=st.floats(0.7, 1.3).filter(lambda g: abs(g - 1) > 0.08), seed=st.integers(0, 9))
def test_gate__keeps_grey_neutral(gain: float, seed: int) -> None:
    before = photo(200, 180, seed)
    before[...] = before[..., :1]
    verdict = judged(before, lit(before, (gain,) * 3), grey=True)
    assert verdict.corrected
    pixels = verdict.picture.pixels
    assert (pixels[..., :1] == pixels).all()


@settings(deadline=None, max_examples=40)
@given(tint=tints, seed=st.integers(0, 9))
def test_gate__keeps_a_neutral_area_of_a_coloured_picture(
    tint: tuple[float, ...], seed: int
) -> None:
    before = photo(240, 160, seed)
    before[:, :120] = before[:, :120, :1]
    after = before.copy()
    after[:, 120:] = lit(before, tint)[:, 120:]
    verdict = judged(before, after)
    assert verdict.corrected
    # A cell and a half away from the coloured half nothing is changed at all.
    assert np.array_equal(verdict.picture.pixels[:, :72], before[:, :72])


def test_gate__makes_a_tinted_grey_neutral_again() -> None:
    before = photo()
    before[...] = before[..., :1]
    verdict = judged(before, lit(before, (1.05, 1.0, 0.93)))
    pixels = verdict.picture.pixels.astype(int)
    assert verdict.corrected
    assert (pixels.max(axis=2) - pixels.min(axis=2)).max() <= 2


def test_gate__leaves_black_black() -> None:
    before = photo()
    before[100:140, 100:160] = 0
    tinted = lit(before, (1.06, 1.0, 0.92))
    pixels = judged(before, tinted).picture.pixels
    assert pixels[100:140, 100:160].max() <= 2


def test_apply__does_not_depend_on_the_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = photo(), enlarged(lit(photo(), (1.06, 1.0, 0.92)))
    whole = judged(before, after).picture.pixels
    monkeypatch.setattr(colour_gate, "_BAND_ROWS", 37)
    bands = judged(before, after).picture.pixels
    # A gain that differs in its last bit may round one pixel in thousands the other way.
    assert np.abs(bands.astype(int) - whole).max() <= 1
    assert (bands != whole).mean() < 1e-3


def test_gate__works_in_bounded_memory() -> None:
    before = np.asarray(Image.fromarray(photo()).resize((3000, 2000)))
    after = enlarged(lit(before, (1.06, 1.0, 0.92)))
    tracemalloc.start()
    verdict = judged(before, after)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.corrected
    # The corrected copy of 72 MB, and a few bands of 256 rows.
    assert peak - verdict.picture.pixels.nbytes < 40_000_000


def test_gate__corrects_what_has_moved_in_a_small_part_only() -> None:
    after = photo()
    after[:, :28] = lit(after[:, :28], (1.12, 1.0, 0.9))
    verdict = judged(photo(), after)
    assert verdict.before.mean < 0.3
    assert verdict.before.p95 > 1
    assert verdict.corrected


def test_gate__keeps_no_correction_that_moves_the_worst_cells_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shifts = iter([ColourShift(0.5, 2.0), ColourShift(0.4, 2.1)])
    monkeypatch.setattr(Colours, "_shift", lambda *_: next(shifts))
    assert not judged(photo(), photo()).corrected


def test_gate__doubles_light_at_most() -> None:
    dark = lit(photo(), (0.2, 0.2, 0.2))
    verdict = judged(photo(), dark)
    light = linear_from_srgb(verdict.picture.pixels / 255).mean()
    assert light < 2.1 * linear_from_srgb(dark / 255).mean()
