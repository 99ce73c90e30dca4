"""From a coarse alpha to a cut-out at full resolution."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from enhancer_worker.matting import coarse
from enhancer_worker.matting.coarse import SIDE, CoarseMatte, coarse_matte
from enhancer_worker.matting.cut import cut_out
from enhancer_worker.matting.foreground import foreground
from enhancer_worker.matting.guided import guided_alpha, guided_coefficients
from enhancer_worker.matting.refine import full_alpha

RED, BLUE = (200, 40, 30), (30, 60, 190)


def disc(size: tuple[int, int], box: tuple[int, int, int, int], soft: float = 1.0) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(soft))


def on_blue(mask: Image.Image) -> NDArray[np.uint8]:
    red, blue = (Image.new("RGB", mask.size, colour) for colour in (RED, BLUE))
    return np.asarray(Image.composite(red, blue, mask))


class RedIsProduct:
    """Takes what is red for the product, as blurred as a net would."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.calls += 1
        red = Image.fromarray(((batch[0, 0] > batch[0, 2]) * 255).astype(np.uint8))
        alpha = np.asarray(red.filter(ImageFilter.GaussianBlur(1.5)), np.float32) / 255
        return np.stack([alpha, alpha * (1 - alpha)])[None]


def test_foreground__takes_the_background_out_of_the_edge() -> None:
    mask = disc((200, 160), (40, 30, 150, 130), soft=4)
    pixels, alpha = on_blue(mask), np.asarray(mask)
    edge = (alpha > 25) & (alpha < 255)
    result = foreground(pixels, alpha)
    before = np.abs(pixels[edge].astype(int) - RED).mean()
    after = np.abs(result[edge].astype(int) - RED).mean()
    assert before > 30
    assert after < 4
    kept = (alpha == 0) | (alpha == 255)
    np.testing.assert_array_equal(result[kept], pixels[kept])


def test_foreground__leaves_pictures_without_an_edge() -> None:
    pixels = np.full((8, 8, 3), 90, np.uint8)
    for level in (0, 255):
        assert foreground(pixels, np.full((8, 8), level, np.uint8)) is pixels


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 2), (33, 65), (1, 1400), (3000, 2)])
def test_foreground__takes_any_size(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (*shape, 3), np.uint8)
    alpha = rng.integers(1, 255, shape, np.uint8)
    assert foreground(pixels, alpha).shape == pixels.shape


def test_guided__finds_the_edge_that_a_coarse_alpha_has_blurred() -> None:
    mask = disc((240, 240), (60, 50, 180, 190), soft=0.6)
    pixels, truth = on_blue(mask), np.asarray(mask, np.float32) / 255
    blurred = np.asarray(mask.filter(ImageFilter.GaussianBlur(1)), np.float32) / 255
    guide, even = pixels.astype(np.float32) / 255, np.ones_like(blurred)
    coefficients = guided_coefficients(guide, blurred, even, 6, 1e-4)
    rows, columns = np.indices(truth.shape)
    result = guided_alpha(pixels, coefficients, rows.ravel(), columns.ravel()).reshape(truth.shape)
    # The rest is a gain of slightly less than one, which `full_alpha` undoes.
    restored = np.clip((result - 0.04) / 0.92, 0, 1)
    assert np.abs(restored - truth).mean() < 0.2 * np.abs(blurred - truth).mean()


def test_guided__keeps_alpha_of_a_flat_picture() -> None:
    flat = np.full((40, 40, 3), 120, np.uint8)
    alpha = np.full((40, 40), 0.25, np.float32)
    guide, even = flat.astype(np.float32) / 255, np.ones_like(alpha)
    coefficients = guided_coefficients(guide, alpha, even, 4, 1e-4)
    some = np.array([0, 20, 39])
    np.testing.assert_allclose(guided_alpha(flat, coefficients, some, some), 0.25, atol=1e-3)


