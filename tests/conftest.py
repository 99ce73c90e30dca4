"""What every test may ask for, and what every test gets."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.servers.process import LOGS, tail

pytest_plugins = ["tests.servers.fixtures"]

FOLDERS = {
    "default": ("media", "/media/"),
    "shopimg_drafts": ("drafts", None),
    "shopimg_published": ("published", "/published/"),
}
"""Storage alias -> folder below the test's own, and the address of its files."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers said with a test that fails."""
    report = yield
    if report.failed:
        report.sections += [(f"log of {name}", tail(log)) for name, log in LOGS.items()]
    return report


@pytest.fixture(autouse=True)
def storage_folders(tmp_path: Path, settings: Settings) -> dict[str, Path]:
    """Give the test empty storages: alias -> folder of its files."""
    folders = {alias: tmp_path / name for alias, (name, _) in FOLDERS.items()}
    settings.STORAGES = settings.STORAGES | {
        alias: {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": folders[alias], "base_url": address},
        }
        for alias, (_, address) in FOLDERS.items()
    }
    return folders
