"""Corrected masks: checked, stored under their content, and handed to the enhancer."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypedDict

from django.utils.translation import gettext as _
from PIL import Image, ImageChops

from shopimg import storage
from shopimg.contract import (
    CapacityError,
    MaskError,
    MaskMissingError,
    Recipe,
    StorageUnavailableError,
    limits,
)
from shopimg.large_pictures import one_at_a_time
from shopimg.models import EnhancedVariant
from shopimg.services import remaking
from shopimg.services.requests import Request

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

_Size = tuple[int, int]

MAX_BYTES = limits.MAX_SOURCE_BYTES
"""Largest file of a mask."""
_HALF = 128
# A mask of a few pixels says nothing about an edge.
_LEAST_SIDE = 64
# It may be painted over the largest result; anything finer is scaled away, and costs memory.
_MOST_TIMES = 4
# What editors make of grey when they convert between colour spaces.
_GREY_TOLERANCE = 2


class Masks(TypedDict, total=False):
    """What an enhancer is given besides, where a recipe names corrected masks."""

    masks: Mapping[str, bytes]


def correct(variant: EnhancedVariant, content: bytes, *, by: AbstractBaseUser) -> Request:
    """Have everything made again that was cut out of a variant's photo, by a corrected mask.

    Drafts that there are stay until the new ones are ready.

    Args:
        variant: one that was cut out.
        content: a PNG of the upload's shape, in which the product is white, or all else
            transparent.
        by: who has corrected it.

    Raises:
        MaskError: the file cannot be used as a mask.
        InvalidTransitionError: the photo has been deleted or replaced.
        RecipeError: the variant was not cut out.
        CapacityError: the storage failed; nothing has changed.
    """
    job = variant.job
    mask = normalised(content, (job.source_width, job.source_height))
    _save(mask)
    request = remaking.with_mask(variant, hashlib.sha256(mask).hexdigest(), by=by)
    # Again: a clean-up may have deleted an older file of the same content before the job named it.
    _save(mask)
    return request


def normalised(content: bytes, size: _Size) -> bytes:
    """Return a mask as a PNG of one channel, as large as the upload, without anything else.

    Args:
        content: a PNG of the upload's shape.
        size: width and height of the upright upload, pixels.

    Raises:
        MaskError: it is none, of another shape, in colour, empty or full.
    """
    if len(content) > MAX_BYTES:
        raise MaskError(
            _("The mask is larger than %(limit)d MB.") % {"limit": MAX_BYTES // 1_000_000}
        )
    with _reading():
        image = Image.open(io.BytesIO(content), formats=("PNG",))
        _check_frames(image)
        _check_shape(image.size, size)
    with one_at_a_time(image.size):
        return _normalised(image, size)


def given_to(recipe: Recipe) -> Masks:
    """Return the corrected masks that a recipe names as an argument of its enhancer, if any.

    Raises:
        MaskMissingError: a file is gone or holds something else.
        StorageUnavailableError: it may have the file.
    """
    masks = {digest: _read(digest) for digest in sorted(recipe.masks)}
    return {"masks": masks} if masks else {}


def _read(digest: str) -> bytes:
    try:
        return storage.read_mask(storage.mask_name(digest))
    except (FileNotFoundError, storage.StorageVerificationError) as err:
        raise MaskMissingError(detail=str(err)) from err
    except OSError as err:
        message = _("The storage does not answer. Try again.")
        raise StorageUnavailableError(message, detail=str(err)) from err


def _save(mask: bytes) -> None:
    try:
        storage.save_mask(mask)
    except OSError as err:
        message = _("The storage did not take the mask. Nothing has changed; try again.")
        raise CapacityError(message, detail=str(err)) from err


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except MaskError:
        raise
    except Exception as err:
        # Readers raise whatever comes to their mind on a damaged file.
        message = _("The mask is no PNG, or is damaged.")
        raise MaskError(message, detail=f"{type(err).__name__}: {err}") from err


def _normalised(image: Image.Image, size: _Size) -> bytes:
    with _reading():
        image.load()
    channel = _product(image)
    darkest, brightest = _range(channel)
    if brightest < _HALF:
        raise MaskError(_("The mask is empty: paint the product white."))
    if darkest >= _HALF:
        raise MaskError(_("The mask is full: paint everything black but the product."))
    if channel.size != size:
        channel = channel.resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    channel.save(buffer, "PNG")
    return buffer.getvalue()


def _check_frames(image: Image.Image) -> None:
    if getattr(image, "n_frames", 1) > 1:
        raise MaskError(_("The mask is animated."))


def _check_shape(mask: _Size, upload: _Size) -> None:
    """Refuse another shape before a pixel is decoded; a pixel more or less does not matter."""
    words = {"mask": "{} × {}".format(*mask), "upload": "{} × {}".format(*upload)}
    if abs(mask[0] * upload[1] - mask[1] * upload[0]) > max(upload):
        raise MaskError(
            _("The mask is %(mask)s pixels, and the upload %(upload)s: another shape.") % words
        )
    if max(mask) < min(_LEAST_SIDE, max(upload)):
        raise MaskError(
            _("The mask is %(mask)s pixels, and the upload %(upload)s: too small.") % words
        )
    if max(mask) > _MOST_TIMES * max(upload):
        raise MaskError(
            _("The mask is %(mask)s pixels, and the upload %(upload)s: too large.") % words
        )
    if mask[0] * mask[1] > limits.MAX_SOURCE_PIXELS:
        raise MaskError(_("The mask has more pixels than an upload may have."))


def _product(image: Image.Image) -> Image.Image:
    """Return the channel that says what the product is: the transparency, else the grey."""
    if image.mode == "I;16":
        image = image.point(lambda level: level * (1 / 256))
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
        if _range(alpha)[0] < 255:
            return alpha
    if image.mode in {"1", "L", "LA", "I"}:
        return image.convert("L")
    red, green, blue = image.convert("RGB").split()
    shades = [_range(ImageChops.difference(red, other))[1] for other in (green, blue)]
    if max(shades) > _GREY_TOLERANCE:
        raise MaskError(_("The mask is in colour: paint the product white, all else black."))
    return green


def _range(channel: Image.Image) -> tuple[int, int]:
    """Return the darkest and the brightest level of a channel."""
    levels = [level for level, count in enumerate(channel.histogram()) if count]
    return levels[0], levels[-1]
