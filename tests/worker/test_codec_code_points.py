"""Decoding: colours that a file states by code points, where it has no profile."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from enhancer_worker.pipeline.cicp import CodePoints, read_code_points
from enhancer_worker.pipeline.decode import open_source
from enhancer_worker.pipeline.icc import profile_of, to_srgb
from shopimg.contract import UnsupportedFormatError
from tests.metadata import linear_rgb_profile
from tests.worker.decoding import facts_of, needs_avif, noise, read
from tests.worker.recipe_runs import encoded

BT_2020, DISPLAY_P3 = 9, 12
# Of light: CSS Color 4 for Display P3, ITU-R BT.2087 (its inverse) for BT.2020.
TO_SRGB = {
    DISPLAY_P3: [[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09827]],
    BT_2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
}


def swatches() -> Image.Image:
    """Colours in and out of sRGB's reach, greys, black and white, 16 x 16 pixels each."""
    colours = [(231, 40, 40), (40, 180, 90), (120, 130, 200), (250, 225, 180), (255, 0, 0)]
    colours += [(level,) * 3 for level in (0, 60, 128, 255)]
    row = np.array(colours, np.uint8).repeat(16, axis=0)
    return Image.fromarray(np.tile(row, (16, 1, 1)))


def avif(image: Image.Image, primaries: int, transfer: int, **options: object) -> bytes:
    content = encoded(image, "AVIF", quality=100, subsampling="4:4:4", **options)
    stated = content.index(b"nclx") + 4
    points = struct.pack(">HH", primaries, transfer)
    return content[:stated] + points + content[stated + len(points) :]


def png(image: Image.Image, primaries: int, transfer: int, **options: object) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add(b"cICP", bytes([primaries, transfer, 0, 1]))
    return encoded(image, pnginfo=info, **options)


def in_srgb(levels: NDArray[np.uint8], primaries: int) -> NDArray[np.float64]:
    """Convert by the definition: to light, to other primaries, clipped, and back."""
    signal = levels / 255
    light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    light = np.clip(light @ np.array(TO_SRGB[primaries]).T, 0, 1)
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(255 * signal)


@needs_avif
@pytest.mark.parametrize("transfer", [1, 2, 6, 13, 14, 15])
@pytest.mark.parametrize("primaries", [BT_2020, DISPLAY_P3])
def test_decode__converts_the_code_points_of_an_avif(primaries: int, transfer: int) -> None:
    content = avif(swatches(), primaries, transfer)
    with Image.open(io.BytesIO(content)) as image:
        expected = in_srgb(np.asarray(image), primaries)
    assert np.abs(read(content).pixels - expected).max() <= 1
    assert facts_of(content)["icc"] == "converted"


@pytest.mark.parametrize("primaries", [BT_2020, DISPLAY_P3])
def test_decode__converts_the_code_points_of_a_png(primaries: int) -> None:
    content = png(swatches(), primaries, 13)
    expected = in_srgb(np.asarray(swatches()), primaries)
    assert np.abs(read(content).pixels - expected).max() <= 1
    assert facts_of(content)["icc"] == "converted"


def test_decode__converts_what_is_transparent_too() -> None:
    image = swatches()
    image.putalpha(90)
    picture = read(png(image, DISPLAY_P3, 13))
    assert np.array_equal(picture.pixels, read(png(swatches(), DISPLAY_P3, 13)).pixels)
    assert picture.alpha is not None
    assert (picture.alpha == 90).all()


@pytest.mark.parametrize(
    ("primaries", "transfer"),
    [(1, 13), (1, 1), (2, 2), (22, 13), (DISPLAY_P3, 8)],
    ids=["srgb", "television", "not stated", "unknown primaries", "unknown curve"],
)
def test_decode__takes_all_other_code_points_for_srgb(primaries: int, transfer: int) -> None:
    content = png(noise(), primaries, transfer)
    assert np.array_equal(read(content).pixels, np.asarray(noise()))
    assert facts_of(content)["icc"] == "none"


def test_decode__keeps_grey_whatever_its_code_points() -> None:
    grey = noise().convert("L")
    picture = read(png(grey, BT_2020, 14))
    assert picture.grey
    assert np.array_equal(picture.pixels[..., 0], np.asarray(grey))


