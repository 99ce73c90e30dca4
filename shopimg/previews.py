"""The pictures that reviewers look at: uploads, drafts and masks, never cached outside."""

from __future__ import annotations

import enum
import hashlib
import io
import logging
from pathlib import PurePosixPath

from django.core.cache import cache
from django.core.files.storage import Storage
from django.http import Http404, HttpResponse
from django.utils.cache import patch_vary_headers
from PIL import Image

from shopimg import sources, storage
from shopimg.appearance import eight_bits, orientation, to_srgb, turn
from shopimg.contract import MIME_TYPES, SourceError
from shopimg.contract.formats import sniff
from shopimg.large_pictures import one_at_a_time
from shopimg.models import EnhancedVariant

logger = logging.getLogger(__name__)

THUMBNAIL_PIXELS = 224
"""Longest side of a small picture: twice the size at which the queue shows it."""

_WEEK_SECONDS = 7 * 24 * 3600


class Side(enum.StrEnum):
    """Which of the pictures about a variant."""

    BEFORE = "before"
    """The upload that the variant was made from."""
    AFTER = "after"
    """The variant."""
    MASK = "mask"
    """What was taken for the product."""


def picture_response(variant: EnhancedVariant, side: Side) -> HttpResponse:
    """Answer with a whole picture, to somebody who has been allowed to see it.

    Raises:
        Http404: the file is gone, or is not the one that was enhanced or produced.
    """
    content = _read(variant, side)
    return _private(content, _media_type(content))


def thumbnail_response(variant: EnhancedVariant, side: Side) -> HttpResponse:
    """Answer with a small picture, kept in Django's cache under the digest of the large one.

    Raises:
        Http404: the file is gone or damaged.
    """
    key = f"shopimg:thumbnail:{THUMBNAIL_PIXELS}:{_digest(variant, side)}"
    content = cache.get(key)
    if content is None:
        content = _shrink(_read(variant, side))
        cache.set(key, content, _WEEK_SECONDS)
    return _private(content, MIME_TYPES["webp"])


def _digest(variant: EnhancedVariant, side: Side) -> str:
    if side is Side.MASK:
        return PurePosixPath(variant.mask_name).stem
    return variant.digest if side is Side.AFTER else variant.job.source_digest


def _read(variant: EnhancedVariant, side: Side) -> bytes:
    """Return the very bytes that were uploaded or produced; a decision is about nothing else."""
    place, name = _place(variant, side)
    try:
        with storage.failures(), place.open(name) as file:
            content: bytes = file.read()
    except OSError as err:
        raise Http404("The file is gone.") from err
    if hashlib.sha256(content).hexdigest() != _digest(variant, side):
        logger.warning("%s of variant %s holds other bytes than it should", name, variant.pk)
        raise Http404("The file has changed.")
    return content


def _place(variant: EnhancedVariant, side: Side) -> tuple[Storage, str]:
    if side is Side.MASK:
        if not variant.mask_name:
            raise Http404("Nothing was cut out.")
        return storage.drafts(), variant.mask_name
    if side is Side.AFTER:
        return storage.drafts(), variant.draft_name
    model = variant.source_type.model_class()
    if model is None:
        raise Http404("The model is gone.")
    try:
        source = sources.source_for(model)
    except LookupError as err:
        raise Http404("The model is not watched any more.") from err
    # By the job's name for it: the image may have got another upload since.
    return source.file_of(source.model()).storage, variant.job.source_name


def _media_type(content: bytes) -> str:
    """Tell the kind by content: a name or a column must never make a browser run something."""
    try:
        return MIME_TYPES[sniff(content[:64])]
    except SourceError as err:
        raise Http404("The file is not a picture.") from err


def _shrink(content: bytes) -> bytes:
    _media_type(content)
    small = io.BytesIO()
    size = (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
    try:
        with Image.open(io.BytesIO(content)) as image:
            turned = orientation(image, content)
            image.draft(None, size)  # a JPEG is decoded at a fraction of its size
            with one_at_a_time(image.size):
                reduced = eight_bits(image)
                reduced.thumbnail(size, Image.Resampling.BOX, reducing_gap=2.0)
            to_srgb(turn(reduced, turned)).save(small, "WEBP", quality=80)
    except Exception as err:
        # Decoders raise whatever comes to their mind on a damaged file.
        logger.warning("no thumbnail of a picture: %r", err)
        raise Http404("The picture is damaged.") from err
    return small.getvalue()


def _private(content: bytes, content_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=content_type)
    response["Cache-Control"] = "private, no-store"
    response["Content-Disposition"] = "inline"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    patch_vary_headers(response, ["Cookie"])
    return response
