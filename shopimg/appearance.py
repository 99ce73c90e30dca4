"""How opened pictures appear to people: turned by their EXIF, in the colours of sRGB."""

from __future__ import annotations

import contextlib
import io

from PIL import Image, ImageCms

from shopimg.contract.formats import EXIF_FAILURES, EXIF_ORIENTATION, TURNS, late_exif


def orientation(image: Image.Image, content: bytes) -> int:
    """Return the EXIF orientation of a file, 1 to 8, without decoding its pixels.

    1 where there is none, or damaged metadata: the pixels may be fine, and workers say the same.
    1 for TIFF files, which Pillow itself turns when it decodes them.
    """
    if image.format == "TIFF":
        return 1
    if image.format == "PNG" and "exif" not in image.info and (exif := late_exif(content)):
        image.info["exif"] = exif
    try:
        # The method of PNG files decodes all pixels first, to find what stands behind them.
        found = Image.Image.getexif(image).get(EXIF_ORIENTATION, 1)
    except EXIF_FAILURES:
        return 1
    return found if found in TURNS else 1


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """Return a decoded picture upright; the same one where it is so already."""
    return image.transpose(Image.Transpose[TURNS[orientation]]) if orientation > 1 else image


def to_srgb(image: Image.Image) -> Image.Image:
    """Return a decoded picture as RGB or RGBA, its colours by its profile, 16 bits cut to 8."""
    if image.mode.startswith("I"):
        return eight_bits(image).convert("RGB")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "RGBA", "CMYK"):
        # A broken profile is ignored, as browsers do.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode=mode,
            )
            return converted or image.convert(mode)
    return image.convert(mode)


def eight_bits(image: Image.Image) -> Image.Image:
    """Return a picture of 16 bits per pixel as grey of eight, any other as it is."""
    if not image.mode.startswith("I"):
        return image
    return image.point(lambda level: level / 257).convert("L")
