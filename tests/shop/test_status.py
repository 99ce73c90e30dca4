"""``shopimg_status``: what monitors are told, and by which exit status."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from shopimg.models import EnhancementJob, WorkerHeartbeat
from shopimg.services import jobs, workers
from shopimg.states import JobState
from tests import builders

pytestmark = pytest.mark.django_db

QUEUES = "shopimg,shopimg-bulk,shopimg-upkeep"


def status(capsys, *options: str) -> tuple[int, str, str]:
    try:
        call_command("shopimg_status", *options)
        code = 0
    except SystemExit as end:
        code = int(str(end.code))
    said = capsys.readouterr()
    return code, said.out, said.err


def job(**columns: Any) -> EnhancementJob:
    made = builders.job_of(builders.photo())
    EnhancementJob.objects.filter(pk=made.pk).update(**columns)
    return made


def given_up(minutes: int) -> None:
    moment = timezone.now() - timedelta(minutes=minutes)
    job(state=JobState.QUARANTINED, error_code="worker_error", finished_at=moment)


def test_status__is_well_where_every_queue_has_a_worker_and_nothing_is_late(capsys) -> None:
    workers.beat("all@here", QUEUES)
    job()
    job(bulk=True, run_after=timezone.now() - timedelta(days=1))
    jobs.claim(job().pk)
    given_up(120)
    said = "Workers: 1. Jobs that run: 1, that wait: 1 of uploads, 1 in bulk.\n"
    assert status(capsys) == (0, said, "")


def test_status__names_queues_without_a_worker(capsys) -> None:
    workers.beat("most@here", "shopimg,shopimg-bulk")
    code, _, problems = status(capsys)
    assert (code, problems) == (1, "No worker looks into the queue shopimg-upkeep.\n")
    WorkerHeartbeat.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    assert status(capsys)[2].count("No worker looks into") == 3


def test_status__names_uploads_that_wait_and_jobs_that_were_given_up(capsys) -> None:
    workers.beat("all@here", QUEUES)
    job(run_after=timezone.now() - timedelta(seconds=700))
    given_up(50)
    code, out, err = status(capsys, "--json")
    found = json.loads(out)
    assert (code, err) == (1, "")
    assert found.pop("oldest_seconds") == pytest.approx(700, abs=30)
    late, lost = found.pop("problems")
    assert late.startswith("An upload has waited for 7")
    assert lost == "Jobs that were quarantined within the last hour: 1."
    assert found == {
        "workers": 1, "unserved_queues": [], "interactive_jobs": 1, "bulk_jobs": 0,
        "running_jobs": 0, "quarantined_lately": 1,
    }  # fmt: skip
    assert "has waited" not in status(capsys, "--late", "900")[2]
