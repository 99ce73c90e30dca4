"""Opens an upload with Pillow alone: bounded, upright, one picture, sRGB."""

from __future__ import annotations

import io

from PIL import Image

from shopimg.appearance import orientation, to_srgb, turn
from shopimg.contract import (
    EnhancementError,
    SourceTooLargeError,
    SourceUnreadableError,
    UnsupportedFormatError,
)
from shopimg.contract.formats import sniff
from shopimg.contract.limits import check_source_bytes, check_source_size
from shopimg.contract.provenance import declared_source_type


def read_upload(content: bytes) -> tuple[Image.Image, str]:
    """Decode an upload.

    Args:
        content: the file, up to 20 MB.

    Returns:
        The upright picture, RGB or RGBA in sRGB, and the IPTC origin it states about itself. The
        picture's ``info`` is empty.

    Raises:
        SourceError: the file cannot be used; the subclass says why.
    """
    check_source_bytes(len(content))
    kind = sniff(content[:64])
    try:
        return _decode(content, kind)
    except EnhancementError:
        raise
    except Image.DecompressionBombError as err:
        raise SourceTooLargeError(detail=str(err)) from err
    except Exception as err:
        # Decoders raise whatever comes to their mind on a damaged file.
        raise SourceUnreadableError(detail=f"{type(err).__name__}: {err}") from err


def stated_source_type(image: Image.Image) -> str:
    """Return the IPTC origin that a loaded file states about itself, or ``UNKNOWN``."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return declared_source_type(xmp.encode() if isinstance(xmp, str) else xmp)


def _decode(content: bytes, kind: str) -> tuple[Image.Image, str]:
    image = Image.open(io.BytesIO(content), formats=(kind.upper(),))
    check_source_size(*image.size)
    # A phone's JPEG may carry a second picture (a gain map) and is no animation.
    if kind != "jpeg" and getattr(image, "n_frames", 1) > 1:
        raise UnsupportedFormatError(
            "Animated pictures are not supported. Upload a single picture.", detail=kind
        )
    Image.open(io.BytesIO(content), formats=(kind.upper(),)).verify()
    turned = orientation(image, content)
    image.load()
    statement = stated_source_type(image)
    result = to_srgb(turn(image, turned))
    result.info = {}
    return result, statement
