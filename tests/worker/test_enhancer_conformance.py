"""What every enhancer must do, whatever is inside: one suite for all that ship."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from enhancer_worker.backend import NeuralEnhancer
from shopimg.backends.echo import EchoEnhancer
from shopimg.backends.pillow import PillowEnhancer
from shopimg.contract import (
    CLEAN,
    MIME_TYPES,
    Deadline,
    DeadlineExceededError,
    EnhancedImage,
    Enhancer,
    Output,
    Recipe,
    RecipeError,
    Restore,
    Role,
    SourceError,
    SourceTooLargeError,
    SourceUnreadableError,
    Step,
    UnsupportedFormatError,
    Upscale,
    WorkerError,
)
from shopimg.contract.provenance import (
    ALGORITHMICALLY_ENHANCED,
    GENERATED,
    UNKNOWN,
    declared_source_type,
    xmp_packet,
)
from tests.worker.recipe_runs import encoded

ENHANCERS: dict[str, Enhancer] = {
    "echo": EchoEnhancer(),
    "pillow": PillowEnhancer(),
    "neural": NeuralEnhancer(),
}
CHANGING = ["pillow", "neural"]
TWO_ROLES = Recipe(
    "two",
    (
        Role("zoom", (Restore(0.5), Upscale(to=120)), Output("webp", 80)),
        Role("feed", (Restore(0.5), Upscale(scale=2)), Output("png")),
    ),
)
NOTHING = Recipe("nothing", (Role("main", (Restore(0), Upscale(to=16)), Output("png")),))


@pytest.fixture(params=ENHANCERS)
def enhancer(request: pytest.FixtureRequest) -> Enhancer:
    return ENHANCERS[request.param]


@pytest.fixture(params=CHANGING)
def changing(request: pytest.FixtureRequest) -> Enhancer:
    """An enhancer that makes new files."""
    return ENHANCERS[request.param]


def photo(width: int = 48, height: int = 36) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / (3 + i)) * np.cos(y / (4 + i)) for i in range(3)]
    return Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8))


def run(enhancer: Enhancer, content: bytes, recipe: Recipe = CLEAN) -> list[EnhancedImage]:
    return list(enhancer.enhance(content, recipe, deadline=Deadline(math.inf)))


def bomb() -> bytes:
    """A PNG that claims 900 megapixels and holds none."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


def with_secrets(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "SECRET-DESCRIPTION"
    exif[0x0112] = 1
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    exif.get_ifd(0x8769)[0xA431] = "SECRET-SERIAL"
    options: dict[str, object] = {"exif": exif, "xmp": b"<x:xmpmeta>SECRET-XMP</x:xmpmeta>"}
    if kind == "JPEG":
        options["comment"] = b"SECRET-COMMENT"
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Author", "SECRET-AUTHOR")
        info.add_itxt("XML:com.adobe.xmp", "SECRET-XMP")
        options = {"exif": exif, "pnginfo": info}
    return encoded(photo(), kind, **options)


def test_enhancer__is_one(enhancer: Enhancer) -> None:
    assert isinstance(enhancer, Enhancer)


def test_enhancer__gives_one_image_per_role_in_order(enhancer: Enhancer) -> None:
    images = run(enhancer, encoded(photo()), TWO_ROLES)
    assert [image.role for image in images] == ["zoom", "feed"]


def test_enhancer__tells_the_truth_about_its_files(enhancer: Enhancer) -> None:
    for image in run(enhancer, encoded(photo()), TWO_ROLES):
        file = Image.open(io.BytesIO(image.content))
        assert file.size == (image.width, image.height)
        assert file.format is not None
        assert image.mime_type == MIME_TYPES[file.format.lower()]
        assert declared_source_type(image.content) == image.digital_source_type
        assert image.steps[0].name == "decode"
        assert all(report.seconds >= 0 for report in image.steps)


def test_enhancer__reaches_the_sizes_that_were_asked_for(changing: Enhancer) -> None:
    zoom, feed = run(changing, encoded(photo()), TWO_ROLES)
    assert (zoom.width, zoom.height, zoom.mime_type) == (120, 90, "image/webp")
    assert (feed.width, feed.height, feed.mime_type) == (96, 72, "image/png")


@pytest.mark.parametrize(
    "step",
    [
        Upscale(scale=3),
        Upscale(scale=3, flavour="faithful", strength=0.5),
        Upscale(scale=3, strength=0),
        Upscale(to=131),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_enhancer__enlarges_every_kind_of_picture_thrice(
    changing: Enhancer, step: Upscale, mode: str
) -> None:
    picture = photo().convert(mode)
    if mode == "RGBA":
        picture.putalpha(100)
    recipe = Recipe("thrice", (Role("main", (step,), Output("png")),))
    (image,) = run(changing, encoded(picture), recipe)
    result = np.asarray(Image.open(io.BytesIO(image.content)))
    size = (144, 108) if step.scale else (131, 98)
    assert (image.width, image.height) == size == step.result_size(48, 36)
    assert result.shape == (size[1], size[0], 4 if mode == "RGBA" else 3)
    if mode == "L":
        assert (result == result[..., :1]).all()
    if mode == "RGBA":
        assert (result[..., 3] == 100).all()


@pytest.mark.parametrize(
    "step", [Restore(1, "a.pth", "0" * 64), Upscale(None, 50, "photo", 1, "a.pth", "0" * 64)]
)
def test_enhancer__never_replaces_a_network_that_is_not_there(
    changing: Enhancer, step: Step
) -> None:
    recipe = Recipe("foreign", (Role("main", (step,)),))
    with pytest.raises((RecipeError, WorkerError)) as caught:
        run(changing, encoded(photo()), recipe)
    assert "a.pth" in str(caught.value)


def test_enhancer__turns_pictures_upright(changing: Enhancer) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (image,) = run(changing, encoded(photo(48, 36), "JPEG", exif=exif))
    assert (image.width, image.height) == (72, 96)


def test_enhancer__states_the_origin(changing: Enhancer) -> None:
    (image,) = run(changing, encoded(photo()))
    assert image.digital_source_type == ALGORITHMICALLY_ENHANCED


def test_enhancer__claims_nothing_where_nothing_ran(enhancer: Enhancer) -> None:
    (image,) = run(enhancer, encoded(photo()), NOTHING)
    assert image.digital_source_type == UNKNOWN
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(image.content))), np.asarray(photo()))


