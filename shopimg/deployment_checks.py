"""System checks of ``check --deploy``: what a shop in production would rather not leave open."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from shopimg import sources
from shopimg.storage_checks import Messages, is_private_bucket


def serves_api() -> bool:
    """Tell whether the host has put the API's addresses among its own."""
    try:
        reverse("shopimg_api:docs")
    except NoReverseMatch:
        return False
    return True


def check_passwords(**_: Any) -> Messages:
    """W006: nobody tries passwords at the API, where no limit of the login page counts."""
    if not serves_api():
        return []
    from rest_framework.authentication import BasicAuthentication  # noqa: PLC0415 - needs settings
    from rest_framework.settings import api_settings  # noqa: PLC0415 - needs settings

    kinds: list[Any] = list(api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    if not any(issubclass(kind, BasicAuthentication) for kind in kinds):
        return []
    message = "The API takes the passwords of accounts, so that they can be guessed there."
    hint = (
        "Set REST_FRAMEWORK['DEFAULT_AUTHENTICATION_CLASSES'] to sessions and tokens; "
        "docs/reference/api.md has both."
    )
    return [checks.Warning(message, hint=hint, id="shopimg.W006")]


def check_originals(**_: Any) -> Messages:
    """W007: the API's public addresses open no private bucket of uploads."""
    if not serves_api():
        return []
    try:
        watched = sources.all_sources()
    except ImproperlyConfigured:
        return []
    hint = (
        "If uploads are for everybody, set querystring_auth to False, or silence this check. If "
        "not, let only those reach shopimg.api.urls who may see them."
    )
    return [
        checks.Warning(
            f"The API hands signed addresses of the private uploads of {source.label} to anybody.",
            hint=hint,
            id="shopimg.W007",
        )
        for source in watched
        if is_private_bucket(source.file_of(source.model()).storage)
    ]


def run_all(**kwargs: Any) -> Messages:
    """Run every check."""
    return [*check_passwords(**kwargs), *check_originals(**kwargs)]
