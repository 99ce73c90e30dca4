"""What the tests of ``shopimg_audit`` share: pictures that are right and wrong, and the command."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User

from shopimg.contract import StepReport
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import reviews
from tests import builders
from tests.shop.pictures import encoded, product
from tests.testapp.models import Photo

Run = Callable[..., tuple[int, str, str]]
"""The command: its arguments to its exit code, its output and its messages."""


def white_photo(side: int, name: str = "mug.jpg", **options: Any) -> Photo:
    """Save a photograph of a product that fills 88 % of a white square."""
    picture = product().crop((26, 26, 374, 374)).resize((side, side), resample=0)
    return builders.photo(encoded(picture, "JPEG", quality=95, **options), name)


def published(
    photo: Photo,
    content: bytes,
    steps: list[StepReport],
    by: User,
    role: str = "main",
    origin: str = "",
) -> EnhancedVariant:
    """Publish a variant of a photograph with this file, made by these steps."""
    image = dataclasses.replace(
        builders.enhanced(role=role),
        content=content,
        steps=tuple(steps),
        digital_source_type=origin,
    )
    return reviews.approve(builders.finished(photo, [image])[0], by=by)


def wood_photo(side: int = 1600, name: str = "mug.jpg") -> Photo:
    """Save a photograph of a product on a table."""
    return builders.photo(encoded(product((side, side), ground=(140, 90, 60)), "JPEG"), name)


def recipes_of(photo: Photo) -> set[tuple[str, str, bool]]:
    """Return recipe, state and bulk of the jobs of a photograph."""
    jobs = EnhancementJob.objects.for_source(photo)
    return set(jobs.values_list("recipe", "state", "bulk"))
