"""What the environment changes in the settings of the demo shop."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from storages.backends.s3 import S3Storage

from demoshop import environment

ROOT = Path(__file__).resolve().parents[2]
READ_SETTINGS = """
import json, sys
from demoshop import settings
json.dump({name: getattr(settings, name) for name in sys.argv[1:]}, sys.stdout, default=str)
"""


def settings_under(variables: dict[str, str], *names: str) -> dict[str, Any]:
    """Read the settings as a fresh process sees them."""
    ours = ("DATABASE_URL", "REDIS_URL", "S3_", "DJANGO_", "DEMO_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    result = subprocess.run(
        [sys.executable, "-c", READ_SETTINGS, *names],
        cwd=ROOT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_settings__embedded_by_default(tmp_path: Path) -> None:
    found = settings_under(
        {"DEMO_DIR": str(tmp_path)},
        "DATABASES", "STORAGES", "CELERY_BROKER_URL", "DEBUG", "SESSION_COOKIE_SECURE",
    )  # fmt: skip
    database = found["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.sqlite3"
    assert database["NAME"] == str(tmp_path / "shop.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert found["CELERY_BROKER_URL"] == "filesystem://"
    assert found["STORAGES"]["shopimg_drafts"]["OPTIONS"] == {
        "location": str(tmp_path / "drafts"),
        "base_url": None,
    }
    assert found["DEBUG"] is False
    assert found["SESSION_COOKIE_SECURE"] is False


def test_settings__real_servers(tmp_path: Path) -> None:
    found = settings_under(
        {
            "DEMO_DIR": str(tmp_path),
            "DATABASE_URL": "postgresql://shop:secret@db.example:5433/shop",
            "REDIS_URL": "redis://cache.example:6380/2",
            "S3_ENDPOINT_URL": "http://s3.example:9000",
            "S3_ACCESS_KEY_ID": "key",
            "S3_SECRET_ACCESS_KEY": "secret",
            "S3_BUCKET_DRAFTS": "private",
            "S3_BUCKET_PUBLISHED": "public",
            "S3_PUBLIC_URL": "https://cdn.example",
            "DJANGO_HTTPS": "1",
        },
        "DATABASES", "STORAGES", "CELERY_BROKER_URL", "SESSION_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
    )  # fmt: skip
    database = found["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "shop")
    assert found["CELERY_BROKER_URL"] == "redis://cache.example:6380/2"
    drafts = found["STORAGES"]["shopimg_drafts"]["OPTIONS"]
    assert (drafts["bucket_name"], drafts["default_acl"]) == ("private", "private")
    assert "custom_domain" not in drafts
    published = found["STORAGES"]["shopimg_published"]["OPTIONS"]
    assert published["custom_domain"] == "cdn.example/public"
    assert published["url_protocol"] == "https:"
    assert found["SESSION_COOKIE_SECURE"] is True
    assert found["SECURE_SSL_REDIRECT"] is True


@pytest.mark.parametrize(
    ("variables", "sign"),
    [
        ({}, "X-Amz-Signature="),
        ({"S3_SIGNATURE_VERSION": "s3v4"}, "X-Amz-Signature="),
        ({"S3_SIGNATURE_VERSION": "s3"}, "&Signature="),
    ],
)
def test_storages__sign_addresses_of_drafts(
    tmp_path: Path, variables: dict[str, str], sign: str
) -> None:
    given = {
        "S3_ENDPOINT_URL": "http://s3.example:9000",
        "S3_ACCESS_KEY_ID": "key",
        "S3_SECRET_ACCESS_KEY": "secret",
        # Where botocore itself still prefers version 2.
        "S3_REGION_NAME": "us-east-1",
    }
    alias = environment.storages({**given, **variables}, tmp_path)["shopimg_drafts"]
    assert sign in S3Storage(**alias["OPTIONS"]).url("drafts/a.png")


def test_secret_key__is_made_once_and_kept_private(tmp_path: Path) -> None:
    key = environment.secret_key({}, tmp_path)
    assert len(key) >= 50
    assert environment.secret_key({}, tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


def test_secret_key__is_seen_by_another_process_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = environment.secrets.token_urlsafe
    seen: list[str] = []

    def make_while_another_process_looks(size: int) -> str:
        monkeypatch.setattr(environment.secrets, "token_urlsafe", make)
        seen.append(environment.secret_key({}, tmp_path))
        return make(size)

    monkeypatch.setattr(environment.secrets, "token_urlsafe", make_while_another_process_looks)
    assert [environment.secret_key({}, tmp_path)] == seen
    assert len(seen[0]) >= 50


def test_secret_key__of_the_environment_wins(tmp_path: Path) -> None:
    assert environment.secret_key({"DJANGO_SECRET_KEY": "mine"}, tmp_path) == "mine"
    assert not (tmp_path / "secret-key").exists()


def test_secret_key__is_not_the_one_of_the_example(tmp_path: Path) -> None:
    lines = (ROOT / "docker" / "secrets.example.env").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line.startswith("DJANGO_SECRET_KEY="))
    with pytest.raises(ImproperlyConfigured, match="Replace DJANGO_SECRET_KEY"):
        environment.secret_key(example, tmp_path)


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("Yes", True), ("0", False), ("", False), ("off", False)]
)
def test_flag__reads_words(value: str, expected: bool) -> None:
    assert environment.flag({"X": value}, "X") is expected