def test_enhancer__does_not_hide_that_the_upload_was_generated(enhancer: Enhancer) -> None:
    (image,) = run(enhancer, encoded(photo(), "WEBP", xmp=xmp_packet(GENERATED)))
    assert image.digital_source_type == GENERATED


def test_enhancer__keeps_transparency(changing: Enhancer) -> None:
    picture = photo()
    picture.putalpha(100)
    (image,) = run(changing, encoded(picture))
    assert image.mime_type == "image/webp"
    assert Image.open(io.BytesIO(image.content)).getchannel("A").getextrema() == (100, 100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_enhancer__leaves_nothing_private(changing: Enhancer, kind: str) -> None:
    content = with_secrets(kind)
    assert b"SECRET" in content
    for image in run(changing, content, TWO_ROLES):
        assert b"SECRET" not in image.content
        file = Image.open(io.BytesIO(image.content))
        assert dict(file.getexif()) == {}
        assert not {"exif", "comment", "Author"} & set(file.info)


@pytest.mark.parametrize(
    ("build", "error"),
    [
        (lambda: b"", SourceUnreadableError),
        (lambda: b"no picture at all", SourceUnreadableError),
        (lambda: encoded(photo(200, 200), "JPEG")[:900], SourceUnreadableError),
        (lambda: encoded(photo(200, 200))[:900], SourceUnreadableError),
        (bomb, SourceTooLargeError),
        (lambda: b"\xff\xd8\xff" + bytes(20_000_000), SourceTooLargeError),
        (lambda: encoded(photo(8, 8)), SourceError),
        (lambda: encoded(photo(), "GIF"), UnsupportedFormatError),
        (lambda: encoded(photo(), "TIFF"), UnsupportedFormatError),
        (
            lambda: encoded(photo(), "WEBP", save_all=True, append_images=[photo().rotate(90)]),
            UnsupportedFormatError,
        ),
    ],
    ids=[
        "empty",
        "text",
        "cut jpeg",
        "cut png",
        "bomb",
        "heavy",
        "tiny",
        "gif",
        "tiff",
        "animated",
    ],
)
def test_enhancer__refuses_with_a_typed_error(
    enhancer: Enhancer, build: Callable[[], bytes], error: type[SourceError]
) -> None:
    with pytest.raises(error) as caught:
        run(enhancer, build())
    assert type(caught.value) is error
    assert caught.value.public_message


def test_enhancer__refuses_results_that_would_be_too_large(changing: Enhancer) -> None:
    content = encoded(Image.new("L", (6100, 1000)))
    with pytest.raises(SourceTooLargeError):
        run(changing, content, CLEAN)


def test_enhancer__respects_a_deadline_that_has_passed(enhancer: Enhancer) -> None:
    with pytest.raises(DeadlineExceededError):
        enhancer.enhance(encoded(photo()), CLEAN, deadline=Deadline(-1))


def test_enhancer__lets_the_lease_stop_it(changing: Enhancer) -> None:
    class LostLeaseError(DeadlineExceededError):
        pass

    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) > 2:
            raise LostLeaseError

    with pytest.raises(LostLeaseError):
        changing.enhance(encoded(photo()), CLEAN, deadline=Deadline(math.inf, checks=[check]))


def test_enhancer__gives_equal_bytes_for_equal_input(enhancer: Enhancer) -> None:
    first = run(enhancer, encoded(photo()), TWO_ROLES)
    with pytest.raises(SourceUnreadableError):
        run(enhancer, b"something in between")
    run(enhancer, encoded(photo(64, 64)))
    second = run(enhancer, encoded(photo()), TWO_ROLES)
    assert [image.content for image in first] == [image.content for image in second]
    assert [image.weights for image in first] == [image.weights for image in second]
