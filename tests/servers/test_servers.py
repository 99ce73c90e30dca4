"""Every server of the tests does what the tests rely on."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis
from botocore.config import Config
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import connection
from playwright.sync_api import Page
from storages.backends.s3 import S3Storage

from tests.servers.postgres import PostgresServer
from tests.servers.process import LOGS, ServerFailedError, running
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server
from tests.testapp.models import UnwatchedPhoto


def _fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:
        content: bytes = response.read()
        return content


def _content(storage: Storage, name: str) -> bytes:
    with storage.open(name) as file:
        return bytes(file.read())


def test_redis__keeps_a_value(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("colour", "white")
        assert client.get("colour") == b"white"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"


def test_postgres__creates_a_database(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database("another")
    with psycopg.connect(url) as client:
        assert client.execute("SELECT current_database()").fetchone() == ("another",)


@pytest.mark.django_db(transaction=True)
def test_django__threads_share_the_postgres_database() -> None:
    def save_one() -> None:
        UnwatchedPhoto.objects.create(file="a.png")
        connection.close()

    threads = [threading.Thread(target=save_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connection.vendor == "postgresql"
    assert UnwatchedPhoto.objects.count() == 4


def test_s3__never_overwrites(s3_server: S3Server) -> None:
    storage = S3Storage(**s3_server.storage_options("drafts"))
    first = storage.save("folder/a.txt", ContentFile(b"one"))
    second = storage.save("folder/a.txt", ContentFile(b"two"))
    assert [_content(storage, name) for name in (first, second)] == [b"one", b"two"]
    assert sorted(storage.listdir("folder")[1]) == sorted(Path(n).name for n in (first, second))
    storage.delete(first)
    assert not storage.exists(first)
    assert storage.size(second) == 3


def test_s3__only_a_valid_signature_reads_a_draft(s3_server: S3Server) -> None:
    storage = S3Storage(**s3_server.storage_options("drafts"))
    url = storage.url(storage.save("secret.txt", ContentFile(b"draft")))
    assert _fetch(url) == b"draft"
    for refused in (url.partition("?")[0], url[:-6] + "000000"):
        with pytest.raises(urllib.error.HTTPError, match=r"HTTP Error 40[03]"):
            _fetch(refused)


def test_s3__the_public_address_serves_published_files_only(s3_server: S3Server) -> None:
    for bucket in ("published", "drafts"):
        storage = S3Storage(**s3_server.storage_options(bucket))
        storage.save("public.txt", ContentFile(b"for all"))
    assert _fetch(f"{s3_server.public_url}/shopimg-published/public.txt") == b"for all"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _fetch(f"{s3_server.public_url}/shopimg-drafts/public.txt")


def test_s3__answers_many_who_write_and_delete_in_the_same_folders(s3_server: S3Server) -> None:
    # A folder that another request has just emptied and removed is an error of the server's, which
    # every client tries again; no answer at all is not.
    config = Config(read_timeout=20, retries={"mode": "standard", "total_max_attempts": 8})
    storage = S3Storage(**s3_server.storage_options("published"), client_config=config)

    def write_and_delete(writer: int) -> bool:
        for number in range(15):
            name = storage.save(f"busy/{writer % 3}/{writer}-{number}.txt", ContentFile(b"x"))
            storage.delete(name)
        return storage.exists(name)

    with ThreadPoolExecutor(4) as writers:
        assert list(writers.map(write_and_delete, range(6))) == [False] * 6


@pytest.mark.django_db
def test_browser__leaves_the_database_usable(browser_page: Page) -> None:
    UnwatchedPhoto.objects.create(file=browser_page.url)
    assert UnwatchedPhoto.objects.get().file.name == "about:blank"


def test_browser__shows_a_page(browser_page: Page) -> None:
    browser_page.set_content("<h1>Shop</h1><script>document.title = 'ran'</script>")
    assert browser_page.locator("h1").inner_text() == "Shop"
    assert browser_page.title() == "ran"


def test_storages__are_folders_of_the_test(storage_folders: dict[str, Path]) -> None:
    photo = UnwatchedPhoto()
    photo.file.save("a.png", ContentFile(b"pixels"), save=False)
    assert Path(photo.file.path).read_bytes() == b"pixels"
    assert Path(photo.file.path).is_relative_to(storage_folders["default"])


def test_running__two_servers_may_have_one_name(tmp_path: Path) -> None:
    before = list(LOGS)
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with (
        running("twin", ["sleep", "60"], folder=folders[0], ready=lambda: True),
        running("twin", ["sleep", "60"], folder=folders[1], ready=lambda: True) as second,
    ):
        assert [*before, *(folder / "twin.log" for folder in folders)] == LOGS
    assert before == LOGS
    assert second.poll() is not None


def test_running__reports_a_server_that_ends(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo no such option; exit 3"]
    with (
        pytest.raises(ServerFailedError, match=r"(?s)ended with 3.*no such option"),
        running("broken", command, folder=tmp_path, ready=lambda: False),
    ):
        pass
