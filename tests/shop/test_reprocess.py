"""``shopimg_reprocess``: options, exit codes, interruption of a real process."""

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
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from shopimg.management.commands import shopimg_reprocess
from shopimg.models import BulkRun, EnhancementJob
from shopimg.services import bulk, jobs, queueing, running
from shopimg.services.bulk import Selection
from shopimg.services.requests import request_enhancement
from shopimg.states import RunState
from tests import builders
from tests.e2e.workers import Host, database_of_tests
from tests.servers.stack import eventually
from tests.testapp.models import Photo


def _unknown(number: int) -> list[Photo]:
    files = Photo._meta.get_field("file").storage
    names = [
        files.save(f"photos/{i}.jpg", builders.upload(builders.picture(colour=(i, 7, 7))))
        for i in range(number)
    ]
    return Photo.objects.bulk_create([Photo(file=name) for name in names])


def _work(_: float) -> None:
    for job in EnhancementJob.objects.unfinished():
        running.run(job.pk)


def _press_ctrl_c(_: float) -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.django_db
def test_reprocess__queues_and_summarises(capsys) -> None:
    _unknown(3)
    call_command("shopimg_reprocess", "--batch-size", "2")
    run = BulkRun.objects.get()
    said = capsys.readouterr().out.splitlines()
    summary = f"Run {run.pk}: 3 images, 3 queued, 0 had their job already, 0 refused."
    assert said == [summary, "All queued: 3 queued."]


@pytest.mark.django_db
@pytest.mark.parametrize("option", ["--dry-run", "--estimate"])
def test_reprocess__only_counts(capsys, option: str) -> None:
    request_enhancement(_unknown(3)[0])
    call_command("shopimg_reprocess", option)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "3 images: 2 would be queued, 1 have their job already."
    assert len(said) == (1 if option == "--dry-run" else 2)  # nobody has asked for an estimate
    assert (EnhancementJob.objects.count(), BulkRun.objects.count()) == (1, 0)


@pytest.mark.django_db
def test_reprocess__estimates_in_a_unit_that_says_something(capsys) -> None:
    photo, _, _ = _unknown(3)
    request_enhancement(photo)
    end = timezone.now()
    EnhancementJob.objects.update(
        state="succeeded", started_at=end - timedelta(seconds=4), finished_at=end
    )
    call_command("shopimg_reprocess", "--estimate")
    said = capsys.readouterr()
    assert said.out.splitlines()[1] == (
        "About 8 seconds for one worker process, by the mean of past jobs (4.00 s per image)."
    )
    assert "No prediction: no worker for jobs is running.\n" in said.err


