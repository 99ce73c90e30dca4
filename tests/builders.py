"""Readable builders of pictures, photographs, jobs and variants for tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.db.models import Model
from django.test import Client
from PIL import Image

from shopimg.contract import EnhancedImage, StepReport
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import jobs
from shopimg.services.requests import Order, request_enhancement
from tests.testapp.models import Photo

GREY = (120, 120, 120)


def picture(
    size: tuple[int, int] = (64, 48),
    colour: Any = GREY,
    *,
    kind: str = "JPEG",
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """Return an encoded one-colour picture."""
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, kind, **options)
    return buffer.getvalue()


def upload(content: bytes | None = None, name: str = "mug.jpg") -> ContentFile[bytes]:
    """Return a file as a form would pass it to a model."""
    return ContentFile(picture() if content is None else content, name=name)


def photo(content: bytes | None = None, name: str = "mug.jpg", **fields: Any) -> Photo:
    """Save a photograph through the hook."""
    return Photo.objects.create(file=upload(content, name), **fields)


def job_of(image: Model) -> EnhancementJob:
    """Return the newest job of an image."""
    return EnhancementJob.objects.for_source(image).latest("created_at")


def mask(
    size: tuple[int, int] = (64, 48), box: tuple[int, int, int, int] = (16, 12, 48, 36)
) -> bytes:
    """Return a mask whose product is a box: left, upper, right, lower."""
    image = Image.new("L", size)
    image.paste(255, box)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def enhanced(
    size: tuple[int, int] = (128, 96), colour: Any = GREY, role: str = "main", **others: Any
) -> EnhancedImage:
    """Return a result as an enhancer would."""
    return EnhancedImage(
        **others,
        role=role,
        content=picture(size, colour),
        mime_type="image/jpeg",
        width=size[0],
        height=size[1],
        steps=(
            StepReport("restore", 0.25, {"strength": 1.0}),
            StepReport("upscale", 0.5, {"scale": 2}),
        ),
        digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced",
        weights={"upscale_x2_s": "ab" * 32},
        quality={"colour_shift_p95": 0.4},
    )


def finished(image: Model, results: Sequence[EnhancedImage] | None = None) -> list[EnhancedVariant]:
    """Run the newest job of an image to its end with the given results."""
    claim = jobs.claim(job_of(image).pk)
    assert claim is not None
    return jobs.finish(claim, results or [enhanced()])


def draft(image: Model | None = None, colour: Any = GREY) -> EnhancedVariant:
    """Return a draft that waits for review, of a new photograph by default."""
    return finished(image or photo(), [enhanced(colour=colour)])[0]


def scenes(image: Model | None = None, number: int = 3) -> list[EnhancedVariant]:
    """Return drafts to choose from, of a new photograph by default."""
    image = image or photo()
    request_enhancement(image, Order(recipe="scene"))
    shades = [(90 + 40 * candidate, 120, 140) for candidate in range(number)]
    results = [
        enhanced(colour=shade, role="scene", candidate=candidate, mask=mask())
        for candidate, shade in enumerate(shades)
    ]
    return finished(image, results)


def reviewer(name: str = "rosa", *permissions: str) -> User:
    """Return a member of the staff who may view, review and publish, or only what is named."""
    granted = permissions or (
        "view_enhancedvariant",
        "view_enhancementjob",
        "review_enhancedvariant",
        "publish_enhancedvariant",
    )
    user = User.objects.create_user(name, password="secret", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="shopimg", codename__in=granted)
    )
    return user


def client_of(user: User, **options: Any) -> Client:
    """Return a browser in which a user is signed in."""
    client = Client(**options)
    client.force_login(user)
    return client
