"""Uploads of every kind, good and hostile, and the exact outcome of each."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from enhancer_worker.pipeline import decode as decode_module
from enhancer_worker.pipeline.decode import decode, open_source
from shopimg.contract import (
    EnhancementError,
    SourceError,
    SourceTooLargeError,
    SourceUnreadableError,
    UnsupportedFormatError,
)
from shopimg.contract.provenance import GENERATED, UNKNOWN, xmp_packet
from tests.worker.decoding import facts_of, needs_avif, noise, read
from tests.worker.recipe_runs import encoded


def corners(width: int = 32, height: int = 16) -> Image.Image:
    """Red, green, blue, white quarters: any turn or flip shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 255)
    return Image.fromarray(pixels)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"IDAT" + zlib.compress(b"")
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + header + chunk


# --- good files -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "WEBP", pytest.param("AVIF", marks=needs_avif)])
def test_decode__reads_lossless_formats(kind: str) -> None:
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    picture = read(encoded(noise(), kind, **options.get(kind, {})))
    difference = picture.pixels.astype(int) - np.asarray(noise())
    assert np.abs(difference).max() <= (3 if kind == "AVIF" else 0)
    assert picture.alpha is None
    assert not picture.grey


def test_decode__reads_jpeg() -> None:
    content = encoded(corners(64, 64), "JPEG", quality=100, subsampling=0)
    assert np.abs(read(content).pixels.astype(int) - np.asarray(corners(64, 64))).max() <= 3
    assert facts_of(content) == {"format": "jpeg", "mode": "RGB", "orientation": 1, "icc": "none"}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_decode__turns_pictures_upright(orientation: int, kind: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = corners(64, 48)
    if orientation > 1:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = open_source(encoded(stored, kind, exif=exif, quality=95))
    assert source.size == (64, 48)
    pixels = decode(source)[0].pixels[[4, 4, -4, -4], [4, -4, 4, -4]].astype(int)
    assert np.abs(pixels - [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]).max() < 8


def test_open_source__reads_the_exif_behind_a_png_without_decoding_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = encoded(corners(64, 48), "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    late = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(late) - 4) + late + struct.pack(">I", zlib.crc32(late))
    end = plain.index(b"IEND") - 4
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", None)
    for content, size in ((plain, (64, 48)), (plain[:end] + chunk + plain[end:], (48, 64))):
        assert open_source(content).size == size


def test_decode__survives_damaged_exif() -> None:
    content = encoded(corners(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert open_source(content).orientation == 1
    assert read(content).width == 32


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_decode__keeps_grey_neutral(mode: str) -> None:
    picture = read(encoded(noise().convert("L").convert(mode)))
    assert picture.grey
    assert (picture.pixels[..., :1] == picture.pixels).all()
    assert picture.alpha is None


def test_decode__notices_grey_in_colour_files() -> None:
    assert read(encoded(noise().convert("L").convert("RGB"))).grey


def test_decode__scales_16_bit_grey() -> None:
    levels = np.array([[0, 128, 129, 257, 32_768, 65_535]] * 16, np.uint16).repeat(4, axis=1)
    picture = read(encoded(Image.fromarray(levels)))
    assert picture.pixels[0, ::4, 0].tolist() == [0, 0, 1, 1, 128, 255]
    assert picture.grey


def test_decode__clears_one_level_of_16_bit_grey() -> None:
    levels = np.array([[0, 128, 129, 257, 32_768, 65_535]] * 16, np.uint16).repeat(4, axis=1)
    picture = read(encoded(Image.fromarray(levels), transparency=129))
    assert picture.alpha is not None
    assert picture.alpha[0, ::4].tolist() == [255, 255, 0, 255, 255, 255]
    assert picture.pixels[0, ::4, 0].tolist() == [0, 0, 1, 1, 128, 255]


def test_decode__reads_16_bit_colour() -> None:
    rows = b"".join(b"\x00" + b"\xff\xff\x80\x00\x00\x00" * 16 for _ in range(16))
    picture = read(png_of(16, 16, depth=16, colour_type=2, rows=rows))
    assert picture.pixels[0, 0].tolist() == [255, 128, 0]


def png_of(width: int, height: int, *, depth: int, colour_type: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_decode__keeps_alpha() -> None:
    alpha = Image.fromarray(np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8))
    image = noise()
    image.putalpha(alpha)
    picture = read(encoded(image))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, np.asarray(alpha))
    assert np.array_equal(picture.pixels, np.asarray(noise()))


def test_decode__turns_alpha_too() -> None:
    image = corners().convert("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read(encoded(image, exif=exif))
    assert picture.alpha is not None
    assert picture.alpha.shape == (32, 16)
    assert np.argwhere(picture.alpha == 0).tolist() == [[0, 15]]


def test_decode__reads_palettes_with_transparency() -> None:
    image = corners().quantize(4)
    transparent = image.getpixel((0, 0))
    picture = read(encoded(image, transparency=transparent))
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 0
    assert picture.alpha[-1, -1] == 255
    assert picture.pixels[-1, -1].tolist() == [255, 255, 255]


def test_decode__reads_a_transparent_colour() -> None:
    picture = read(encoded(corners(), transparency=(255, 0, 0)))
    assert picture.alpha is not None
    assert (picture.alpha[:8, :16] == 0).all()
    assert (picture.alpha[8:] == 255).all()


def test_decode__reads_cmyk() -> None:
    content = encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG", quality=95)
    red = read(content).pixels[16, 16].astype(int)
    assert np.abs(red - [255, 0, 0]).max() < 6


def test_decode__takes_the_first_picture_of_a_phones_jpeg() -> None:
    content = encoded(
        corners(64, 64), "MPO", save_all=True, append_images=[noise(64, 64)], quality=95
    )
    assert np.abs(read(content).pixels[4, 4].astype(int) - [255, 0, 0]).max() < 8


def test_decode__goes_by_content_and_has_no_name_to_go_by() -> None:
    assert open_source(encoded(corners(), "PNG")).kind == "png"
    assert open_source(encoded(corners(), "WEBP")).kind == "webp"


def test_open_source__reads_what_the_upload_says_of_its_origin() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp_packet(GENERATED).decode())
    assert open_source(encoded(corners(), pnginfo=info)).declared_source_type == GENERATED
    content = encoded(corners(), "JPEG", xmp=xmp_packet(GENERATED))
    assert open_source(content).declared_source_type == GENERATED
    assert open_source(encoded(corners())).declared_source_type == UNKNOWN


# --- colour profiles ------------------------------------------------------------------------


# --- hostile and odd files ------------------------------------------------------------------


def cut(content: bytes, share: float) -> bytes:
    return content[: int(len(content) * share)]


HOSTILE: dict[str, tuple[Callable[[], bytes], type[EnhancementError], str]] = {
    "empty": (lambda: b"", SourceUnreadableError, "no known picture signature"),
    "text": (lambda: b"hello, world", SourceUnreadableError, "no known picture signature"),
    "html": (lambda: b"<html><body>", SourceUnreadableError, "no known picture signature"),
    "jpeg cut in the data": (
        lambda: cut(encoded(noise(256, 256), "JPEG"), 0.5), SourceUnreadableError, "truncated",
    ),
    "jpeg cut in the header": (
        lambda: encoded(noise(), "JPEG")[:12], SourceUnreadableError, "",
    ),
    "jpeg magic only": (lambda: b"\xff\xd8\xff", SourceUnreadableError, ""),
    "png cut in the data": (
        lambda: cut(encoded(noise(256, 256)), 0.5), SourceUnreadableError, "",
    ),
    "png with a wrong checksum": (
        lambda: encoded(noise()).replace(b"IDAT", b"IDAT\x00", 1), SourceUnreadableError, "",
    ),
    "png without data": (lambda: png_header(64, 64), SourceUnreadableError, ""),
    "webp cut in the data": (
        lambda: cut(encoded(noise(256, 256), "WEBP"), 0.5), SourceUnreadableError, "",
    ),
    "png bomb": (lambda: png_header(30_000, 30_000), SourceTooLargeError, "900000000 pixels"),
    "png just below Pillow's own limit": (
        lambda: png_header(9400, 9400), SourceTooLargeError, "9400x9400",
    ),
    "long side": (lambda: png_header(12_001, 700), SourceTooLargeError, "12001x700"),
    "narrow": (lambda: png_header(2100, 100), SourceError, "2100x100"),
    "tiny": (lambda: encoded(Image.new("RGB", (15, 40))), SourceError, "15x40"),
    "heavy": (lambda: b"\xff\xd8\xff" + bytes(20_000_000), SourceTooLargeError, "bytes"),
    "gif": (lambda: encoded(noise(), "GIF"), UnsupportedFormatError, "GIF"),
    "tiff": (lambda: encoded(noise(), "TIFF"), UnsupportedFormatError, "TIFF"),
    "bmp": (lambda: encoded(noise(), "BMP"), UnsupportedFormatError, "BMP"),
    "eps": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0", UnsupportedFormatError, "PostScript"),
    "pdf": (lambda: b"%PDF-1.7", UnsupportedFormatError, "PDF"),
    "psd": (lambda: b"8BPS\x00\x01", UnsupportedFormatError, "Photoshop"),
    "svg": (lambda: b'<?xml version="1.0"?><svg/>', UnsupportedFormatError, "SVG"),
    "heic": (lambda: b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", UnsupportedFormatError,
             "HEIC"),
    "mp4": (lambda: b"\x00\x00\x00\x18ftypisom", UnsupportedFormatError, "video"),
    "animated webp": (
        lambda: encoded(noise(), "WEBP", save_all=True, append_images=[corners(64, 48)]),
        UnsupportedFormatError, "2 frames",
    ),
    "animated png": (
        lambda: encoded(noise(), "PNG", save_all=True, append_images=[corners(64, 48)]),
        UnsupportedFormatError, "2 frames",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_decode__refuses(name: str) -> None:
    build, error, words = HOSTILE[name]
    with pytest.raises(error) as caught:
        read(build())
    assert type(caught.value) is error
    assert words in str(caught.value)


def test_open_source__refuses_a_bomb_before_it_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(SourceTooLargeError):
        open_source(png_header(10_000, 9000))


def test_open_source__refuses_avif_without_the_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module.features, "check", lambda name: False)
    with pytest.raises(UnsupportedFormatError, match="without AVIF"):
        open_source(b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_decode__raises_only_contract_errors_on_damaged_files(kind: str) -> None:
    random = np.random.default_rng(7)
    content = encoded(noise(96, 96), kind)
    for _ in range(60):
        damaged = bytearray(content)
        for position in random.integers(4, len(content), 8):
            damaged[position] = random.integers(0, 256)
        try:
            picture = read(bytes(damaged[: random.integers(16, len(content) + 1)]))
        except SourceError:
            continue
        assert picture.pixels.shape[2] == 3


def test_decode__keeps_the_array_writable_and_apart() -> None:
    pixels: NDArray[np.uint8] = read(encoded(noise())).pixels
    pixels[0, 0] = 7
    assert pixels[0, 0].tolist() == [7, 7, 7]
