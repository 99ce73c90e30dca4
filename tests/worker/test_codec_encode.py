"""Results as files: formats, profile, origin, and nothing private."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from enhancer_worker.pipeline import icc
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.encode import encode
from shopimg.contract import MIME_TYPES, Output, RecipeError
from shopimg.contract.provenance import ALGORITHMICALLY_ENHANCED, declared_source_type, xmp_packet

PIXELS = np.random.default_rng(3).integers(0, 256, (40, 56, 3), np.uint8)
ALPHA = np.linspace(0, 255, 40 * 56).reshape(40, 56).astype(np.uint8)
XMP = xmp_packet(ALGORITHMICALLY_ENHANCED)
FORMATS = [kind for kind in MIME_TYPES if kind != "avif" or features.check("avif")]


def reopened(picture: Picture, kind: str, quality: int = 92, xmp: bytes = XMP) -> Image.Image:
    image = Image.open(io.BytesIO(encode(picture, Output(kind, quality), xmp).content))
    image.load()
    return image


@pytest.mark.parametrize("kind", FORMATS)
def test_encode__writes_every_format(kind: str) -> None:
    file = encode(Picture(PIXELS), Output(kind), XMP)
    assert (file.format, file.mime_type) == (kind, MIME_TYPES[kind])
    image = Image.open(io.BytesIO(file.content))
    assert (image.format, image.size, image.mode) == (kind.upper(), (56, 40), "RGB")


@pytest.mark.parametrize("kind", FORMATS)
def test_encode__embeds_srgb_and_origin(kind: str) -> None:
    info = reopened(Picture(PIXELS), kind).info
    profile = ImageCms.ImageCmsProfile(io.BytesIO(info["icc_profile"]))
    assert ImageCms.getProfileDescription(profile).strip() == "sRGB built-in"
    xmp = info.get("xmp") or info["XML:com.adobe.xmp"].encode()
    assert declared_source_type(xmp) == ALGORITHMICALLY_ENHANCED


@pytest.mark.parametrize("kind", FORMATS)
def test_encode__makes_no_statement_without_one(kind: str) -> None:
    content = encode(Picture(PIXELS), Output(kind), b"").content
    assert b"digitalsourcetype" not in content
    assert b"xpacket" not in content


def test_encode__writes_png_without_loss() -> None:
    image = reopened(Picture(PIXELS, ALPHA), "png")
    assert np.array_equal(np.asarray(image), np.dstack([PIXELS, ALPHA]))


@pytest.mark.parametrize("kind", FORMATS)
def test_encode__keeps_alpha(kind: str) -> None:
    file = encode(Picture(PIXELS, ALPHA), Output(kind), b"")
    assert file.format == ("webp" if kind == "jpeg" else kind)
    image = Image.open(io.BytesIO(file.content))
    difference = np.asarray(image.getchannel("A")).astype(int) - ALPHA
    assert np.abs(difference).max() <= (6 if kind == "avif" else 0)


def test_encode__keeps_fine_colours_at_high_quality() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2], stripes[:, 1::2] = (255, 0, 0), (0, 0, 255)
    kept = np.asarray(reopened(Picture(stripes), "jpeg", 92)).astype(int)
    assert np.abs(kept - stripes).max() < 30
    smeared = np.asarray(reopened(Picture(stripes), "jpeg", 80)).astype(int)
    assert np.abs(smeared - stripes).max() > 60


def test_encode__is_progressive() -> None:
    assert reopened(Picture(PIXELS), "jpeg").info["progressive"] == 1


@pytest.mark.parametrize("quality", [92, 100])
def test_encode__writes_noise_that_takes_more_than_a_byte_for_each_pixel(quality: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    encoded = encode(Picture(noise), Output("jpeg", quality), XMP)
    assert len(encoded.content) > 2 * 300 * 300
    with Image.open(io.BytesIO(encoded.content)) as image:
        assert np.abs(np.asarray(image).astype(int) - noise).mean() < 10


@pytest.mark.parametrize("kind", FORMATS)
def test_encode__keeps_pure_white(kind: str) -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    assert (np.asarray(reopened(Picture(white), kind, 75)) == 255).all()


@pytest.mark.parametrize("kind", FORMATS)
def test_encode__is_deterministic(kind: str) -> None:
    first, second = (encode(Picture(PIXELS), Output(kind), XMP) for _ in range(2))
    assert first.content == second.content


def test_srgb_profile__does_not_know_the_time() -> None:
    first = icc.srgb_profile()
    icc.srgb_profile.cache_clear()
    assert icc.srgb_profile() == first
    assert first[24:36].hex() == "07d000010001000000000000"


def test_encode__says_what_it_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.delitem(Image.SAVE, "WEBP")
    with pytest.raises(RecipeError, match="cannot write webp files"):
        encode(Picture(PIXELS), Output("webp"), b"")
