"""The whole shop runs as processes of its own."""

from __future__ import annotations

import subprocess
import sys
import urllib.request

from tests.servers.stack import Stack


def test_stack__serves_pages_and_static_files(stack: Stack) -> None:
    for path, said in [("/", "<!doctype html>"), ("/static/admin/css/base.css", "--primary")]:
        with urllib.request.urlopen(stack.url + path, timeout=20) as response:
            assert said in response.read().decode().lower()


def test_stack__lets_its_users_in(stack: Stack) -> None:
    counted = stack.rows("SELECT count(*) FROM auth_user WHERE is_superuser = %s", True)
    assert counted == [(1,)]
    assert "0 errors" not in stack.manage("check")


def test_worker_health__is_good_while_the_worker_beats(stack: Stack) -> None:
    command = [sys.executable, "-m", "docker.worker_health"]
    result = subprocess.run(command, env=stack.environment, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
