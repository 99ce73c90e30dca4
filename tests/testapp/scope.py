"""Who sees what in the host shop of the tests; a test names it as ``SHOPIMG["SCOPE"]``."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import Model, QuerySet

from tests.testapp.models import OwnedPhoto


def own_photos(user: User, images: QuerySet[Model]) -> QuerySet[Model]:
    """Narrow photographs that have an owner to those of the user."""
    if user.is_superuser or images.model is not OwnedPhoto:
        return images
    return images.filter(owner=user)
