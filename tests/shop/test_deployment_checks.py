"""What ``check --deploy`` says, beside what any check says."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from rest_framework.settings import api_settings

TOKENS = ["rest_framework.authentication.TokenAuthentication"]
BASIC = ["rest_framework.authentication.BasicAuthentication"]


def complaints() -> list[str]:
    found = run_checks(tags=["shopimg"], include_deployment_checks=True)
    assert all(message.hint for message in found)
    return [str(message.id) for message in found]


@pytest.fixture(autouse=True)
def tokens(settings: Any) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": TOKENS}


def test_passwords__of_accounts_are_not_taken_by_the_api(settings: Any) -> None:
    assert complaints() == []
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [*TOKENS, *BASIC]}
    assert complaints() == ["shopimg.W006"]
    settings.REST_FRAMEWORK = {}
    assert "BasicAuthentication" in str(api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    assert complaints() == ["shopimg.W006"]
    settings.ROOT_URLCONF = "tests.testapp.no_urls"
    assert complaints() == []


BUCKET = "storages.backends.s3.S3Storage"


@pytest.mark.parametrize(
    ("backend", "options", "found"),
    [
        (BUCKET, {}, ["shopimg.W007"] * 2),
        (BUCKET, {"querystring_auth": False}, []),
        (BUCKET, {"default_acl": "public-read"}, []),
        (BUCKET, {"object_parameters": {"ACL": "public-read"}}, []),
        ("django.core.files.storage.InMemoryStorage", {}, []),
        ("tests.testapp.storages.Cdn", {}, []),
    ],
)
def test_originals__in_a_private_bucket_are_not_handed_out(
    settings: Any, backend: str, options: dict[str, Any], found: list[str]
) -> None:
    named = {"bucket_name": "b"} if backend == BUCKET else {}
    uploads = {"BACKEND": backend, "OPTIONS": {**named, **options}}
    settings.STORAGES = settings.STORAGES | {"default": uploads}
    assert complaints() == found
    settings.ROOT_URLCONF = "tests.testapp.no_urls"
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["not.installed.Authentication"]}
    assert complaints() == []
