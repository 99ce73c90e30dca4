"""The servers as fixtures: each starts when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page

from tests.servers.chromium import chromium, close
from tests.servers.postgres import PostgresServer, postgres
from tests.servers.redis import RedisServer, redis
from tests.servers.s3 import S3Server, s3
from tests.servers.stack import Stack
from tests.servers.stack import stack as running_stack


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis; ``.url``."""
    with redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL; ``.url(database)``, ``.create_database(name)``."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3-compatible server; ``.storage_options(bucket)``, ``.environment()``."""
    with s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres_server: PostgresServer) -> None:
    """Send Django's test database to the PostgreSQL of the tests."""
    connections["default"].settings_dict |= {"HOST": "127.0.0.1", "PORT": postgres_server.port}


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    redis_server: RedisServer,
    s3_server: S3Server,
) -> Iterator[Stack]:
    """The demo shop, its worker and beat on all servers; ``.url``, ``.manage()``, ``.rows()``."""
    folder = tmp_path_factory.mktemp("stack")
    with running_stack(folder, postgres_server, redis_server, s3_server) as shop:
        yield shop


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real headless Chromium."""
    with chromium() as running_browser, pytest.MonkeyPatch.context() as patch:
        # Playwright keeps an event loop in this thread, which Django takes for async code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield running_browser
        # Within that loop Django has connections of their own, which nobody can close after it.
        connections.close_all()


@pytest.fixture
def browser_page(browser: Browser) -> Iterator[Page]:
    """A page in a fresh session of its own, 1280 x 900 pixels."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    close(context)
