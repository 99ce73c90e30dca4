"""Products before pure white: where they are, and by what they are judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.nets.blur_kernels import gaussian_kernel
from enhancer_worker.pipeline.assessment import assess
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.crops import choose_crops
from enhancer_worker.pipeline.steps.outcome import Tools
from enhancer_worker.pipeline.steps.restore import restore
from enhancer_worker.pipeline.white_ground import product_part, stands_on_white
from enhancer_worker.training.blurring import blur
from shopimg.contract import Deadline, Restore

CATALOGUE = Path(__file__).parents[2] / "demoshop/catalogue"

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def shipped_engine() -> Iterator[Engine]:
    engine = Engine(WorkerConfig(device="cpu", threads=1))
    yield engine
    engine.close()


def before_white(name: str, noise: float = 0.0, softness: float = 0.0, white: int = 255) -> Pixels:
    """Return a product of the sample catalogue that was damaged, cut out and put before white."""
    with Image.open(CATALOGUE / f"{name}.jpg") as image:
        photo = np.asarray(image.convert("RGB"), np.float32) / 255
    with Image.open(CATALOGUE / f"masks/{name}.png") as image:
        mask = image.convert("L").resize(photo.shape[1::-1])
    if softness:
        photo = blur(photo, gaussian_kernel(softness, softness, 0.0))
    photo = 255 * photo + np.random.default_rng(0).normal(0, noise, photo.shape)
    product = Image.fromarray(np.rint(photo.clip(0, 255)).astype(np.uint8))
    ground = Image.new("RGB", product.size, (white,) * 3)
    return np.asarray(Image.composite(product, ground, mask))


def picture(ground: int, product: tuple[slice, slice]) -> Pixels:
    pixels = np.full((600, 800, 3), ground, np.uint8)
    pixels[product] = 90
    return pixels


@pytest.mark.parametrize("ground", [255, 251])
def test_product__is_found_on_the_grid_and_as_large_as_asked(ground: int) -> None:
    pixels = picture(ground, (slice(205, 500), slice(300, 350)))
    assert product_part(pixels, 128, 8) == (slice(200, 500), slice(256, 389))
    assert product_part(pixels, 1, 1) == (slice(205, 500), slice(300, 350))
    pixels[3, 3] = 0  # dust
    assert stands_on_white(pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        picture(240, (slice(205, 500), slice(300, 350))),
        picture(255, (slice(205, 600), slice(300, 350))),
        picture(255, (slice(0, 0), slice(0, 0))),
        np.zeros((1, 1, 3), np.uint8),
    ],
    ids=["grey ground", "cut at the border", "nothing", "one pixel"],
)
def test_product__is_none_where_white_is_not_all_around_it(pixels: Pixels) -> None:
    assert product_part(pixels, 128, 8) is None
    assert not stands_on_white(pixels)


def test_crops__lie_within_the_product_and_show_its_edges_apart() -> None:
    pixels = np.full((900, 900, 3), 255, np.uint8)
    pixels[200:700, 200:700] = np.random.default_rng(0).integers(100, 140, (500, 500, 3))
    crops = choose_crops(pixels)
    assert len(crops.detailed) == 9
    assert max(crop.max() for crop in crops.detailed) < 140
    assert max(crop.max() for crop in crops.quiet) < 140
    assert len(crops.edges) == 9
    small = choose_crops(pixels[150:330, 150:330])  # less than one crop of it
    assert small.detailed
    assert choose_crops(pixels[200:700, 200:700]).edges == []


@pytest.mark.parametrize("name", ["flask", "mug", "toy-car"])
def test_assess__product_before_white_is_judged_by_itself(
    name: str, shipped_engine: Engine
) -> None:
    net = shipped_engine.net("estimate", 1)
    clean, noisy = (assess(net, before_white(name, noise)) for noise in (0, 6))
    assert clean.looks_clean
    assert clean.suits_faithful
    assert noisy.noise == pytest.approx(6, abs=1.5)
    assert not noisy.looks_clean


def test_restore__does_not_deconvolve_what_was_cut_out_after_it_was_blurred(
    shipped_engine: Engine,
) -> None:
    tools = Tools(shipped_engine, Deadline(60))
    on_grey = before_white("mug", noise=0.5, softness=1.2, white=235)
    assert "deblurred" in restore(Picture(on_grey), Restore(), tools).details
    on_white = before_white("mug", noise=0.5, softness=1.2)
    outcome = restore(Picture(on_white), Restore(), tools)
    assert "deblurred" not in outcome.details
    assert outcome.details["network"] == "restore_s"
