"""The management commands: options, exit codes, interruption of a real process, clean-up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from shopimg import storage
from shopimg.models import BulkRun, EnhancedVariant, EnhancementJob
from shopimg.services import cleaning, publishing, reviews, running
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import RunState
from tests import builders
from tests.e2e.workers import Host, database_of_tests
from tests.servers.stack import eventually
from tests.shop.test_storage import files_below
from tests.testapp.models import Photo


def _unknown(number: int) -> list[Photo]:
    files = Photo._meta.get_field("file").storage
    names = [
        files.save(f"photos/{i}.jpg", builders.upload(builders.picture(colour=(i, 7, 7))))
        for i in range(number)
    ]
    return Photo.objects.bulk_create([Photo(file=name) for name in names])


@pytest.mark.django_db
def test_reprocess__queues_and_summarises(capsys) -> None:
    _unknown(3)
    call_command("shopimg_reprocess", "--batch-size", "2")
    run = BulkRun.objects.get()
    said = capsys.readouterr().out.splitlines()
    assert said == [f"Run {run.pk}: 3 images, 3 queued, 0 up to date.", "  Queued: 3"]


@pytest.mark.django_db
@pytest.mark.parametrize("option", ["--dry-run", "--estimate"])
def test_reprocess__only_counts(capsys, option: str) -> None:
    _unknown(2)
    call_command("shopimg_reprocess", option)
    assert capsys.readouterr().out.splitlines()[0] == "2 images."
    assert (EnhancementJob.objects.count(), BulkRun.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_reprocess__only_failed_runs_the_failed_ones_again() -> None:
    failed, good = _unknown(2)
    call_command("shopimg_reprocess", verbosity=0)
    EnhancementJob.objects.for_source(failed).update(state="quarantined", error_code="x")
    EnhancementJob.objects.for_source(good).update(state="succeeded")
    call_command("shopimg_reprocess", "--only-failed", verbosity=0)
    assert EnhancementJob.objects.for_source(failed).get().state == "queued"
    assert EnhancementJob.objects.for_source(good).get().state == "succeeded"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "no.Model"], "no.Model is not in SHOPIMG"),
        (["--recipe", "shiny"], "There is no recipe"),
        (["--model", "testapp.Photo", "--ids", "x"], "'x' is not a primary key"),
        (["--resume", "nonsense"], "is not the id of a run"),
        (["--resume", "00000000-0000-0000-0000-000000000000"], "There is no run"),
        (["--rate", "0"], "invalid _rate value"),
        (["--limit", "0"], "invalid _positive value"),
        (["--since", "yesterday"], "invalid _moment value"),
        (["--status", "done"], "invalid choice: 'done'"),
    ],
)
def test_reprocess__refuses_with_a_clear_message(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("shopimg_reprocess", *arguments)
    assert BulkRun.objects.count() == 0


@pytest.mark.django_db
def test_reprocess__complete_run_cannot_be_resumed() -> None:
    call_command("shopimg_reprocess", verbosity=0)
    with pytest.raises(CommandError, match="is complete; there is nothing to resume"):
        call_command("shopimg_reprocess", "--resume", str(BulkRun.objects.get().pk))


@pytest.mark.django_db
def test_reprocess__waits_for_the_end_and_fails_when_a_job_failed(monkeypatch, capsys) -> None:
    good, bad = _unknown(2)
    Path(bad.file.path).write_bytes(builders.picture((640, 480))[:-300])

    def work(_: float) -> None:
        for job in EnhancementJob.objects.unfinished():
            running.run(job.pk)

    monkeypatch.setattr(time, "sleep", work)
    with pytest.raises(CommandError, match=r"1 jobs failed\. See them in the admin"):
        call_command("shopimg_reprocess", "--wait")
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == ["  Failed: 1", "  Succeeded: 1"]
    assert EnhancementJob.objects.for_source(good).get().state == "succeeded"


@pytest.mark.django_db
def test_reprocess__rate_is_images_per_second(monkeypatch) -> None:
    _unknown(5)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    call_command("shopimg_reprocess", "--rate", "2/s", verbosity=0)
    assert slept == [1.0, 2.0, 2.5]  # images done so far, by two, as no time passes by itself


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_reprocess__interrupted_process_can_be_resumed(tmp_path: Path, kind: int) -> None:
    _unknown(20)
    host = Host(tmp_path, "memory://", database_of_tests())
    command = [sys.executable, "-m", "django", "shopimg_reprocess", "--batch-size=1"]
    with subprocess.Popen(
        [*command, "--rate=10"],
        env={**os.environ, **host.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that was started in the background hands an ignored SIGINT down to here.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        eventually(lambda: EnhancementJob.objects.count() >= 3)
        process.send_signal(kind)
        _, said = process.communicate(timeout=30)
    run = BulkRun.objects.get()
    assert process.returncode == 1
    assert f"Interrupted. Jobs that were queued go on. Resume with --resume {run.pk}" in said
    assert run.state == RunState.INTERRUPTED
    assert EnhancementJob.objects.count() == run.queued < 20
    call_command("shopimg_reprocess", "--resume", str(run.pk), verbosity=0)
    run.refresh_from_db()
    assert (run.state, run.examined, run.queued) == (RunState.QUEUED, 20, 20)
    assert run.jobs.count() == EnhancementJob.objects.count() == 20


def _make_old(folder: Path, hours: float = 25) -> None:
    moment = time.time() - hours * 3600
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))


@pytest.mark.django_db
def test_cleanup__deletes_old_orphans_only(storage_folders: dict[str, Path], capsys) -> None:
    shown = reviews.approve(builders.draft(), by=builders.reviewer())
    publishing.make_renditions(shown)
    kept = {alias: files_below(folder) for alias, folder in storage_folders.items()}
    old = storage.save_draft(b"x" * 1000, "image/jpeg")
    storage.published().save("published/ab/abc.jpg", ContentFile(b"y" * 1000))
    storage.published().save("published/ab/abc/100w.avif", ContentFile(b"z" * 1000))
    for folder in storage_folders.values():
        _make_old(folder)
    young = storage.save_draft(b"young", "image/jpeg")

    call_command("shopimg_cleanup", "--dry-run")
    assert set(capsys.readouterr().out.splitlines()) == {
        old,
        "published/ab/abc.jpg",
        "published/ab/abc/100w.avif",
        "3 files would be deleted, 0.0 MB.",
    }
    call_command("shopimg_cleanup")
    assert capsys.readouterr().out == "3 files deleted, 0.0 MB.\n"
    kept["shopimg_drafts"] = sorted([*kept["shopimg_drafts"], young])
    assert {alias: files_below(folder) for alias, folder in storage_folders.items()} == kept
    call_command("shopimg_cleanup")
    assert capsys.readouterr().out == "0 files deleted, 0.0 MB.\n"


@pytest.mark.django_db
def test_cleanup__keeps_for_a_while_what_was_just_replaced(
    storage_folders: dict[str, Path],
) -> None:
    rosa, photo = builders.reviewer(), builders.photo()
    first = reviews.approve(builders.draft(photo), by=rosa)
    request_enhancement(photo, Order(force=True))
    reviews.approve(builders.draft(photo, colour=(1, 1, 1)), by=rosa)
    _make_old(storage_folders["shopimg_published"])
    assert list(cleaning.orphans()) == []
    EnhancedVariant.objects.filter(pk=first.pk).update(
        updated_at=timezone.now() - timedelta(hours=25)
    )
    assert [orphan.name for orphan in cleaning.orphans()] == [first.published_name]


@pytest.mark.django_db
def test_cleanup__spares_what_was_published_since_it_was_found(
    storage_folders: dict[str, Path],
) -> None:
    draft = builders.draft()
    name = storage.publish_copy(draft.draft_name, draft.digest, draft.mime_type)
    _make_old(storage_folders["shopimg_published"])
    (orphan,) = cleaning.orphans()
    reviews.approve(draft, by=builders.reviewer())
    assert cleaning.remove(orphan) is False
    assert files_below(storage_folders["shopimg_published"]) == [name]
