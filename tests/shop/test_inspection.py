"""What the header of an upload tells, and that nothing else is looked at."""

from __future__ import annotations

import struct
import zlib
from typing import Any, NoReturn

import pytest
from PIL import Image, PngImagePlugin

from shopimg import inspection
from shopimg.contract import SourceError, SourceTooLargeError
from tests import builders


@pytest.fixture(autouse=True)
def _nothing_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where pixels are decoded: a web process has no time and no memory for them."""

    def load(*_args: Any) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", load)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize("options", [{}, {"exif": turned()}])
def test_inspect__png_by_its_header(options: dict[str, Any]) -> None:
    found = inspection.inspect(builders.picture((64, 48), kind="PNG", **options), "a.png")
    assert (found.format, found.width, found.height) == (
        ("PNG", 48, 64) if options else ("PNG", 64, 48)
    )


def test_inspect__exif_behind_the_pixels_turns_a_png() -> None:
    content = builders.picture((64, 48), kind="PNG")
    late = turned().tobytes().removeprefix(b"Exif\0\0")
    chunk = b"eXIf" + late
    body = struct.pack(">I", len(late)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = content.index(b"IEND") - 4
    found = inspection.inspect(content[:end] + body + content[end:], "a.png")
    assert (found.width, found.height) == (48, 64)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_inspect__damaged_exif_refuses_no_picture(kind: str) -> None:
    damaged = b"Exif\0\0no header of a TIFF file"
    content = builders.picture((64, 48), kind=kind, exif=damaged)
    suffix = kind.lower().replace("jpeg", "jpg")
    found = inspection.inspect(content, f"a.{suffix}")
    assert (found.width, found.height) == (64, 48)


@pytest.mark.parametrize(
    ("size", "error"),
    [
        ((7500, 7500), SourceTooLargeError),
        ((12_001, 700), SourceTooLargeError),
        ((9, 9), SourceError),
    ],
)
def test_inspect__refuses_a_size_by_its_header(
    size: tuple[int, int], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"pixels"):
        inspection.inspect(builders.picture(size, 0, kind="PNG", mode="L"), "a.png")
