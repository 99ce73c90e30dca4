"""What the transparency of an upload says: a product set free, or traces of editing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from enhancer_worker.pipeline import transparency
from enhancer_worker.pipeline.transparency import is_cut_out, on_white, resample_seen

Alpha = NDArray[np.uint8]

SIDE = 400


def opaque(level: int = 255) -> Alpha:
    return np.full((SIDE, SIDE), level, np.uint8)


def rounded(radius: int) -> Alpha:
    image = Image.new("L", (SIDE, SIDE), 0)
    ImageDraw.Draw(image).rounded_rectangle((0, 0, SIDE - 1, SIDE - 1), radius, fill=255)
    return np.array(image)


def stray_pixel(level: int) -> Alpha:
    alpha = opaque()
    alpha[0, 0] = level
    return alpha


def boxed(margin: int) -> Alpha:
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[margin:-margin, margin:-margin] = 255
    return alpha


def mug() -> Alpha:
    """Cropped to its box: it touches all four sides, three of them along most of their length."""
    image = Image.new("L", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, 299, SIDE - 1), 20, fill=255)
    draw.arc((240, 100, SIDE - 1, 300), -90, 90, fill=255, width=40)
    return np.array(image)


def tilted_box() -> Alpha:
    """Cropped to its box, with edges that lean by a fiftieth: a wedge along each side."""
    lean = SIDE // 50
    image = Image.new("L", (SIDE, SIDE), 0)
    corners = [(lean, 0), (SIDE - 1, lean), (SIDE - 1 - lean, SIDE - 1), (0, SIDE - 1 - lean)]
    ImageDraw.Draw(image).polygon(corners, fill=255)
    return np.array(image)


@pytest.mark.parametrize(
    "alpha",
    [boxed(60), boxed(3), mug(), tilted_box(), rounded(SIDE // 2)],
    ids=["box", "box with a thin margin", "mug", "tilted box", "ball"],
)
def test_is_cut_out__where_a_product_was_set_free(alpha: Alpha) -> None:
    assert is_cut_out(alpha)


@pytest.mark.parametrize(
    "alpha",
    [stray_pixel(254), stray_pixel(0), rounded(12), rounded(SIDE // 4), boxed(1), opaque(90)],
    ids=["faint pixel", "clear pixel", "corners", "large corners", "thin rim", "veil"],
)
def test_is_cut_out__not_where_a_photo_was_edited(alpha: Alpha) -> None:
    assert not is_cut_out(alpha)


def test_is_cut_out__counts_what_is_clear_and_not_what_is_faint() -> None:
    alpha = boxed(60)
    assert is_cut_out(np.maximum(alpha, np.uint8(25)))
    assert not is_cut_out(np.maximum(alpha, np.uint8(26)))


def test_is_cut_out__tells_a_picture_of_any_size() -> None:
    assert not is_cut_out(np.full((1, 3), 255, np.uint8))
    assert is_cut_out(np.zeros((1, 3), np.uint8))


def test_on_white__shows_what_a_page_shows() -> None:
    pixels = np.full((1, 4, 3), (200, 100, 0), np.uint8)
    alpha = np.array([[255, 254, 51, 0]], np.uint8)
    shown = on_white(pixels, alpha)
    assert shown.tolist() == [[[200, 100, 0], [200, 101, 1], [244, 224, 204], [255, 255, 255]]]
    assert pixels[0, 3].tolist() == [200, 100, 0]


@pytest.mark.parametrize("size", [(90, 70), (300, 450)], ids=["smaller", "larger"])
def test_resample_seen__mixes_colours_by_how_much_of_each_is_seen(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (200, 150, 3), np.uint8)
    alpha = rng.integers(0, 256, (200, 150), np.uint8)
    box = (10.3, 20.6, 140.1, 190.2)

    def resampled(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.LANCZOS, box=box))

    levels = alpha.astype(np.float32)
    covered = resampled(levels)
    premultiplied = np.stack([resampled(pixels[..., c] * levels) for c in range(3)], axis=-1)
    expected = np.clip(premultiplied / covered[..., None], 0, 255)
    for rows in (512, 37):
        monkeypatch.setattr(transparency, "_BAND_ROWS", rows)
        colours, opacity = resample_seen(pixels, alpha, size, box)
        assert np.abs(opacity - np.clip(covered, 0, 255)).max() <= 0.51
        assert np.abs(colours - expected)[opacity > 8].max() <= 0.55


def test_resample_seen__leaves_no_line_where_something_ends() -> None:
    pixels = np.full((40, 40, 3), (250, 120, 40), np.uint8)
    colours, opacity = resample_seen(pixels, boxed(190)[180:220, 180:220], (100, 100))
    assert (opacity == 255).any()
    assert (opacity == 0).any()
    assert (colours[opacity > 0] == (250, 120, 40)).all()
