"""Measures a picture file as a market would: size, weight, format, background, product, origin."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from PIL import Image, ImageCms, UnidentifiedImageError

from shopimg.appearance import eight_bits, orientation, turn
from shopimg.backends.uploads import stated_source_type
from shopimg.backgrounds import Background, look_at_background
from shopimg.contract import EnhancementError, SourceUnreadableError
from shopimg.contract.formats import sniff
from shopimg.contract.limits import check_output_size
from shopimg.jpeg_quality import estimate_quality

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
"""What can be measured: more than shopimg enhances, as a catalogue may hold anything."""

SRGB = "sRGB"
"""Colour space of a file that says so."""
UNTAGGED = "untagged"
"""Colour space of a file that says nothing; everybody takes it for sRGB."""
CMYK = "CMYK"
"""Colour space of a file that is meant for print."""

# XYZ of the primaries, adapted to D50: rounding in small profiles stays within 0.002.
_SRGB_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
_PRIMARY_TOLERANCE = 0.002
_DESCRIPTION_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file is, whatever its name says."""

    format: str
    """One of ``FORMATS``."""
    width: int
    """Pixels, as people see the picture: after EXIF orientation."""
    height: int
    """Pixels, as people see the picture: after EXIF orientation."""
    size_bytes: int
    """Length of the file."""
    frames: int
    """1, or more for an animation; a phone's second picture in a JPEG does not count."""
    is_transparent: bool
    """Whether any pixel is not opaque."""
    colour_space: str
    """``SRGB``, ``UNTAGGED``, ``CMYK``, or what its profile calls itself."""
    jpeg_quality: int | None
    """Estimated encoder quality, 1 to 100; None for other formats."""
    background: Background
    """Where the product is, and how white what is around it."""
    digital_source_type: str
    """IPTC NewsCode URI that the file states about itself, or an empty text."""

    @property
    def longest_side(self) -> int:
        """Pixels."""
        return max(self.width, self.height)

    @property
    def shortest_side(self) -> int:
        """Pixels."""
        return min(self.width, self.height)

    @property
    def pixels(self) -> int:
        """Width x height."""
        return self.width * self.height

    @property
    def ratio(self) -> float:
        """Width divided by height."""
        return self.width / self.height

    @property
    def fill(self) -> float | None:
        """Share of the frame that the product spans in the direction in which it spans more.

        By length, not by area: a pen fills a square frame at most by a few percent of its area.
        None where the product cannot be told from its background.
        """
        if self.background.product_box is None:
            return None
        left, top, right, bottom = self.background.product_box
        return max((right - left) / self.width, (bottom - top) / self.height)


def measure(data: bytes) -> Measured:
    """Measure a picture file.

    Args:
        data: the whole file: an upload of any of ``FORMATS``, or a result of ours.

    Raises:
        SourceUnreadableError: empty, damaged or not a picture.
        UnsupportedFormatError: a picture of another format.
        SourceTooLargeError: more pixels than a result may have.
    """
    if not data:
        raise SourceUnreadableError("The file is empty.")
    try:
        return _measure(data)
    except EnhancementError:
        raise
    except UnidentifiedImageError as err:
        sniff(data[:64])  # knows what other formats are called
        raise SourceUnreadableError(detail=str(err)) from err
    except Exception as err:
        # Decoders raise whatever comes to their mind on a damaged file.
        raise SourceUnreadableError(detail=f"{type(err).__name__}: {err}") from err


def _measure(data: bytes) -> Measured:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        check_output_size(*image.size)
        is_jpeg = image.format in ("JPEG", "MPO")
        frames = 1 if is_jpeg else getattr(image, "n_frames", 1)
        turned = orientation(image, data)
        image.load()
        upright = _in_rgb(turn(image, turned))
        return Measured(
            format="JPEG" if is_jpeg else str(image.format),
            width=upright.width,
            height=upright.height,
            size_bytes=len(data),
            frames=frames,
            is_transparent=_is_transparent(upright),
            colour_space=_colour_space(image),
            jpeg_quality=estimate_quality(getattr(image, "quantization", {})) if is_jpeg else None,
            background=look_at_background(upright),
            digital_source_type=stated_source_type(image),
        )


def _in_rgb(image: Image.Image) -> Image.Image:
    """Return the levels as they are stored, RGB or RGBA; large ones are not copied needlessly."""
    mode = "RGBA" if image.has_transparency_data else "RGB"
    return image if image.mode == mode else eight_bits(image).convert(mode)


def _is_transparent(image: Image.Image) -> bool:
    return image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255)


def _colour_space(image: Image.Image) -> str:
    if image.mode == CMYK:
        return CMYK
    data = image.info.get("icc_profile")
    if not data:
        return SRGB if "srgb" in image.info else UNTAGGED
    profile = None
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
    if profile is None:
        return UNTAGGED  # a broken profile is ignored, as browsers do
    return SRGB if _is_srgb(profile) else _description(profile)


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Compare the primaries: names differ, and small profiles have none that says anything."""
    core = profile.profile
    found = (core.red_colorant, core.green_colorant, core.blue_colorant)
    return all(
        colorant is not None
        and all(abs(a - b) <= _PRIMARY_TOLERANCE for a, b in zip(colorant[0], primary, strict=True))
        for colorant, primary in zip(found, _SRGB_PRIMARIES, strict=True)
    )


def _description(profile: ImageCms.ImageCmsProfile) -> str:
    name = profile.profile.profile_description or ""
    text = "".join(c for c in name if c.isprintable()).strip()
    return text[:_DESCRIPTION_CHARACTERS] or "unnamed profile"
