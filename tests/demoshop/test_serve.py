"""``manage.py serve`` as a person uses it: start, look, log in, stop with Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command

from demoshop.demo import processes
from tests.servers.process import accepts_connections, free_port, running
from tests.servers.stack import eventually

ROOT = Path(__file__).resolve().parents[2]
READY = "Ctrl-C stops everything."


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """Hand both down even from a suite in the background or below nohup, where they are ignored."""
    heard = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in heard.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines of all processes that were told to work in a folder."""
    told = f"DEMO_DIR={folder}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if told in (place / "environ").read_bytes().split(b"\0"):
                found.append((place / "cmdline").read_text().replace("\0", " ").strip())
        except OSError:  # somebody else's, or over by now
            continue
    return found


def _read(browser: urllib.request.OpenerDirector, url: str, **form: str) -> tuple[str, str]:
    """Return the address that was reached in the end, and its page."""
    body = urlencode(form).encode() if form else None
    with browser.open(url, body, timeout=60) as response:
        return response.url, response.read().decode()


@pytest.mark.parametrize(
    "address", ["foo", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:0", ":70000"]
)
def test_serve__refuses_what_is_no_address(address: str) -> None:
    with pytest.raises(CommandError, match=f"'{address}' is not HOST:PORT: PORT is a number"):
        call_command("serve", address)


SIGNALLED = """
import signal, sys
from demoshop.demo import processes

number, stopped = signal.Signals[sys.argv[1]], []
signal.signal(number, signal.SIG_DFL)
try:
    with processes.terminable():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)  # shell and terminal both send a hangup
            stopped.append("worker")
except KeyboardInterrupt:
    print(stopped, signal.getsignal(number) == signal.SIG_DFL)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_terminable__takes_a_signal_for_ctrl_c(name: str) -> None:
    # In a process of its own: where tests run side by side, one that dies of it takes others along.
    command = [sys.executable, "-c", SIGNALLED, name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "['worker'] True\n", done.stderr


def test_terminable__leaves_ignored_hangups_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with processes.terminable():
            signal.raise_signal(signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGHUP], ids=["ctrl-c", "hangup"])
@pytest.mark.usefixtures("heard_interrupts")
def test_serve__shows_the_shop_lets_in_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: signal.Signals
) -> None:
    for name in list(os.environ):
        if name.startswith(("DATABASE_URL", "REDIS_URL", "S3_", "DJANGO_", "DEMO_")):
            monkeypatch.delenv(name)
    address = f"127.0.0.1:{free_port()}"
    log = tmp_path / "serve.log"
    demo = tmp_path / "demo"
    with running(
        "serve",
        [sys.executable, ROOT / "manage.py", "serve", address],
        folder=tmp_path,
        ready=lambda: READY in log.read_text(),
        env={
            "DEMO_DIR": str(demo),
            "DEMO_ENHANCER": "shopimg.backends.echo.EchoEnhancer",
            "PYTHONUNBUFFERED": "1",
        },
        seconds=240,
    ) as serve:
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        _, shelves = _read(browser, f"http://{address}/")
        assert len(set(re.findall(r'href="(/products?/[^"]+)"', shelves))) >= 8

        said = log.read_text()
        (password,) = re.findall(r"^Login    admin / (\S+)$", said, re.MULTILINE)
        login, page = _read(browser, f"http://{address}/admin/")
        assert login == f"http://{address}/admin/login/?next=/admin/"
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        fields = {"csrfmiddlewaretoken": token, "username": "admin"}
        wrong, _ = _read(browser, login, **fields, password="wrong")
        assert wrong == login
        inside, page = _read(browser, login, **fields, password=password, next="/admin/")
        assert inside == f"http://{address}/admin/"
        assert "shopimg/enhancedvariant/" in page
        (key,) = re.findall(
            rf"^For curl SHOP=http://{address} TOKEN='Authorization: Token (\w+)'$",
            said,
            re.MULTILINE,
        )
        program = urllib.request.build_opener()
        program.addheaders = [("Authorization", f"Token {key}")]
        _, jobs = _read(program, f"http://{address}/api/shopimg/v1/jobs/")
        assert json.loads(jobs)["results"]

        started = _processes_of(demo)
        assert [
            part for part in ("runserver", "demo@", "upkeep@") if part in " ".join(started)
        ] == [
            "runserver",
            "demo@",
            "upkeep@",
        ]
        serve.send_signal(ending)
        assert serve.wait(120) == 0
        assert log.read_text().endswith("\nStopped.\n")
        assert "Traceback" not in log.read_text()
        eventually(lambda: not _processes_of(demo))
    assert not accepts_connections(int(address.rpartition(":")[2]))
