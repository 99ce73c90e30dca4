"""What a picture file is, measured on files that Pillow writes."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageCms, ImageDraw
from PIL.PngImagePlugin import PngInfo

from shopimg.backgrounds import Background, look_at_background
from shopimg.contract import (
    SourceTooLargeError,
    SourceUnreadableError,
    UnsupportedFormatError,
    limits,
)
from shopimg.contract.provenance import GENERATED, xmp_packet
from shopimg.jpeg_quality import estimate_quality
from shopimg.measuring import CMYK, SRGB, UNTAGGED, Measured, measure
from tests.shop.pictures import encoded, product

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
NOTHING_FOUND = Background(None, 0.0, 120, None, None)


def _photo() -> Image.Image:
    return product((400, 200), (40, 20, 360, 180))


def test_measure__tells_all_of_a_plain_product() -> None:
    data = encoded(_photo())
    assert measure(data) == Measured(
        format="PNG",
        width=400,
        height=200,
        size_bytes=len(data),
        frames=1,
        is_transparent=False,
        colour_space=UNTAGGED,
        jpeg_quality=None,
        background=Background((40, 20, 360, 180), 1.0, 255, 1.0, 255),
        digital_source_type="",
    )


def test_measured__derives_what_rules_ask_for() -> None:
    found = measure(encoded(_photo()))
    assert (found.longest_side, found.shortest_side, found.pixels) == (400, 200, 80_000)
    assert (found.ratio, found.fill) == (2.0, 0.8)
    lying = measure(encoded(product((400, 200), (10, 90, 390, 110))))
    assert lying.fill == 0.95  # a pen: by length, not by its 9.5 % of the area


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
def test_measure__reads_every_format(kind: str) -> None:
    found = measure(encoded(_photo(), kind))
    assert (found.format, found.width, found.height, found.frames) == (kind, 400, 200, 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_measure__reads_every_mode(mode: str) -> None:
    kind = "PNG" if mode in ("1", "LA", "P", "RGBA", "I;16") else "TIFF"
    found = measure(encoded(Image.new("L", (40, 20), 255).convert(mode), kind))
    assert (found.width, found.height) == (40, 20)


@pytest.mark.parametrize("quality", range(50, 96))
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_measure__finds_the_jpeg_quality(quality: int, mode: str) -> None:
    data = encoded(Image.new(mode, (16, 16), 99), "JPEG", quality=quality)
    assert measure(data).jpeg_quality == quality


@pytest.mark.parametrize("quality", [50, 75, 92, 100])
def test_estimate_quality__does_not_look_at_chroma_that_is_kept_whole(quality: int) -> None:
    with Image.open(io.BytesIO(encoded(_photo(), "JPEG", quality=quality))) as image:
        luma = image.quantization[0]
    assert estimate_quality({0: luma, 1: [1] * 64}) == quality


def test_estimate_quality__comes_close_for_tables_of_others() -> None:
    with Image.open(io.BytesIO(encoded(_photo(), "JPEG", quality=80))) as image:
        tables = {
            number: [step + (place % 3 == 0) for place, step in enumerate(table)]
            for number, table in image.quantization.items()
        }
    assert estimate_quality(tables) == pytest.approx(80, abs=2)
    assert estimate_quality({}) is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_measure__sees_the_picture_upright(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = measure(encoded(product((400, 200), (0, 20, 100, 180)), kind, exif=exif, quality=95))
    assert (found.width, found.height) == (200, 400)
    assert found.background.product_box is not None
    assert found.background.product_box[1] == 0  # the left edge is on top now


def test_measure__counts_frames_but_not_the_second_picture_of_a_phone() -> None:
    still, other = product(), product(ground="grey")
    assert measure(encoded(still, "GIF", save_all=True, append_images=[other])).frames == 2
    phone = measure(encoded(still, "MPO", save_all=True, append_images=[other]))
    assert (phone.format, phone.frames) == ("JPEG", 1)


@pytest.mark.parametrize(
    ("mode", "profile", "expected"),
    [
        ("RGB", SRGB_PROFILE, SRGB),
        ("RGB", b"", UNTAGGED),
        ("RGB", b"broken", UNTAGGED),
        ("RGB", LAB_PROFILE, "Lab identity built-in"),
        ("CMYK", b"", CMYK),
    ],
)
def test_measure__tells_the_colour_space(mode: str, profile: bytes, expected: str) -> None:
    data = encoded(_photo().convert(mode), "TIFF", icc_profile=profile)
    assert measure(data).colour_space == expected


def test_measure__is_not_fooled_by_the_name_of_a_profile() -> None:
    red, redder = b"\0\0\x6f\xa0", b"\0\0\x9c\x18"  # X of the primary: sRGB and Adobe RGB
    assert SRGB_PROFILE.count(red) == 1
    data = encoded(_photo(), icc_profile=SRGB_PROFILE.replace(red, redder))
    assert measure(data).colour_space == "sRGB built-in"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_measure__reads_the_origin_that_a_file_states(kind: str) -> None:
    xmp = xmp_packet(GENERATED)
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options = {"pnginfo": info} if kind == "PNG" else {"xmp": xmp}
    assert measure(encoded(_photo(), kind, **options)).digital_source_type == GENERATED


def test_measure__transparent_is_not_white() -> None:
    picture = product(ground=(255, 255, 255, 0), mode="RGBA")
    found = measure(encoded(picture))
    assert found.is_transparent
    assert found.background == Background((50, 50, 350, 350), 0.0, 0, 0.0, 0)
    assert not measure(encoded(product(mode="RGBA"))).is_transparent


def test_background__off_white_by_one_level_is_told() -> None:
    found = look_at_background(product(ground=(255, 254, 255)))
    assert found == Background((50, 50, 350, 350), 0.0, 254, 0.0, 254)


def test_background__counts_single_pixels_of_the_border_and_outside_the_product() -> None:
    picture = product((400, 200), (100, 50, 300, 150))
    ImageDraw.Draw(picture).line((0, 3, 9, 3), fill=(250, 255, 255))
    found = look_at_background(picture)
    border = 400 * 200 - 396 * 196  # 2 pixels: 1 % of the shorter side
    assert found.border_white_share == 1 - 2 / border
    outside = 400 * 200 - 232 * 132  # the box and 16 pixels around it
    assert found.outside_white_share == 1 - 10 / outside
    assert (found.border_minimum, found.outside_minimum) == (250, 250)


@pytest.mark.parametrize("quality", [60, 80, 95])
def test_background__jpeg_does_not_move_the_product_or_stain_the_white(quality: int) -> None:
    box = (101, 85, 709, 723)  # edges within JPEG's blocks, which smear them
    found = measure(encoded(product((800, 800), box), "JPEG", quality=quality)).background
    assert found.product_box == pytest.approx(box, abs=1)
    assert (found.border_white_share, found.outside_white_share) == (1.0, 1.0)


def test_background__specks_are_no_product() -> None:
    picture = product()
    picture.putpixel((10, 10), (0, 0, 0))
    ImageDraw.Draw(picture).line((380, 5, 380, 395), fill=(0, 0, 0))
    assert look_at_background(picture).product_box == (50, 50, 350, 350)


@pytest.mark.parametrize("box", [(0, 0, 40, 40), (360, 360, 400, 400), (0, 100, 2, 102)])
def test_background__product_in_the_corner_is_found_whole(box: tuple[int, int, int, int]) -> None:
    assert look_at_background(product(box=box)).product_box == box


def test_background__product_cut_by_a_side_leaves_the_border_white() -> None:
    found = look_at_background(product(box=(100, 100, 300, 400)))
    assert (found.product_box, found.border_white_share) == ((100, 100, 300, 400), 1.0)


def test_background__product_over_the_whole_frame_has_nothing_outside() -> None:
    picture = product(box=None)
    ImageDraw.Draw(picture).line((0, 0, 399, 399), fill="black", width=9)
    found = look_at_background(picture)
    assert found == Background((0, 0, 400, 400), 1.0, 255, None, None)


def test_background__only_a_plain_light_one_shows_the_product() -> None:
    assert look_at_background(product(ground=(120,) * 3)) == NOTHING_FOUND
    wall = Image.linear_gradient("L").resize((400, 400)).convert("RGB")
    assert look_at_background(wall).product_box is None
    bright = wall.point(lambda level: 200 + level * 55 // 255)
    assert look_at_background(bright).product_box is None
    assert look_at_background(product(ground=(214, 221, 208))).product_box == (50, 50, 350, 350)
    assert look_at_background(product(box=None)) == Background(None, 1.0, 255, None, None)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", SourceUnreadableError, "The file is empty"),
        (b"no picture", SourceUnreadableError, "no known picture signature"),
        (b"<svg/>", UnsupportedFormatError, "SVG"),
        (b"\0\0\0\x20ftypheic" + bytes(60), UnsupportedFormatError, "HEIC"),
        (encoded(_photo(), "JPEG")[:600], SourceUnreadableError, "runcated"),
        (encoded(_photo())[:100], SourceUnreadableError, "damaged"),
    ],
)
def test_measure__refuses_what_it_cannot_read(
    data: bytes, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        measure(data)


def test_measure__refuses_a_bomb_before_decoding_it(monkeypatch) -> None:
    monkeypatch.setattr(limits, "MAX_OUTPUT_PIXELS", 79_999)
    with pytest.raises(SourceTooLargeError):
        measure(encoded(_photo())[:60])  # the header alone


def test_measure__takes_results_that_pillow_would_warn_of(monkeypatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    assert measure(encoded(_photo())).pixels == 80_000
