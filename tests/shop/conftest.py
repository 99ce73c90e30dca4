"""What every test of the shop gets."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Let no test count the requests, or find the thumbnails, of another one."""
    cache.clear()
