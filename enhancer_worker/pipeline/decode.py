"""Opens an upload with suspicion and turns it into an upright sRGB picture."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from enhancer_worker.engine.device_jpeg import DeviceJpeg
from enhancer_worker.errors import reading_source
from enhancer_worker.pipeline.cicp import read_code_points
from enhancer_worker.pipeline.context import Picture
from enhancer_worker.pipeline.icc import to_srgb
from shopimg.contract import UnsupportedFormatError
from shopimg.contract.formats import (
    EXIF_FAILURES,
    EXIF_ORIENTATION,
    SIDEWAYS,
    TURNS,
    late_exif,
    sniff,
)
from shopimg.contract.limits import check_source_bytes, check_source_size
from shopimg.contract.provenance import declared_source_type

_GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})


@dataclass(frozen=True, slots=True)
class OpenedSource:
    """An upload whose header was read and found acceptable; no pixel is decoded yet."""

    content: bytes
    """The file."""
    image: Image.Image
    """Lazy: decodes on first use."""
    kind: str
    """jpeg, png, webp or avif."""
    orientation: int
    """EXIF orientation, 1 to 8."""
    profile: bytes | None
    """ICC profile of its colours: its own, or one for the code points that it states."""
    declared_source_type: str
    """IPTC URI that the upload states about itself, or empty."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, once upright."""
        width, height = self.image.size
        return (height, width) if self.orientation in SIDEWAYS else (width, height)


def open_source(content: bytes) -> OpenedSource:
    """Check an upload by its header.

    Args:
        content: the file, up to 20 MB; its name and media type do not count.

    Raises:
        UnsupportedFormatError: not JPEG, PNG, WebP or AVIF, or animated, or of high dynamic range.
        SourceTooLargeError: too heavy, too many pixels, a side too long.
        SourceError: too small or too narrow.
        SourceUnreadableError: damaged.
    """
    check_source_bytes(len(content))
    kind = sniff(content[:64])
    if kind == "avif" and not features.check("avif"):
        raise UnsupportedFormatError(detail="Pillow was built without AVIF")
    with reading_source():
        image = Image.open(io.BytesIO(content), formats=(kind.upper(),))
        check_source_size(*image.size)
        _refuse_animation(image)
        if kind == "png":
            # Pillow checks the checksums of a PNG here, and only here.
            Image.open(io.BytesIO(content), formats=("PNG",)).verify()
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        statement = declared_source_type(xmp.encode() if isinstance(xmp, str) else xmp)
        profile = _profile(content, image, kind)
        turned = _read_orientation(content, image)
        return OpenedSource(content, image, kind, turned, profile, statement)


def decode(
    source: OpenedSource, device_jpeg: DeviceJpeg | None = None
) -> tuple[Picture, dict[str, object]]:
    """Decode an upload; nothing but pixels survives.

    Args:
        source: from ``open_source``; used up by this call.
        device_jpeg: decodes JPEG files that suit it; Pillow by default.

    Returns:
        The picture, and facts for the report: format, mode, orientation, what became of the
        colour profile, and the decoder where it is not Pillow.

    Raises:
        SourceUnreadableError: damaged or cut off.
    """
    with reading_source():
        image, on_device = _loaded(source, device_jpeg)
        mode = source.image.mode
        colour, alpha = _split_alpha(image)
        colour, icc = to_srgb(colour, source.profile)
        picture = _to_picture(colour, alpha, source.orientation, mode in _GREY_MODES)
    facts: dict[str, object] = {
        "format": source.kind, "mode": mode, "orientation": source.orientation, "icc": icc
    }  # fmt: skip
    return picture, facts | ({"decoder": "torchcodec"} if on_device else {})


def _loaded(source: OpenedSource, device_jpeg: DeviceJpeg | None) -> tuple[Image.Image, bool]:
    """Return the decoded picture, and whether the device has decoded it."""
    pixels = device_jpeg.decode(source.content, source.image) if device_jpeg else None
    if pixels is None:
        source.image.load()
        return source.image, False
    image = Image.fromarray(pixels)
    return (image.getchannel(0) if source.image.mode == "L" else image), True


def _refuse_animation(image: Image.Image) -> None:
    # A phone's JPEG may carry a second picture (a gain map or a depth map) and is no animation.
    if image.format in ("JPEG", "MPO"):
        return
    if getattr(image, "n_frames", 1) > 1:
        raise UnsupportedFormatError(
            "Animated pictures are not supported. Upload a single picture.",
            detail=f"{image.format} with {getattr(image, 'n_frames', 1)} frames",
        )


def _profile(content: bytes, image: Image.Image, kind: str) -> bytes | None:
    own: bytes | None = image.info.get("icc_profile")
    if own and kind == "avif":
        return own
    # In a PNG code points count more than a profile, which is there for older readers.
    points = read_code_points(content, kind)
    return own if points is None or (own and not points.are_known) else points.profile()


def _read_orientation(content: bytes, image: Image.Image) -> int:
    if image.format == "PNG" and "exif" not in image.info and (exif := late_exif(content)):
        image.info["exif"] = exif
    try:
        # The method of PNG files decodes all pixels first, to find what stands behind them.
        orientation = Image.Image.getexif(image).get(EXIF_ORIENTATION, 1)
    except EXIF_FAILURES:
        # Damaged metadata is thrown away anyway; the pixels may be fine.
        return 1
    return orientation if orientation in TURNS else 1


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours as L, RGB or CMYK, and the transparency as L."""
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if image.mode == "L" and "transparency" in image.info:
        image = image.convert("LA")  # so that a profile for grey still fits
    if image.mode in ("LA", "RGBA"):
        return image.convert(image.mode[:-1]), image.getchannel("A")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return image.convert("RGB"), image.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    if image.mode in ("L", "RGB", "CMYK"):
        return image, None
    return image.convert("RGB"), None


def _from_16_bits(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    levels = np.asarray(image).astype(np.uint32)
    scaled = (np.minimum(levels, 65_535) * 255 + 32_767) // 65_535
    grey = Image.fromarray(scaled.astype(np.uint8))
    # One level of the file's is clear, which a reduced picture no longer tells from its neighbours.
    clear = image.info.get("transparency")
    return grey, None if clear is None else Image.fromarray(levels != clear).convert("L")


def _to_picture(
    colour: Image.Image, alpha: Image.Image | None, orientation: int, grey_mode: bool
) -> Picture:
    if orientation in TURNS:
        turn = Image.Transpose[TURNS[orientation]]
        colour, alpha = colour.transpose(turn), alpha.transpose(turn) if alpha else None
    pixels = np.array(colour)
    opacity = None if alpha is None or alpha.getextrema() == (255, 255) else np.array(alpha)
    if grey_mode:
        # A grey profile converted through Lab may leave the channels one level apart.
        pixels[..., 1:] = pixels[..., :1]
    return Picture(pixels, opacity, grey_mode or _is_grey(pixels))


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return bool((red == green).all() and (green == blue).all())