@pytest.mark.parametrize("build", [pytest.param(avif, marks=needs_avif), png])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_open_source__refuses_high_dynamic_range(
    build: Callable[..., bytes], transfer: int, name: str
) -> None:
    with pytest.raises(UnsupportedFormatError) as caught:
        open_source(build(swatches(), BT_2020, transfer))
    assert caught.value.public_message == (
        "HDR pictures are not supported. Export this one as SDR, in sRGB or Display P3."
    )
    assert name in caught.value.detail


@needs_avif
def test_decode__believes_the_profile_of_an_avif_first() -> None:
    profile = linear_rgb_profile()
    stated = avif(swatches(), BT_2020, 16, icc_profile=profile)
    silent = encoded(swatches(), "AVIF", quality=100, subsampling="4:4:4", icc_profile=profile)
    assert np.array_equal(read(stated).pixels, read(silent).pixels)


def test_decode__believes_the_code_points_of_a_png_first() -> None:
    content = png(noise(), 1, 13, icc_profile=linear_rgb_profile())
    assert np.array_equal(read(content).pixels, np.asarray(noise()))


@pytest.mark.parametrize(
    ("primaries", "transfer"), [(2, 2), (22, 13), (DISPLAY_P3, 2), (DISPLAY_P3, 8)]
)
def test_decode__believes_the_profile_where_code_points_say_nothing(
    primaries: int, transfer: int
) -> None:
    profile = linear_rgb_profile()
    content = png(noise(), primaries, transfer, icc_profile=profile)
    assert np.array_equal(read(content).pixels, read(encoded(noise(), icc_profile=profile)).pixels)


def test_profile_of__the_primaries_of_srgb_changes_nothing() -> None:
    srgb = profile_of(((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)))
    assert to_srgb(noise(), srgb)[1] == "srgb"


# --- where an AVIF keeps them -----------------------------------------------------------------


def box(kind: bytes, *parts: bytes, large: bool = False) -> bytes:
    body = b"".join(parts)
    if large:
        return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), kind) + body


def colr(primaries: int, transfer: int) -> bytes:
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, 1, 0x80))


def two_items(*, wide: bool) -> bytes:
    """The gain map, in HDR, comes before the picture: boxes of an AVIF without any pixel.

    Args:
        wide: write each field in the larger of its two sizes.
    """
    item, place = (">I", ">H") if wide else (">H", ">B")
    essential = 0x8000 if wide else 0x80

    def associated(number: int, *places: int) -> bytes:
        count = struct.pack(">B", len(places))
        return struct.pack(item, number) + count + b"".join(struct.pack(place, p) for p in places)

    size = box(b"ispe", bytes(12))
    properties = box(b"ipco", size, colr(BT_2020, 16), colr(DISPLAY_P3, 13), large=wide)
    associations = box(
        b"ipma",
        *(bytes([wide, 0, 0, wide]), struct.pack(">I", 2)),
        *(associated(7, 1, 2), associated(9, 0, 1, 3 | essential)),
    )
    primary = box(b"pitm", bytes([wide, 0, 0, 0]), struct.pack(item, 9))
    described = box(b"iprp", properties, associations)
    return box(b"ftyp", b"avif") + box(b"meta", bytes(4), primary, described, large=wide)


@pytest.mark.parametrize("wide", [False, True])
def test_read_code_points__are_those_of_the_picture_itself(wide: bool) -> None:
    assert read_code_points(two_items(wide=wide), "avif") == CodePoints(DISPLAY_P3, 13)


def test_read_code_points__finds_none_in_a_file_that_is_cut_off() -> None:
    content = two_items(wide=True)
    found = {read_code_points(content[:end], "avif") for end in range(len(content))}
    assert found == {None}
    content = png(noise(), DISPLAY_P3, 13)
    assert {read_code_points(content[:end], "png") for end in range(41)} == {None}


def test_read_code_points__survives_damage() -> None:
    random = np.random.default_rng(5)
    content = two_items(wide=False)
    for _ in range(500):
        damaged = bytearray(content)
        for position in random.integers(0, len(content), 4):
            damaged[position] = random.integers(0, 256)
        found = read_code_points(bytes(damaged), "avif")
        assert found is None or found.primaries < 1 << 16


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_read_code_points__of_other_kinds_are_none(kind: str) -> None:
    assert read_code_points(encoded(noise(), kind.upper()), kind) is None
