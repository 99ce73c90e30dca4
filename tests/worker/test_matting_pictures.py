"""What cut-outs know of pictures: borders around them, prints like the ground, things beside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.engine import Engine
from enhancer_worker.matting.cut import DOUBTFUL, cut_out
from enhancer_worker.matting.mount import picture_box
from enhancer_worker.matting.pieces import without_strays
from enhancer_worker.matting.prints import without_lit_holes

CATALOGUE = Path(__file__).parents[2] / "demoshop/catalogue"
GREY = (168, 166, 160)

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def shipped_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    cache = tmp_path_factory.mktemp("cache")
    engine = Engine(WorkerConfig(device="cpu", threads=1, cache_dir=cache))
    yield engine
    engine.close()


def photograph(size: tuple[int, int] = (300, 240)) -> Image.Image:
    """Return a picture that has no plain row or column."""
    across, down = np.meshgrid(np.linspace(40, 150, size[0]), np.linspace(0, 60, size[1]))
    noise = np.random.default_rng(0).normal(0, 5, (size[1], size[0]))
    return Image.fromarray((across + down + noise).clip(0, 255).astype(np.uint8)).convert("RGB")


def bordered(picture: Image.Image, colour: str, *sides: int) -> Pixels:
    """Put a border around a picture: left, top, right, bottom, in pixels."""
    return np.asarray(ImageOps.expand(picture, sides, colour))


@pytest.mark.parametrize("colour", ["white", "black", "#336699"])
@pytest.mark.parametrize("sides", [(8, 8, 8, 8), (3, 9, 5, 10), (0, 12, 0, 12), (6, 0, 7, 0)])
def test_border__is_told_from_the_picture(colour: str, sides: tuple[int, int, int, int]) -> None:
    picture = photograph()
    found = picture_box(bordered(picture, colour, *sides))
    assert found == (sides[0], sides[1], sides[0] + picture.width, sides[1] + picture.height)


def test_border__of_a_large_picture_lies_outside_what_is_found() -> None:
    picture = photograph((1900, 1400))
    found = picture_box(bordered(picture, "white", 30, 30, 30, 30))
    assert found is not None
    left, top, right, bottom = found
    assert 30 <= left <= 42
    assert 30 <= top <= 42
    assert 1930 - 12 <= right <= 1930
    assert 1430 - 12 <= bottom <= 1430


def on_white() -> Image.Image:
    picture = Image.new("RGB", (300, 240), "white")
    ImageDraw.Draw(picture).ellipse((20, 20, 280, 220), fill=(120, 60, 40))
    return picture


def too_wide() -> Image.Image:
    return ImageOps.expand(photograph(), 50, "white")


def uneven() -> Image.Image:
    return ImageOps.expand(photograph(), (4, 4, 14, 14), "white")


def book() -> Image.Image:
    """Return a cover as shops show it: its margins are as even, and wider than a border."""
    return ImageOps.expand(photograph((500, 760)), (150, 70, 150, 70), "white")


def on_one_side() -> Image.Image:
    return ImageOps.expand(photograph(), (0, 0, 0, 12), "white")


@pytest.mark.parametrize(
    "picture",
    [
        *(photograph(), on_white(), too_wide(), on_one_side(), uneven(), book()),
        *(Image.new("RGB", size) for size in ((1, 1), (60, 6000), (6000, 20))),
    ],
)
def test_border__is_none_where_the_picture_goes_to_its_edge(picture: Image.Image) -> None:
    assert picture_box(np.asarray(picture)) is None


@pytest.mark.parametrize(("colour", "pixels"), [("white", 8), ("black", 25)])
def test_cut_out__finds_the_product_within_a_border(
    shipped_engine: Engine, colour: str, pixels: int
) -> None:
    with Image.open(CATALOGUE / "toy-car.jpg") as image:
        picture = image.convert("RGB")
    run = shipped_engine.net("cutout", 1).session
    plain = cut_out(run, np.asarray(picture)).alpha >= 128
    found = cut_out(run, bordered(picture, colour, *[pixels] * 4))
    around = found.alpha >= 128
    assert found.confidence is not None
    assert found.confidence < DOUBTFUL, "a print on a box would look like that: somebody looks"
    within = around[pixels:-pixels, pixels:-pixels]
    assert around.sum() == within.sum(), "the border is no product"
    assert (plain & within).sum() / (plain | within).sum() > 0.95


def blocks(label: tuple[int, int, int], colour: tuple[int, int, int] = (40, 60, 120)) -> Pixels:
    """Return a box with a label in front of grey."""
    picture = Image.new("RGB", (160, 160), GREY)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((30, 30, 129, 129), fill=colour)
    draw.rectangle((60, 60, 89, 89), fill=label)
    return np.asarray(picture)


def planes(doubt_of_hole: float = 0.03) -> tuple[NDArray[np.float32], ...]:
    """Return what a net says of ``blocks``, its doubt, and what colours made of it."""
    net = np.zeros((160, 160), np.float32)
    net[30:130, 30:130] = 0.99
    doubt = np.full_like(net, 0.02)
    doubt[60:90, 60:90] = doubt_of_hole
    weighed = net.copy()
    weighed[60:90, 60:90] = 0.1
    return net, doubt, weighed


def test_print__that_is_brighter_than_the_background_is_product() -> None:
    net, doubt, weighed = planes()
    result = without_lit_holes(blocks((190, 188, 182)), net, doubt, weighed)
    np.testing.assert_array_equal(result, net)


@pytest.mark.parametrize(
    ("label", "doubt_of_hole"),
    [(GREY, 0.03), ((150, 148, 142), 0.03), ((190, 188, 182), 0.2), ((230, 170, 120), 0.03)],
    ids=["as bright", "in the shade", "the net doubts it", "of another hue"],
)
def test_hole__through_which_the_background_is_seen_stays_open(
    label: tuple[int, int, int], doubt_of_hole: float
) -> None:
    net, doubt, weighed = planes(doubt_of_hole)
    result = without_lit_holes(blocks(label), net, doubt, weighed)
    np.testing.assert_array_equal(result, weighed)


@pytest.mark.parametrize("size", [(60, 6000), (6000, 20)])
def test_cut_out__takes_the_narrowest_pictures(
    shipped_engine: Engine, size: tuple[int, int]
) -> None:
    halves = Image.new("RGB", size, "white")
    halves.paste("black", (0, 0, max(1, size[0] // 2), size[1]))
    found = cut_out(shipped_engine.net("cutout", 1).session, np.asarray(halves))
    assert found.alpha.shape == size[::-1]


def test_cut_out__keeps_the_label_of_the_shoe_box_and_the_loop_of_the_flask_open(
    shipped_engine: Engine,
) -> None:
    run = shipped_engine.net("cutout", 1).session
    for name, least in (("shoe-box", 0.985), ("flask", 0.97)):
        with Image.open(CATALOGUE / f"{name}.jpg") as image:
            alpha = cut_out(run, np.asarray(image.convert("RGB"))).alpha >= 128
        with Image.open(CATALOGUE / f"masks/{name}.png") as image:
            truth = np.asarray(image.convert("L").resize(alpha.shape[::-1])) >= 128
        assert (alpha & truth).sum() / (alpha | truth).sum() > least, name


def pieces(*boxes: tuple[int, int, int, int]) -> Pixels:
    """Return the alpha of a product in the middle, cut at the lower border, and of other things."""
    alpha = Image.new("L", (400, 400))
    draw = ImageDraw.Draw(alpha)
    for left, top, right, bottom in ((120, 120, 279, 399), *boxes):
        draw.rectangle((left, top, right, bottom), fill=255)
    return np.asarray(alpha)


@pytest.mark.parametrize(
    "box",
    [(0, 10, 50, 60), (360, 200, 399, 260), (40, 40, 45, 45)],
    ids=["left border", "right border", "a speck"],
)
def test_stray__is_dropped_and_all_else_stays(box: tuple[int, int, int, int]) -> None:
    np.testing.assert_array_equal(without_strays(pieces(box)), pieces())


@pytest.mark.parametrize(
    "box",
    [
        (20, 20, 80, 80),
        (0, 10, 110, 130),
        (100, 380, 116, 399),
        (150, 0, 200, 40),
        (0, 200, 117, 230),
    ],
    ids=[
        "free of borders", "large", "at the product's border", "at the opposite border", "beside it"
    ],
)  # fmt: skip
def test_piece__that_may_be_for_sale_stays(box: tuple[int, int, int, int]) -> None:
    alpha = pieces(box)
    assert without_strays(alpha) is alpha


def test_stray__takes_its_soft_edge_along_and_no_more() -> None:
    alpha = pieces((0, 10, 50, 60)).copy()
    alpha[61, 0:51] = 20
    large = np.asarray(Image.fromarray(alpha).resize((1600, 1600), Image.Resampling.NEAREST))
    result = without_strays(large)
    assert not result[:400, :400].any()
    np.testing.assert_array_equal(result[480:], large[480:])
