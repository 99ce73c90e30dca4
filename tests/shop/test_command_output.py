"""What the commands have in common: silence for cron, and a reader that ends first."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import running, sweeping, workers
from tests import builders

ROOT = Path(__file__).resolve().parents[2]
SILENT = [
    ["shopimg_sweep"],
    ["shopimg_cleanup"],
    ["shopimg_reprocess", "--force"],
    ["shopimg_cancel", "RUN"],
    ["shopimg_audit", "--preset", "google", "--fail-on", "never", "--fix"],
]


@pytest.mark.django_db
@pytest.mark.parametrize("command", SILENT, ids=lambda command: command[0])
def test_verbosity_0__says_nothing(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    builders.photo()
    command = [part if part != "RUN" else str(BulkRun.objects.create().pk) for part in command]
    call_command(*command)
    assert "".join(capfd.readouterr())
    call_command(*command, verbosity=0)
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.django_db
def test_verbosity_0__says_nothing_of_an_export(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    call_command("shopimg_export_reviews", out=tmp_path / "a")
    assert "No decision" in capfd.readouterr().out
    call_command("shopimg_export_reviews", out=tmp_path / "b", verbosity=0)
    assert "".join(capfd.readouterr()) == ""


def test_verbosity_0__says_no_warnings_of_checks(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "SOURCES": {}}  # W001
    call_command("shopimg_audit", "--list", skip_checks=False)
    assert "W001" in capfd.readouterr().err
    call_command("shopimg_audit", "--list", skip_checks=False, verbosity=0)
    assert "".join(capfd.readouterr()) == ""


def test_broken_pipe__of_something_else_is_told_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def hang_up() -> None:
        raise BrokenPipeError("the broker hung up")

    monkeypatch.setattr(sweeping, "sweep", hang_up)
    with pytest.raises(BrokenPipeError, match="the broker hung up"):
        call_command("shopimg_sweep")
    os.write(1, b"still there")
    assert capfd.readouterr().out == "still there"


def test_reader_that_ends_first__ends_the_command_in_one_line() -> None:
    command = [sys.executable, "-m", "django", "shopimg_audit", "--list"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert ended.returncode == 3
    assert ended.stderr.strip().splitlines()[-1] == "CommandError: Nobody reads the output."
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


@pytest.mark.django_db
def test_reprocess__that_waits_says_that_no_worker_will_do_anything(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    running.run(builders.job_of(builders.photo()).pk)

    def work(_: float) -> None:
        for job in EnhancementJob.objects.unfinished():
            running.run(job.pk)

    monkeypatch.setattr(time, "sleep", work)
    missing = "No worker looks into the queue shopimg-bulk: nothing is done until one does."
    call_command("shopimg_reprocess", "--force", "--wait")
    assert missing in capfd.readouterr().err
    workers.beat("bulk@here", "shopimg-bulk")
    call_command("shopimg_reprocess", "--force", "--wait")
    assert missing not in capfd.readouterr().err
