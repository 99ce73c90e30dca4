"""What every test may ask for, and what every test gets."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from pytest_django import Settings

from shopimg import wakeup
from tests.servers.process import LOGS, log_sizes, news

pytest_plugins = ["tests.servers.fixtures"]

FOLDERS = {
    "default": ("media", "/media/"),
    "shopimg_drafts": ("drafts", None),
    "shopimg_published": ("published", "/published/"),
}
"""Storage alias -> folder below the test's own, and the address of its files."""


SIZES = pytest.StashKey[dict[Path, int]]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember how much the servers had said before the test."""
    item.stash[SIZES] = log_sizes()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a test that fails what the servers have said since it began."""
    report = yield
    if report.failed:
        said = {log: news(log, item.stash[SIZES].get(log, 0)) for log in LOGS}
        report.sections += [(f"log of {log.stem}", text) for log, text in said.items() if text]
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


@pytest.fixture(autouse=True)
def _broker_is_asked() -> None:
    """Let no test keep another one from a broker, as the broker of the former had failed."""
    wakeup.breaker.answered()
