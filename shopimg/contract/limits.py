"""How large a picture may be, on the way in and on the way out."""

from __future__ import annotations

from shopimg.contract.errors import SourceError, SourceTooLargeError

MAX_SOURCE_BYTES = 20_000_000
"""Largest uploaded file."""
MAX_SOURCE_PIXELS = 50_000_000
"""Largest uploaded picture, width x height."""
MAX_OUTPUT_PIXELS = 100_000_000
"""Largest result, width x height."""
MAX_SIDE_PIXELS = 12_000
"""Longest side of an upload and of a result."""
MIN_SIDE_PIXELS = 16
"""Shortest side of an upload."""
MAX_ASPECT_RATIO = 20
"""Longest side divided by shortest side of an upload."""


def check_source_bytes(size: int) -> None:
    """Refuse an upload that is too heavy.

    Args:
        size: length of the file in bytes.

    Raises:
        SourceTooLargeError: more than ``MAX_SOURCE_BYTES``.
    """
    if size > MAX_SOURCE_BYTES:
        raise SourceTooLargeError(
            f"The file is larger than {MAX_SOURCE_BYTES // 1_000_000} MB.", detail=f"{size} bytes"
        )


def check_source_size(width: int, height: int) -> None:
    """Refuse an upload by its dimensions alone, before a pixel is decoded.

    Args:
        width: pixels.
        height: pixels.

    Raises:
        SourceTooLargeError: too many pixels, or a side is too long.
        SourceError: a side is too short, or the picture is too narrow.

    >>> check_source_size(6000, 4000)
    """
    _check_largest(width, height, MAX_SOURCE_PIXELS, "The picture")
    shortest, longest = sorted((width, height))
    if shortest < MIN_SIDE_PIXELS:
        raise SourceError(
            f"The picture is too small: both sides need at least {MIN_SIDE_PIXELS} pixels.",
            detail=f"{width}x{height}",
        )
    if longest > MAX_ASPECT_RATIO * shortest:
        raise SourceError(
            f"The picture is too narrow: at most {MAX_ASPECT_RATIO} times as long as wide.",
            detail=f"{width}x{height}",
        )


def check_output_size(width: int, height: int) -> None:
    """Refuse a result by its dimensions, before any work is done.

    Args:
        width: pixels.
        height: pixels.

    Raises:
        SourceTooLargeError: too many pixels, or a side is too long.

    >>> check_output_size(12_000, 8_000)
    """
    _check_largest(width, height, MAX_OUTPUT_PIXELS, "The enlarged picture")


def _check_largest(width: int, height: int, max_pixels: int, what: str) -> None:
    detail = f"{width}x{height}"
    if max(width, height) > MAX_SIDE_PIXELS:
        raise SourceTooLargeError(
            f"{what} has a side over {MAX_SIDE_PIXELS} pixels.", detail=detail
        )
    if width * height > max_pixels:
        megapixels = max_pixels // 1_000_000
        raise SourceTooLargeError(f"{what} has more than {megapixels} megapixels.", detail=detail)
