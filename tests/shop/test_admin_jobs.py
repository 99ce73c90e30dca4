"""The job list: what it says, and running jobs again or stopping them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from shopimg import wakeup
from shopimg.admin import operations
from shopimg.admin.line import review_url
from shopimg.contract import SourceUnreadableError
from shopimg.models import BulkRun, EnhancementJob, WorkerHeartbeat
from shopimg.services import jobs
from shopimg.states import JobState
from tests import builders
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db

LIST = "admin:shopimg_enhancementjob_changelist"


def operator(name: str = "olga") -> User:
    return builders.reviewer(
        name, "view_enhancementjob", "change_enhancementjob", "view_enhancedvariant"
    )


def press(user: User, job: EnhancementJob, action: str) -> Any:
    url = reverse(f"admin:shopimg_enhancementjob_{action}", args=[job.pk])
    return builders.client_of(user).post(url)


def failed_job() -> EnhancementJob:
    job = builders.job_of(builders.photo())
    claim = jobs.claim(job.pk)
    assert claim is not None
    jobs.fail(claim, SourceUnreadableError(detail="truncated at byte 17"))
    job.refresh_from_db()
    return job


def test_list__says_state_attempts_error_and_results() -> None:
    failed_job()
    draft = builders.draft()
    page = builders.client_of(operator()).get(reverse(LIST)).content.decode()
    assert 'data-state="failed">Failed<' in page
    assert "1 of 3" in page
    assert "<code>source_unreadable</code>" in page
    assert "The uploaded file is damaged or is not a picture." in page
    assert f"{draft.pk}/review/" in page


def test_list__offers_every_error_once() -> None:
    page = builders.client_of(operator()).get(reverse(LIST)).content.decode()
    assert page.count("?error=capacity") == 1


def test_list__filters_by_error_and_state() -> None:
    job = failed_job()
    builders.draft()
    client = builders.client_of(operator())
    for parameters in ({"error": "source_unreadable"}, {"state": "failed"}):
        response = client.get(reverse(LIST), parameters)
        assert list(response.context["cl"].result_list) == [job]


def test_list__scope_hides_jobs(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    karl = builders.reviewer("karl")
    job = builders.job_of(OwnedPhoto.objects.create(owner=karl, file=builders.upload()))
    olga = operator()
    assert list(builders.client_of(olga).get(reverse(LIST)).context["cl"].result_list) == []
    assert press(olga, job, "cancel").status_code == 404
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_list__warns_while_no_worker_is_alive() -> None:
    client = builders.client_of(operator())
    assert "No worker is running." in client.get(reverse(LIST)).content.decode()
    WorkerHeartbeat.objects.create(name="w1", queues="shopimg", seen_at=timezone.now())
    assert "No worker is running." not in client.get(reverse(LIST)).content.decode()


def test_list__number_of_queries_does_not_grow_with_rows() -> None:
    client = builders.client_of(operator())

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse(LIST))
        return len(captured)

    builders.draft()
    queries()
    few = queries()
    for _ in range(5):
        builders.draft()
    assert queries() == few


def test_detail__tells_operators_everything() -> None:
    job = failed_job()
    url = reverse("admin:shopimg_enhancementjob_change", args=[job.pk])
    page = builders.client_of(operator()).get(url).content.decode()
    for fact in ("truncated at byte 17", "source_unreadable", job.source_digest, "Run again"):
        assert fact in page
    assert "Cancel this job" not in page


def test_detail__viewers_get_no_buttons() -> None:
    job = failed_job()
    url = reverse("admin:shopimg_enhancementjob_change", args=[job.pk])
    page = builders.client_of(builders.reviewer()).get(url).content.decode()
    assert "Run again" not in page


def test_retry__queues_again_and_wakes_a_worker(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    woken: list[Any] = []
    monkeypatch.setattr(wakeup, "send", lambda pk, **_: woken.append(pk))
    job = failed_job()
    with django_capture_on_commit_callbacks(execute=True):
        assert press(operator(), job, "retry").status_code == 302
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error_code) == (JobState.QUEUED, 0, "")
    assert woken == [job.pk]


def test_cancel__stops_a_job_once() -> None:
    job = builders.job_of(builders.photo())
    olga = operator()
    assert press(olga, job, "cancel").status_code == 302
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert press(olga, job, "cancel").status_code == 409


@pytest.mark.parametrize("action", ["retry", "cancel"])
def test_press__needs_permission_and_post(action: str) -> None:
    job = builders.job_of(builders.photo()) if action == "cancel" else failed_job()
    before = job.state
    assert press(builders.reviewer(), job, action).status_code == 403
    url = reverse(f"admin:shopimg_enhancementjob_{action}", args=[job.pk])
    assert builders.client_of(operator()).get(url).status_code == 405
    job.refresh_from_db()
    assert job.state == before


def test_actions__on_many_jobs_say_what_was_refused() -> None:
    waiting, failed = builders.job_of(builders.photo()), failed_job()
    data = {"action": "retry_selected", "_selected_action": [waiting.pk, failed.pk]}
    response = builders.client_of(operator()).post(reverse(LIST), data, follow=True)
    failed.refresh_from_db()
    assert failed.state == JobState.QUEUED
    page = response.content.decode()
    assert "1 job: Queued again." in page
    assert "1 job is not in a state that allows this." in page


@pytest.mark.parametrize(
    ("action", "fitting", "other"),
    [
        ("retry_selected", JobState.FAILED, JobState.QUEUED),
        ("cancel_selected", JobState.QUEUED, JobState.FAILED),
    ],
)
def test_actions__on_all_jobs_go_on_with_the_rest(
    action: str, fitting: JobState, other: JobState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "LIMIT", 2)
    *_, newest = [builders.job_of(builders.photo()) for _ in range(4)]
    EnhancementJob.objects.update(state=fitting, error_code="x")
    EnhancementJob.objects.filter(pk=newest.pk).update(state=other)  # stands first in the list
    data = {"action": action, "_selected_action": [newest.pk], "select_across": "1"}
    client = builders.client_of(operator())
    for done, unfit, said in (("2 jobs: ", "1 job is", True), ("1 job: ", "3 jobs are", False)):
        response = client.post(reverse(LIST), data, follow=True)
        page = response.content.decode()
        assert done in page
        assert f"{unfit} not in a state that allows this." in page
        assert ("At most 2 at a time." in page) is said


def test_runs__are_narrowed_to_what_the_user_may_see(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    rosa, karl = builders.reviewer("rosa", "view_bulkrun"), builders.reviewer("karl")
    shared, foreign = BulkRun.objects.create(recipe="both"), BulkRun.objects.create(recipe="his")
    for owner, run in ((rosa, shared), (karl, shared), (karl, foreign)):
        image = OwnedPhoto.objects.create(owner=owner, file=builders.upload())
        EnhancementJob.objects.for_source(image).update(bulk_run=run)
    client = builders.client_of(rosa)
    page = client.get(reverse("admin:shopimg_bulkrun_changelist"))
    assert list(page.context["cl"].result_list) == [shared]
    assert "0 succeeded, 0 failed, 1 to do" in page.content.decode()
    change = "admin:shopimg_bulkrun_change"
    assert client.get(reverse(change, args=[shared.pk])).status_code == 200
    assert client.get(reverse(change, args=[foreign.pk])).status_code == 302  # not found


def test_runs__lead_to_their_jobs(client: Client) -> None:
    run = BulkRun.objects.create()
    failed, done, elsewhere = (builders.job_of(builders.photo()) for _ in range(3))
    jobs = EnhancementJob.objects
    jobs.exclude(pk=elsewhere.pk).update(bulk_run=run)
    jobs.filter(pk=failed.pk).update(state=JobState.QUARANTINED, error_code="worker_error")
    jobs.filter(pk=done.pk).update(state=JobState.SUCCEEDED)
    client.force_login(builders.reviewer("rosa", "view_bulkrun", "view_enhancementjob"))
    for name, args in (("changelist", []), ("change", [run.pk])):
        page = client.get(reverse(f"admin:shopimg_bulkrun_{name}", args=args)).content.decode()
        (address,) = re.findall(r'<a href="([^"]+)">1 failed</a>', page)
        found = client.get(unescape(address)).context["cl"].result_list
        assert list(found) == [failed]
        assert "0 to do" in page
        assert ">0 to do</a>" not in page
    client.force_login(builders.reviewer("karl", "view_bulkrun"))
    page = client.get(reverse("admin:shopimg_bulkrun_changelist")).content.decode()
    assert "1 succeeded, 1 failed, 0 to do" in page


def test_results__are_told_apart_and_link_where_that_is_allowed(client: Client) -> None:
    scenes = builders.scenes()
    job = scenes[0].job
    client.force_login(builders.reviewer("rosa"))
    listed = client.get(reverse("admin:shopimg_enhancementjob_changelist")).content.decode()
    page = client.get(reverse("admin:shopimg_enhancementjob_change", args=[job.pk]))
    for number, name in enumerate(("scene", "scene 2", "scene 3")):
        address = review_url(scenes[number])
        assert f'<a href="{address}">{name}</a>' in listed
        shown = f'<a href="{address}">{name} · 128 × 96</a> (Awaiting review)'
        assert shown in page.content.decode()
    client.force_login(builders.reviewer("karl", "view_enhancementjob"))
    listed = client.get(reverse("admin:shopimg_enhancementjob_changelist")).content.decode()
    assert "scene<br>scene 2<br>scene 3" in listed


def test_runs__say_in_words_what_they_run_and_since_when(client: Client) -> None:
    BulkRun.objects.create(created_at=datetime(2026, 11, 24, 21, 58, tzinfo=UTC))
    client.force_login(builders.reviewer("rosa", "view_bulkrun"))
    page = client.get(reverse("admin:shopimg_bulkrun_changelist")).content.decode()
    assert "every recipe, 2026-11-24 21:58" in page
    assert "column-created_at" not in page


@pytest.mark.parametrize("model", ["bulkrun", "workerheartbeat"])
def test_other_lists__open(model: str) -> None:
    WorkerHeartbeat.objects.create(name="w1", queues="shopimg")
    client = builders.client_of(User.objects.create_superuser("boss"))
    assert client.get(reverse(f"admin:shopimg_{model}_changelist")).status_code == 200