def test_guided__lets_sure_pixels_decide_about_the_others() -> None:
    truth = np.zeros((40, 40), np.float32)
    truth[:, 20:] = 1
    pixels = on_blue(Image.fromarray((truth * 255).astype(np.uint8)))
    beside = np.roll(truth, -4, axis=1)  # an edge four pixels too far out
    beside[:, :4], beside[:, -4:] = 0, 1
    sure = np.where(np.abs(np.arange(40) - 18) < 6, np.float32(0.01), np.float32(1))
    weight = np.broadcast_to(sure, truth.shape).astype(np.float32)
    errors = []
    for one in (np.ones_like(truth), weight):
        found = guided_coefficients(pixels.astype(np.float32) / 255, beside, one, 8, 1e-4)
        across = np.arange(40)
        alpha = guided_alpha(pixels, found, np.full(40, 20), across)
        errors.append(np.abs(alpha - truth[20]).mean())
    assert errors[0] > 0.1
    assert errors[1] < 0.4 * errors[0]


def test_full_alpha__leaves_no_veil_where_the_coarse_edge_lies_beside_the_true_one() -> None:
    size = (640, 512)
    mask = disc(size, (170, 106, 470, 406), soft=1)
    pixels, truth = on_blue(mask), np.asarray(mask)
    beside = disc(size, (166, 102, 474, 410), soft=2).resize((SIDE, SIDE), Image.Resampling.BOX)
    coarse = np.asarray(beside, np.float32) / 255
    alpha = full_alpha(pixels, CoarseMatte(coarse, 0 * coarse, (0, 0, *size)))
    assert alpha[truth == 0].max() <= 25
    assert alpha[truth == 255].min() >= 247


def test_full_alpha__is_sharp_at_full_resolution_and_keeps_a_hole_open() -> None:
    size = (900, 700)
    mask = disc(size, (200, 100, 700, 600), soft=1)
    ImageDraw.Draw(mask).ellipse((400, 300, 500, 400), fill=0)
    pixels, truth = on_blue(mask), np.asarray(mask)
    small = mask.resize((SIDE, SIDE), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(1))
    coarse = np.asarray(small, np.float32) / 255
    alpha = full_alpha(pixels, CoarseMatte(coarse, 0 * coarse, (0, 0, *size)))
    assert alpha.shape == (700, 900)
    assert alpha[350, 450] == 0
    assert (alpha[340:360, 250:300] == 255).all()
    assert np.abs(alpha.astype(int) - truth).mean() / 255 < 0.003


def test_full_alpha__goes_on_to_the_border_that_cuts_the_product() -> None:
    mask = disc((400, 400), (-150, 60, 250, 340))
    pixels, truth = on_blue(mask), np.asarray(mask)
    matte = coarse_matte(RedIsProduct(), pixels)
    alpha = full_alpha(pixels, matte)
    inside = truth[:, 0] == 255
    assert (alpha[inside, 0] >= 250).mean() > 0.97


def test_coarse_matte__looks_closer_at_a_small_product() -> None:
    run = RedIsProduct()
    pixels = on_blue(disc((600, 500), (250, 200, 400, 320)))
    matte = coarse_matte(run, pixels)
    assert run.calls == 4
    left, top, right, bottom = matte.box
    assert 200 < left < 250
    assert 160 < top < 200
    assert 400 < right < 450
    assert 320 < bottom < 360
    assert matte.agreement > 0.9
    assert matte.alpha.shape == (SIDE, SIDE)


