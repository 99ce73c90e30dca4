"""Writes a finished picture: sRGB, upright, with a truthful origin and nothing private."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.icc import srgb_profile
from enhancer_worker.pipeline.white_jpeg import whiten
from shopimg.contract import MIME_TYPES, Output, RecipeError

_FULL_CHROMA_QUALITY = 90
_LARGEST_HELD_PIXELS = 50_000_000
"""Of pictures of which all coefficients may be in memory at once."""
_WRITTEN_AS_IT_COMES = {"optimize": False, "progressive": False}


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """A file ready to store."""

    content: bytes
    """The file."""
    format: str
    """One of ``MIME_TYPES``; WebP where JPEG was asked for and there is transparency."""

    @property
    def mime_type(self) -> str:
        """Media type."""
        return MIME_TYPES[self.format]


def encode(
    picture: Picture, output: Output, xmp: bytes, white: NDArray[np.bool_] | None = None
) -> EncodedFile:
    """Write a picture; equal pictures give equal bytes.

    Args:
        picture: sRGB.
        output: format and quality.
        xmp: packet to embed; may be empty.
        white: (H, W), bool: where a JPEG file of at most 50 megapixels is to be exactly 255; None
            where it does not matter. WebP and AVIF cannot be made to; a PNG is as the picture is.

    Raises:
        RecipeError: this installation cannot write the format.
    """
    kind = output.format
    if kind == "jpeg" and picture.alpha is not None:
        kind = "webp"
    Image.init()
    if kind.upper() not in Image.SAVE:
        raise RecipeError(f"This worker cannot write {kind} files.")
    image = _to_image(picture)
    options = {**_embed(kind, xmp), **_OPTIONS[kind](output.quality, image)}
    is_held = image.width * image.height <= _LARGEST_HELD_PIXELS
    if kind == "jpeg" and is_held and white is not None and white.any():
        options |= {"subsampling": "4:4:4", **_WRITTEN_AS_IT_COMES}
        content = whiten(_save(image, kind, options), picture.pixels, white)
        return EncodedFile(content, kind)
    try:
        return EncodedFile(_save(image, kind, options), kind)
    except OSError:
        if kind != "jpeg":
            raise
    # Of what is not written as it comes, Pillow keeps one or two bytes for each pixel: noise
    # takes more.
    return EncodedFile(_save(image, kind, {**options, **_WRITTEN_AS_IT_COMES}), kind)


def encode_mask(mask: NDArray[np.uint8], size: tuple[int, int]) -> bytes:
    """Write a mask as a PNG of one channel.

    Args:
        mask: (H, W), uint8.
        size: width and height of the file, pixels.
    """
    buffer = io.BytesIO()
    image = Image.fromarray(mask)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BOX)
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _save(image: Image.Image, kind: str, options: Mapping[str, Any]) -> bytes:
    with _buffer(kind) as buffer:
        image.save(buffer, kind.upper(), icc_profile=srgb_profile(), **options)
        buffer.seek(0)
        return buffer.read()


def _buffer(kind: str) -> BinaryIO:
    """Open a file in memory.

    While Pillow encodes a JPEG into an object of Python's, no other thread runs; into a file of
    the system's, they do. Other formats let them run anyway.
    """
    if kind == "jpeg" and hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # a container may forbid it
            return os.fdopen(os.memfd_create("encoded"), "w+b")
    return io.BytesIO()


def _to_image(picture: Picture) -> Image.Image:
    if picture.alpha is None:
        return Image.fromarray(picture.pixels)
    return Image.fromarray(np.dstack([picture.pixels, picture.alpha]))


def _embed(kind: str, xmp: bytes) -> dict[str, Any]:
    if not xmp:
        return {}
    if kind == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return {"pnginfo": info}
    return {"xmp": xmp}


def _jpeg_options(quality: int, image: Image.Image) -> dict[str, Any]:
    return {
        "quality": quality,
        # Fine coloured edges (logos, seams) survive only with full chroma.
        "subsampling": "4:4:4" if quality >= _FULL_CHROMA_QUALITY else "4:2:0",
        "optimize": True,
        # A progressive file keeps all coefficients in memory while it is written.
        "progressive": image.width * image.height <= _LARGEST_HELD_PIXELS,
    }


def _png_options(_quality: int, _image: Image.Image) -> dict[str, Any]:
    return {"compress_level": 6}


def _webp_options(quality: int, _image: Image.Image) -> dict[str, Any]:
    return {"quality": quality, "method": 4, "alpha_quality": 100}


def _avif_options(quality: int, _image: Image.Image) -> dict[str, Any]:
    chroma = "4:4:4" if quality >= _FULL_CHROMA_QUALITY else "4:2:0"
    return {"quality": quality, "speed": 6, "subsampling": chroma}


_OPTIONS: Mapping[str, Callable[[int, Image.Image], dict[str, Any]]] = {
    "jpeg": _jpeg_options,
    "png": _png_options,
    "webp": _webp_options,
    "avif": _avif_options,
}
