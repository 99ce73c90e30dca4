"""JPEG files whose white is white up to the product's edge."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, JpegImagePlugin

from enhancer_worker.pipeline.bounded_blocks import SIDE, solved
from enhancer_worker.pipeline.composite import compose
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.encode import encode
from enhancer_worker.pipeline.white_jpeg import whiten
from shopimg.contract import Output
from tests.worker.products import block

Pixels = NDArray[np.uint8]
Flags = NDArray[np.bool_]
QUALITIES = (100, 92, 70, 30, 5)


def product(
    width: int = 117, height: int = 90, colour: tuple[int, int, int] | None = None
) -> Picture:
    """A product of noise, or of one colour, whose soft edge crosses blocks at every phase."""
    picture = block(width, height, (21, 13, 83, 66), 1.5)
    noise = np.random.default_rng(5).integers(0, 256, picture.pixels.shape, np.uint8)
    return Picture(noise if colour is None else np.full_like(noise, colour), picture.alpha)


def on_white(picture: Picture) -> tuple[Pixels, Flags]:
    assert picture.alpha is not None
    return compose(picture, np.full_like(picture.pixels, 255)), picture.alpha == 0


def jpeg(pixels: Pixels, quality: int = 92, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, **{"subsampling": 0, **options})
    return buffer.getvalue()


def shown(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("colour", [None, (255, 0, 0), (0, 0, 255), (250, 254, 255)])
def test_whiten__makes_all_white_exact(quality: int, colour: tuple[int, int, int] | None) -> None:
    pixels, white = on_white(product(colour=colour))
    plain = jpeg(pixels, quality)
    assert shown(plain)[white].min() < 255
    assert shown(whiten(plain, pixels, white))[white].min() == 255


@pytest.mark.parametrize("quality", [95, 80])
def test_whiten__brings_the_product_no_further_away(quality: int) -> None:
    pixels, white = on_white(product(colour=(200, 40, 30)))
    plain = jpeg(pixels, quality)
    before, after = (
        np.abs(shown(content).astype(int) - pixels)[~white].mean()
        for content in (plain, whiten(plain, pixels, white))
    )
    assert after <= before * 1.05


def test_whiten__leaves_what_holds_no_white() -> None:
    pixels, white = on_white(product())
    plain = jpeg(pixels)
    inside = np.s_[24:56, 32:80]
    assert not white[inside].any()
    assert np.array_equal(shown(whiten(plain, pixels, white))[inside], shown(plain)[inside])


def test_whiten__keeps_profile_and_origin() -> None:
    pixels, white = on_white(product())
    plain = jpeg(pixels, icc_profile=b"a profile", xmp=b"<x:xmpmeta/>", progressive=True)
    image = Image.open(io.BytesIO(whiten(plain, pixels, white)))
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    assert (image.info["icc_profile"], image.info["xmp"]) == (b"a profile", b"<x:xmpmeta/>")
    assert [name for name, _ in image.applist].count("APP0") == 1
    # JFIF numbers the components from 1; the second and third number are of chroma's resolution.
    assert image.layer == [(1, 1, 1, 0), (2, 1, 1, 1), (3, 1, 1, 1)]


@pytest.mark.parametrize("quality", [92, 60, 5])
def test_whiten__takes_waves_of_the_strongest_colours(quality: int) -> None:
    # In steps of one their coefficients are beyond what a sequential file can hold.
    pixels = np.full((48, 48, 3), 255, np.uint8)
    waves = np.array([c == "+" for c in "+--++--+" * 4])
    pixels[8:40, 8:40] = np.where(waves[None, :, None], (0, 0, 255), (255, 255, 0))
    white = np.ones((48, 48), bool)
    white[8:40, 8:40] = False
    result = shown(whiten(jpeg(pixels, quality), pixels, white))
    assert result[white].min() == 255


def spokes(colour: tuple[int, int, int], *, soft: bool) -> tuple[Pixels, Flags]:
    """Thin lines in all directions, 3 pixels wide: the hardest that a product can have."""
    scale, side = (4 if soft else 1), 200
    mask = Image.new("L", (side * scale, side * scale))
    for angle in np.arange(24) * np.pi / 12:
        end = (side / 2 + 90 * np.array([np.cos(angle), np.sin(angle)])) * scale
        line = (side * scale / 2, side * scale / 2, *end.tolist())
        ImageDraw.Draw(mask).line(line, 255, 3 * scale)
    alpha = np.asarray(mask.reduce(scale))
    pixels = np.full((side, side, 3), colour, np.uint8)
    return on_white(Picture(pixels, alpha))


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("colour", [(60, 60, 60), (150, 110, 90), (200, 20, 30)])
def test_whiten__comes_close_around_thin_lines(colour: tuple[int, int, int], soft: bool) -> None:
    pixels, white = spokes(colour, soft=soft)
    plain = jpeg(pixels)
    before, after = (shown(content) for content in (plain, whiten(plain, pixels, white)))
    dark = (after.min(axis=2) < 255) & white
    assert (before.min(axis=2) < 255)[white].mean() > 0.05
    assert dark.mean() < 0.001
    assert after[white].min() >= 252
    if max(colour) - min(colour) < 100:
        assert np.abs(after.astype(int) - pixels)[~white].mean() < 5


@pytest.mark.parametrize("size", [(8, 8), (16, 24), (1, 1), (9, 7), (64, 3)])
def test_whiten__takes_any_size(size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.full((height, width, 3), 255, np.uint8)
    white = np.ones((height, width), bool)
    pixels[0, 0] = (10, 60, 200)
    white[0, 0] = False
    result = shown(whiten(jpeg(pixels, 60), pixels, white))
    assert result.shape == pixels.shape
    assert (result[white] == 255).all()


def test_whiten__refuses_shared_chroma_and_other_sizes() -> None:
    pixels, white = on_white(product())
    with pytest.raises(ValueError, match="full chroma"):
        whiten(jpeg(pixels, subsampling=2), pixels, white)
    for other in (jpeg(pixels[:-1]), jpeg(pixels[..., 0])):
        with pytest.raises(ValueError, match="of this size, of luma and chroma"):
            whiten(other, pixels, white)


def test_encode__makes_white_exact_in_a_jpeg_file() -> None:
    pixels, white = on_white(product())
    for quality in (95, 80):
        first, second = (
            encode(Picture(pixels), Output("jpeg", quality), b"", white).content for _ in range(2)
        )
        assert first == second
        assert shown(first)[white].min() == 255
        assert (
            shown(encode(Picture(pixels), Output("jpeg", quality), b"").content)[white].min() < 255
        )


def test_encode__needs_no_exact_white_where_there_is_none() -> None:
    pixels, white = on_white(product())
    plain = encode(Picture(pixels), Output(), b"")
    assert encode(Picture(pixels), Output(), b"", np.zeros_like(white)) == plain


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), free=st.integers(10, 60), step=st.sampled_from([1, 3, 12, 40])
)
def test_solved__keeps_a_bound_on_one_side_always(seed: int, free: int, step: int) -> None:
    random = np.random.default_rng(seed)
    wanted = random.uniform(-128, 127, (3, SIDE * SIDE)).astype(np.float32)
    bounded = np.arange(SIDE * SIDE) >= free
    wanted[:, bounded] = 127
    steps = np.full(SIDE * SIDE, step, np.float32)
    flags = np.broadcast_to(bounded, wanted.shape)
    found = solved(wanted, flags, steps, (126.55, np.inf), seed=0)
    assert np.array_equal(found, np.rint(found))
    assert backward(found * steps)[:, bounded].min() >= 126.55 - 1e-3


def test_solved__stays_within_both_bounds_near_what_is_wanted() -> None:
    random = np.random.default_rng(1)
    wanted = random.uniform(-60, 60, (40, SIDE * SIDE)).astype(np.float32)
    bounded = random.random(wanted.shape) < 0.6
    wanted[bounded] = 0
    kept = wanted.copy()
    found = solved(wanted, bounded, np.ones(SIDE * SIDE, np.float32), (-0.45, 0.45), seed=0)
    pixels = backward(found)
    assert np.array_equal(wanted, kept)
    assert np.abs(pixels[bounded]).max() <= 0.451
    assert np.median(np.abs(pixels - wanted)[~bounded]) < 0.5


def backward(coefficients: NDArray[np.float32]) -> NDArray[np.float64]:
    """The transform of ITU-T T.81, A.3.3, written out."""
    places = np.arange(SIDE)
    waves = np.cos((2 * places[:, None] + 1) * places[None] * np.pi / (2 * SIDE)) / 2
    waves[:, 0] /= np.sqrt(2)
    blocks = coefficients.reshape(-1, SIDE, SIDE).astype(np.float64)
    result: NDArray[np.float64] = np.einsum("xu,nuv,yv->nxy", waves, blocks, waves)
    return result.reshape(len(coefficients), -1)