class UndecidedAbove(RedIsProduct):
    """Sees less than half of the product in the upper third of a first look, and says so."""

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        planes = super().__call__(batch)
        if self.calls <= 2:
            planes[0, 1, : SIDE // 3] = 0.4 * planes[0, 0, : SIDE // 3]
            planes[0, 0, : SIDE // 3] *= 0.4
        return planes


def test_coarse_matte__looks_closer_at_all_that_has_the_products_colours() -> None:
    band = Image.new("L", (600, 500))
    ImageDraw.Draw(band).rectangle((270, 0, 330, 420), fill=255)
    matte = coarse_matte(UndecidedAbove(), on_blue(band))
    assert matte.box[1] == 0
    found = matte.alpha[:, matte.alpha.max(axis=0) >= 0.5]
    assert (found[: SIDE // 4].mean(axis=1) > 0.8).all()


class CutShort(RedIsProduct):
    """Of the whole picture, takes a square for the disc and misses the upper third."""

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        planes = super().__call__(batch)
        if self.calls <= 2:
            planes[0, 0, : SIDE // 3] = 0
            planes[0, 1, : SIDE // 3] = 0.05
            planes[0, 0, 110:205, 84:172] = 1
        return planes


def test_coarse_matte__follows_a_product_beyond_what_it_looked_at_from_close() -> None:
    band = Image.new("L", (600, 500))
    draw = ImageDraw.Draw(band)
    draw.rectangle((270, 0, 330, 420), fill=255)
    draw.ellipse((220, 230, 380, 390), fill=255)
    run = CutShort()
    matte = coarse_matte(run, on_blue(band))
    assert run.calls == 4
    left, top, right, bottom = matte.box
    assert (top, bottom < 500, left > 0, right < 600) == (0, True, True, True)
    across = round((300 - left) / (right - left) * SIDE)
    assert matte.alpha[4 : SIDE - 40, across].min() > 0.7


def test_coarse_matte__stays_close_where_the_product_ends() -> None:
    matte = coarse_matte(RedIsProduct(), on_blue(disc((600, 500), (250, 200, 400, 320))))
    assert matte.box[0] > 0
    assert matte.box[1] > 0


def test_coarse_matte__is_the_mean_of_a_picture_and_its_mirror_image() -> None:
    def brighter_to_the_left(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        ramp = np.linspace(1, 0, SIDE, dtype=np.float32)
        alpha = np.broadcast_to(ramp, (1, SIDE, SIDE))
        return np.stack([alpha, 0.25 * alpha], axis=1)

    matte = coarse_matte(brighter_to_the_left, on_blue(disc((80, 60), (10, 10, 50, 50))))
    np.testing.assert_allclose(matte.alpha, 0.5, atol=1e-6)
    np.testing.assert_allclose(matte.doubt, 0.125, atol=1e-6)
    assert matte.agreement == 0


def test_coarse_matte__looks_once_where_nothing_or_everything_is_found() -> None:
    for colour in (RED, BLUE):
        run = RedIsProduct()
        matte = coarse_matte(run, np.full((50, 60, 3), colour, np.uint8))
        assert run.calls == 2
        assert matte.box == (0, 0, 60, 50)


def test_cut_out__keeps_the_product_and_is_surer_of_a_clear_one() -> None:
    mask = disc((300, 300), (80, 60, 220, 240))
    pixels, truth = on_blue(mask), np.asarray(mask)
    found = cut_out(RedIsProduct(), pixels)
    opaque = found.alpha == 255
    np.testing.assert_array_equal(found.colour[opaque], pixels[opaque])
    assert np.abs(found.alpha.astype(int) - truth).mean() / 255 < 0.01
    assert found.confidence is not None
    assert found.confidence > 0.5


def test_joined__trusts_the_look_that_doubts_less() -> None:
    plane, box = np.ones((SIDE, SIDE), np.float32), (0, 0, SIDE, SIDE)
    sure, unsure = CoarseMatte(plane, 0 * plane, box), CoarseMatte(0.2 * plane, 0.5 * plane, box)
    for first, second in ((sure, unsure), (unsure, sure)):
        assert coarse._joined(first, second).alpha.min() > 0.95


def test_foreground__of_a_large_picture_explains_each_pixel() -> None:
    truth = np.full((60, 1400, 3), 90, np.uint8)
    truth[:, ::2] = 150  # too fine for the size at which large pictures are solved
    alpha = np.zeros((60, 1400), np.uint8)
    alpha[:30], alpha[30:32] = 255, 128
    share = alpha[..., None] / 255
    pixels = np.rint(share * truth + (1 - share) * np.array([0, 0, 255])).astype(np.uint8)
    found = foreground(pixels, alpha)[30:32]
    assert found[:, ::2].mean() - found[:, 1::2].mean() > 20