@pytest.mark.django_db
def test_reprocess__with_nothing_to_queue_asks_no_worker(capsys) -> None:
    call_command("shopimg_reprocess", "--dry-run", "--estimate")
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "0 images: 0 would be queued, 0 have their job already.",
        "Nothing to queue, so no worker was asked. --force counts what has its job, too.",
    ]
    assert said.err == ""


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
        (["--model", "testapp.Photo", "--ids", "x"], "'x' cannot be a key of"),
        (["--resume", "nonsense"], "is not the id of a run"),
        (["--resume", "00000000-0000-0000-0000-000000000000"], "There is no run"),
        (["--rate", "0"], "'0' is no rate above 0, such as 20/s"),
        (["--rate", "abc"], "'abc' is no rate above 0, such as 20/s"),
        (["--rate", "nan"], "'nan' is no rate above 0, such as 20/s"),
        (["--limit", "0"], "'0' is no whole number above 0"),
        (["--batch-size", "few"], "'few' is no whole number above 0"),
        (["--model", "testapp.Photo", "--ids", "9999"], "There is no image 9999 of testapp.Photo"),
        (["--since", "yesterday"], "'yesterday' is no date of ISO 8601"),
        (["--status", "done"], "invalid choice: 'done'"),
    ],
)
def test_reprocess__refuses_with_a_clear_message(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("shopimg_reprocess", *arguments)
    assert BulkRun.objects.count() == 0


@pytest.mark.django_db
def test_reprocess__run_that_is_queued_can_be_waited_for_again(monkeypatch, capsys) -> None:
    _unknown(2)
    monkeypatch.setattr(time, "sleep", _press_ctrl_c)
    with pytest.raises(CommandError) as caught:
        call_command("shopimg_reprocess", "--wait")
    run = BulkRun.objects.get()
    again = ["--resume", str(run.pk), "--wait"]
    hint = "All jobs are queued and go on. Wait for them with"
    assert str(caught.value) == f"Interrupted. {hint} {' '.join(again)}"
    assert run.state == RunState.QUEUED
    with pytest.raises(CommandError, match=r"are queued\. Wait for them with --wait\."):
        call_command("shopimg_reprocess", *again[:2])
    monkeypatch.setattr(time, "sleep", _work)
    capsys.readouterr()
    call_command("shopimg_reprocess", *again)
    assert capsys.readouterr().out.splitlines() == [
        f"All jobs of run {run.pk} are queued.",
        f"Run {run.pk}: 2 images, 2 queued, 0 had their job already, 0 refused.",
        "Finished: 2 succeeded.",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "options",
    [
        ["--limit", "3"],
        ["--force"],
        ["--recipe", "clean"],
        ["--dry-run"],
        ["--estimate"],
        ["--model", "testapp.Photo"],
        ["--ids", "1"],
        ["--status", "failed"],
        ["--since", "2026-01-01"],
        ["--only-failed"],
    ],
)
def test_reprocess__resume_takes_no_options_of_a_new_run(options: list[str]) -> None:
    run = BulkRun.objects.create(state=RunState.INTERRUPTED, filters=Selection().to_json())
    with pytest.raises(CommandError, match=f"as it was started; leave out {options[0]}\\."):
        call_command("shopimg_reprocess", "--resume", str(run.pk), *options)
    run.refresh_from_db()
    assert run.state == RunState.INTERRUPTED


@pytest.mark.django_db
def test_reprocess__storage_that_is_down_stops_the_run_resumably(settings, capsys) -> None:
    _unknown(2)
    working = settings.STORAGES
    backend = "tests.testapp.storages.BrokenCloudStorage"
    settings.STORAGES = working | {"default": {"BACKEND": backend}}
    with pytest.raises(CommandError, match="The storage does not answer") as caught:
        call_command("shopimg_reprocess")
    run = BulkRun.objects.get()
    assert caught.value.returncode == 1
    assert str(caught.value).endswith(f"Resume with --resume {run.pk}")
    assert (run.state, run.examined, run.cursor) == (RunState.INTERRUPTED, 0, {})
    assert capsys.readouterr().out.splitlines()[1] == "Interrupted: no jobs."
    settings.STORAGES = working
    call_command("shopimg_reprocess", "--resume", str(run.pk), verbosity=0)
    run.refresh_from_db()
    assert (run.state, run.queued, run.skipped) == (RunState.QUEUED, 2, 0)


@pytest.mark.django_db
def test_reprocess__says_what_was_refused(capsys) -> None:
    good, bad = _unknown(2)
    Path(bad.file.path).write_bytes(b"not a picture")
    for queued, up_to_date in ((1, 0), (0, 1)):
        call_command("shopimg_reprocess")
        numbers = f"2 images, {queued} queued, {up_to_date} had their job already, 1 refused."
        assert capsys.readouterr().out.splitlines()[0].endswith(numbers)
    assert EnhancementJob.objects.for_source(good).get().state == "queued"


@pytest.mark.django_db
def test_reprocess__waits_for_the_end_and_fails_when_a_job_failed(monkeypatch, capsys) -> None:
    good, bad = _unknown(2)
    Path(bad.file.path).write_bytes(builders.picture((640, 480))[:-300])

    monkeypatch.setattr(time, "sleep", _work)
    with pytest.raises(CommandError, match=r"1 jobs failed\. See them in the admin"):
        call_command("shopimg_reprocess", "--wait")
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "Finished: 1 succeeded, 1 failed."
    assert [line.partition(": ")[0] for line in said[2:]] == ["  1 x source_unreadable"]
    assert BulkRun.objects.get().state == RunState.FINISHED
    assert EnhancementJob.objects.for_source(good).get().state == "succeeded"


@pytest.mark.django_db
def test_reprocess__waits_for_a_job_that_is_claimed_while_it_counts(monkeypatch, capsys) -> None:
    _unknown(1)
    count = bulk.progress

    def count_then_claim(run: BulkRun) -> dict[str, int]:
        counts = count(run)
        for job in EnhancementJob.objects.filter(state="queued"):
            jobs.claim(job.pk)
        return counts

    def finish(_: float) -> None:
        EnhancementJob.objects.update(state="queued", run_after=timezone.now())
        _work(0)

    monkeypatch.setattr(bulk, "progress", count_then_claim)
    # Of a set, whose order is another one in every process.
    monkeypatch.setattr(shopimg_reprocess, "OPEN_JOBS", ("running", "queued"))
    monkeypatch.setattr(time, "sleep", finish)
    call_command("shopimg_reprocess", "--wait")
    assert capsys.readouterr().out.splitlines()[1] == "Finished: 1 succeeded."


@pytest.mark.django_db
def test_reprocess__that_waits_fails_when_an_image_was_refused(monkeypatch, capsys) -> None:
    _, bad = _unknown(2)
    Path(bad.file.path).write_bytes(b"not a picture")
    monkeypatch.setattr(time, "sleep", _work)
    for failed in ("1 jobs failed, ", ""):  # the second run finds the job of the first one
        with pytest.raises(CommandError, match=f"^{failed}1 images were refused\\. See"):
            call_command("shopimg_reprocess", "--wait")


@pytest.mark.django_db
def test_reprocess__resumes_no_run_that_somebody_else_is_at() -> None:
    _unknown(2)
    run = bulk.start(Selection())
    assert queueing.take_over(run) is True
    with pytest.raises(CommandError) as caught:
        call_command("shopimg_reprocess", "--resume", str(run.pk))
    assert str(caught.value) == (
        f"Another process queues the images of run {run.pk}. "
        f"If that one was killed, try again after {run.queue_after:%Y-%m-%d %H:%M:%S}."
    )
    assert EnhancementJob.objects.count() == 0
    lease = run.queue_after
    run.refresh_from_db()
    assert (run.state, run.queue_after) == (RunState.QUEUEING, lease)
    BulkRun.objects.update(queue_after=timezone.now(), state=RunState.INTERRUPTED)
    call_command("shopimg_reprocess", "--resume", str(run.pk), verbosity=0)
    run.refresh_from_db()
    assert (run.state, run.queued, run.queue_after) == (RunState.QUEUED, 2, None)


@pytest.mark.django_db
def test_reprocess__rate_is_images_per_second(monkeypatch) -> None:
    _unknown(5)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    call_command("shopimg_reprocess", "--rate", "2/s", verbosity=0)
    assert slept == [1.0, 2.0, 2.5]  # images done so far, by two, as no time passes by itself


@pytest.mark.django_db
def test_reprocess__holds_its_run_however_slow_it_is(monkeypatch) -> None:
    _unknown(2)
    refused: list[bool] = []

    def resume_meanwhile(seconds: float) -> None:
        BulkRun.objects.update(queue_after=F("queue_after") - timedelta(seconds=seconds))
        refused.append(not queueing.take_over(BulkRun.objects.get()))

    monkeypatch.setattr(time, "sleep", resume_meanwhile)
    call_command("shopimg_reprocess", "--rate", "0.001", verbosity=0)
    assert refused == [True, True]


@pytest.mark.django_db
def test_reprocess__stops_when_its_run_was_taken_over(monkeypatch) -> None:
    _unknown(3)
    other: list[BulkRun] = []

    def take_over(_: float) -> None:
        BulkRun.objects.update(queue_after=timezone.now())
        other.append(BulkRun.objects.get())
        assert queueing.take_over(other[0]) is True
        next(bulk.advance(other[0], 1))

    monkeypatch.setattr(time, "sleep", take_over)
    with pytest.raises(CommandError, match=r"^Another process queues the images of run"):
        call_command("shopimg_reprocess", "--rate", "1", verbosity=0)
    run = BulkRun.objects.get()
    assert (run.examined, run.queued, run.queue_after) == (2, 2, other[0].queue_after)


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
        with pytest.raises(CommandError, match=r"^Another process queues the images"):
            call_command("shopimg_reprocess", "--resume", str(BulkRun.objects.get().pk))
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
