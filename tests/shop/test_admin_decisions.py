"""The buttons of the review page: who may press them, and what happens when two people do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from shopimg import wakeup
from shopimg.models import EnhancedVariant, EnhancementJob, ReviewDecision
from shopimg.services import publishing, reviews
from shopimg.states import Decision, JobState, ReviewState
from tests import builders
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db

ACTIONS = ("approve", "reject", "publish", "withdraw", "rollback", "restore", "retry")
NEEDED = {
    "approve": {"review_enhancedvariant", "publish_enhancedvariant"},
    "reject": {"review_enhancedvariant"},
    "publish": {"publish_enhancedvariant"},
    "withdraw": {"publish_enhancedvariant"},
    "rollback": {"publish_enhancedvariant"},
    "restore": {"publish_enhancedvariant"},
    "retry": {"change_enhancementjob"},
}
EVERYTHING = {"view_enhancedvariant", *set().union(*NEEDED.values())}


def address(variant: EnhancedVariant, action: str) -> str:
    return reverse(f"admin:shopimg_enhancedvariant_{action}", args=[variant.pk])


def press(
    user: User, variant: EnhancedVariant, action: str, *, json: bool = False, **form: Any
) -> Any:
    form = {"version": variant.version, "reason": "colour", **form}
    headers = {"Accept": "application/json" if json else "text/html,*/*;q=0.8"}
    return builders.client_of(user).post(address(variant, action), form, headers=headers)


def prepared(action: str) -> EnhancedVariant:
    """Return a variant in a state that allows an action."""
    variant = builders.draft()
    if action in {"publish", "withdraw", "rollback", "restore"}:
        boss = User.objects.create_superuser("boss")
        EnhancedVariant.objects.filter(pk=variant.pk).update(
            state=ReviewState.APPROVED, approved_by=boss, approved_at=variant.created_at
        )
        variant.refresh_from_db()
    if action in {"withdraw", "rollback", "restore"}:
        publishing.publish(variant, by=boss)
    if action == "restore":
        publishing.rollback(variant, by=boss)
    return variant


def facts_of(variant: EnhancedVariant) -> tuple[Any, ...]:
    variant.refresh_from_db()
    job = EnhancementJob.objects.get(pk=variant.job_id)
    return variant.state, variant.version, job.state, ReviewDecision.objects.count()


@pytest.mark.parametrize(
    ("action", "state", "job_state"),
    [
        ("approve", ReviewState.PUBLISHED, JobState.SUCCEEDED),
        ("reject", ReviewState.REJECTED, JobState.SUCCEEDED),
        ("publish", ReviewState.PUBLISHED, JobState.SUCCEEDED),
        ("withdraw", ReviewState.SUPERSEDED, JobState.SUCCEEDED),
        ("rollback", ReviewState.SUPERSEDED, JobState.SUCCEEDED),
        ("restore", ReviewState.PUBLISHED, JobState.SUCCEEDED),
        ("retry", ReviewState.AWAITING_REVIEW, JobState.QUEUED),
    ],
)
def test_act__does_it_with_exactly_the_needed_permissions(
    action: str, state: str, job_state: str
) -> None:
    user = builders.reviewer("rosa", "view_enhancedvariant", *NEEDED[action])
    variant = prepared(action)
    assert press(user, variant, action).status_code == 302
    assert facts_of(variant)[0] == state
    assert facts_of(variant)[2] == job_state


@pytest.mark.parametrize(
    ("action", "missing"), [(action, name) for action in ACTIONS for name in sorted(NEEDED[action])]
)
@pytest.mark.parametrize("json", [False, True])
def test_act__without_a_needed_permission_changes_nothing(
    action: str, missing: str, json: bool
) -> None:
    user = builders.reviewer("rosa", *(EVERYTHING - {missing}))
    variant = prepared(action)
    before = facts_of(variant)
    assert press(user, variant, action, json=json).status_code == 403
    assert facts_of(variant) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_act__without_view_permission_changes_nothing(action: str) -> None:
    user = builders.reviewer("rosa", *(EVERYTHING - {"view_enhancedvariant"}))
    variant = prepared(action)
    before = facts_of(variant)
    assert press(user, variant, action).status_code == 403
    assert facts_of(variant) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_act__on_somebody_elses_photo_is_not_found_and_changes_nothing(
    action: str, settings: Settings
) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    rosa, karl = builders.reviewer("rosa", *EVERYTHING), builders.reviewer("karl", *EVERYTHING)
    variant = builders.draft(OwnedPhoto.objects.create(owner=karl, file=builders.upload()))
    before = facts_of(variant)
    assert press(rosa, variant, action).status_code == 404
    assert facts_of(variant) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_act__get_is_not_allowed_and_changes_nothing(action: str) -> None:
    variant = prepared(action)
    before = facts_of(variant)
    user = builders.reviewer("rosa", *EVERYTHING)
    response = builders.client_of(user).get(address(variant, action))
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert facts_of(variant) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_act__without_csrf_token_is_forbidden_and_changes_nothing(action: str) -> None:
    variant = prepared(action)
    before = facts_of(variant)
    user = builders.reviewer("rosa", *EVERYTHING)
    client = builders.client_of(user, enforce_csrf_checks=True)
    assert client.post(address(variant, action), {"version": variant.version}).status_code == 403
    assert facts_of(variant) == before


@pytest.mark.parametrize("action", ACTIONS)
def test_act__visitors_are_sent_to_the_login(action: str) -> None:
    variant = prepared(action)
    before = facts_of(variant)
    response = Client().post(address(variant, action), {"version": variant.version})
    assert response.status_code == 302
    assert "/login/" in response["Location"]
    assert facts_of(variant) == before


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_act__taken_decision_answers_409_with_who_and_when(action: str) -> None:
    karl, rosa = builders.reviewer("karl"), builders.reviewer("rosa")
    variant = builders.draft()
    seen = variant.version
    reviews.reject(EnhancedVariant.objects.get(pk=variant.pk), by=karl, reason="text")
    before = facts_of(variant)
    decision = ReviewDecision.objects.get()
    answer = press(rosa, variant, action, json=True, version=seen)
    assert answer.status_code == 409
    assert answer.json()["code"] == "invalid_transition"
    assert (answer.json()["by"], answer.json()["at"]) == ("karl", decision.at.isoformat())
    assert "karl" in answer.json()["message"]
    assert facts_of(variant) == before


def test_act__taken_decision_answers_forms_with_a_page() -> None:
    karl, rosa = builders.reviewer("karl"), builders.reviewer("rosa")
    variant = builders.draft()
    seen = variant.version
    reviews.approve(EnhancedVariant.objects.get(pk=variant.pk), by=karl)
    answer = press(rosa, variant, "approve", version=seen)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert answer["Content-Type"].startswith("text/html")
    assert "karl" in page
    assert f"{variant.pk}/review/" in page


def test_act__version_that_was_not_looked_at_is_refused() -> None:
    variant = builders.draft()
    before = facts_of(variant)
    answer = press(builders.reviewer(), variant, "approve", version=variant.version + 1)
    assert answer.status_code == 409
    assert facts_of(variant) == before


@pytest.mark.parametrize("version", ["", "one"])
def test_act__form_without_version_is_refused(version: str) -> None:
    variant = builders.draft()
    before = facts_of(variant)
    answer = press(builders.reviewer(), variant, "approve", json=True, version=version)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert facts_of(variant) == before


@pytest.mark.parametrize("reason", ["", "ugly"])
def test_reject__needs_a_reason_from_the_list(reason: str) -> None:
    variant = builders.draft()
    before = facts_of(variant)
    answer = press(builders.reviewer(), variant, "reject", json=True, reason=reason)
    assert (answer.status_code, answer.json()["message"]) == (400, "Choose a reason.")
    assert facts_of(variant) == before


def test_reject__keeps_reason_and_note() -> None:
    rosa = builders.reviewer()
    press(rosa, builders.draft(), "reject", reason="text", note="The logo is gone.")
    decision = ReviewDecision.objects.get()
    kept = (decision.decision, decision.reason, decision.note, decision.by)
    assert kept == (Decision.REJECT, "text", "The logo is gone.", rosa)


def test_note__keeps_what_a_database_takes() -> None:
    press(builders.reviewer(), builders.draft(), "reject", reason="text", note="a\0b" + 3000 * "c")
    assert ReviewDecision.objects.get().note == "ab" + 1998 * "c"


def test_approve__leads_to_the_next_draft_and_says_how_much_is_left() -> None:
    first, second, third = (builders.draft() for _ in range(3))
    rosa = builders.reviewer()
    answer = press(rosa, first, "approve", json=True).json()
    assert answer["next"] == reverse("admin:shopimg_enhancedvariant_review", args=[second.pk])
    assert answer["progress"] == {
        "text": "2 waiting · 1 decided by you today",
        "decided": 1,
        "total": 3,
    }
    assert "Approved and published" in answer["message"]
    # Behind the last one come those that were passed over.
    answer = press(rosa, third, "reject", json=True).json()
    assert answer["next"] == reverse("admin:shopimg_enhancedvariant_review", args=[second.pk])
    assert press(rosa, second, "approve", json=True).json()["next"] is None


def test_approve__form_leads_to_the_next_draft_then_to_the_queue() -> None:
    first, second = builders.draft(), builders.draft()
    rosa = builders.reviewer()
    review = reverse("admin:shopimg_enhancedvariant_review", args=[second.pk])
    assert press(rosa, first, "approve")["Location"] == review
    queue = reverse("admin:shopimg_enhancedvariant_changelist")
    assert press(rosa, second, "approve")["Location"] == queue


def test_approve__without_publishing_needs_no_publish_permission(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"PUBLISH_ON_APPROVAL": False}
    user = builders.reviewer("rosa", "view_enhancedvariant", "review_enhancedvariant")
    variant = builders.draft()
    assert press(user, variant, "approve").status_code == 302
    assert facts_of(variant)[0] == ReviewState.APPROVED


def test_approve__storage_that_fails_leaves_it_approved_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> str:
        raise OSError("bucket is full")

    monkeypatch.setattr("shopimg.storage.publish_copy", refuse)
    variant = builders.draft()
    answer = press(builders.reviewer(), variant, "approve", json=True)
    assert answer.status_code == 503
    message = "Approved, but the storage did not take the file. Publish it once it does."
    assert answer.json()["message"] == message
    assert facts_of(variant)[0] == ReviewState.APPROVED


def test_rollback__shows_the_previous_variant_again() -> None:
    rosa = builders.reviewer()
    photo = builders.photo()
    first = reviews.approve(builders.draft(photo), by=rosa)
    EnhancementJob.objects.update(state=JobState.QUEUED)
    second = reviews.approve(builders.draft(photo, colour=(9, 9, 9)), by=rosa)
    response = press(rosa, second, "rollback")
    assert response["Location"].endswith(f"{second.pk}/review/")
    assert EnhancedVariant.objects.published().get() == first


@pytest.mark.parametrize("action", ["rollback", "withdraw"])
def test_taking_back__says_what_shoppers_see_of_the_photo_then(action: str) -> None:
    rosa, photo = builders.reviewer(), builders.photo()
    images = [builders.enhanced(), builders.enhanced(colour=(9, 9, 9), role="white")]
    main, white = (reviews.approve(one, by=rosa) for one in builders.finished(photo, images))
    client = builders.client_of(rosa)
    done = client.post(address(main, action), {"version": main.version}, follow=True)
    page = " ".join(done.content.decode().split())
    assert f"Shoppers see {photo} · white now." in page
    assert f'Shoppers see another picture: <a href="{address(white, "review")}">' in page
    assert "Shoppers see the original" not in page


@pytest.mark.parametrize("action", ["rollback", "withdraw"])
def test_undo__is_offered_with_the_message_and_shows_the_picture_again(action: str) -> None:
    client = builders.client_of(builders.reviewer())
    variant = prepared(action)
    done = client.post(address(variant, action), {"version": variant.version}, follow=True)
    page = done.content.decode()
    (form,) = re.findall(r'<form [^>]*class="undo" action="([^"]+)".*?</form>', page, re.DOTALL)
    assert form == address(variant, "restore")
    assert "Shoppers see the original again." in page
    variant.refresh_from_db()
    undone = client.post(form, {"version": variant.version}, follow=True).content.decode()
    assert "Undone. Shoppers see this picture again." in undone
    assert 'id="undo"' not in undone
    assert EnhancedVariant.objects.published().get() == variant


def test_undo__is_not_offered_to_those_who_may_not(settings: Settings) -> None:
    variant = prepared("restore")
    user = builders.reviewer("rosa", "view_enhancedvariant", "review_enhancedvariant")
    page = builders.client_of(user).get(address(variant, "review")).content.decode()
    assert "Taken out of the shop." in page
    assert address(variant, "restore") not in page


def test_retry__wakes_a_worker_once_committed(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    woken: list[Any] = []
    monkeypatch.setattr(wakeup, "send", lambda pk, **options: woken.append((pk, options)))
    variant = builders.draft()
    user = builders.reviewer("rosa", *EVERYTHING)
    with django_capture_on_commit_callbacks(execute=True):
        press(user, variant, "retry")
        assert woken == []
    assert woken == [(variant.job_id, {"bulk": False})]
