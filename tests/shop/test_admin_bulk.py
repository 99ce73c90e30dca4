"""Decisions on many variants at once: confirmed first, then each on its own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.urls import reverse
from pytest_django import Settings

from shopimg.admin import bulk
from shopimg.models import EnhancedVariant, EnhancementJob, ReviewDecision
from shopimg.services import reviews
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db


def post(user: User, action: str, variants: list[EnhancedVariant], **form: Any) -> Any:
    data = {"action": f"{action}_selected", "_selected_action": [v.pk for v in variants], **form}
    address = reverse("admin:shopimg_enhancedvariant_changelist")
    return builders.client_of(user).post(address, data)


def confirmed(variants: list[EnhancedVariant], **form: Any) -> dict[str, Any]:
    versions = {f"version-{v.pk}": v.version for v in variants}
    return {"confirmed": "yes", **versions, **form}


def states() -> list[str]:
    return [v.state for v in EnhancedVariant.objects.order_by("created_at")]


def said(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.mark.parametrize("action", ["approve", "reject", "retry"])
def test_bulk__first_shows_what_is_selected_and_changes_nothing(action: str) -> None:
    drafts = [builders.draft() for _ in range(2)]
    boss = User.objects.create_superuser("boss")
    page = post(boss, action, drafts).content.decode()
    for draft in drafts:
        assert f'name="version-{draft.pk}" value="{draft.version}"' in page
        assert f"{draft.pk}/pictures/after-thumbnail/" in page
    assert ("reason" in page) == (action == "reject")
    assert states() == [ReviewState.AWAITING_REVIEW] * 2
    assert {job.state for job in EnhancementJob.objects.all()} == {JobState.SUCCEEDED}


def test_bulk__shows_again_what_asks_for_a_closer_look(settings: Settings) -> None:
    good, doubtful = builders.draft(), builders.draft()
    rows = EnhancedVariant.objects.filter(pk=doubtful.pk)
    rows.update(quality={"cutout_confidence": 0.67})
    rosa = builders.reviewer()
    page = post(rosa, "approve", [good, doubtful]).content.decode()
    assert "1 of them asks for a closer look." in page
    assert page.count('<span class="shopimg-look">') == 1
    assert "The cut-out may be wrong (confidence 67\u00a0%)" in page
    assert "Shoppers see approved pictures at once." in page
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    page = post(rosa, "approve", [good]).content.decode()
    assert "Approved pictures wait until somebody publishes them." in page
    assert "closer look" not in page


def test_bulk__approves_all_that_were_confirmed() -> None:
    drafts = [builders.draft() for _ in range(3)]
    response = post(builders.reviewer(), "approve", drafts[:2], **confirmed(drafts[:2]))
    assert response.status_code == 302
    assert states() == [ReviewState.PUBLISHED] * 2 + [ReviewState.AWAITING_REVIEW]
    assert said(response) == ["Approve: 2 done."]


def test_bulk__rejects_with_one_reason() -> None:
    drafts = [builders.draft() for _ in range(2)]
    form = confirmed(drafts, reason="blurry", note="Take them again.")
    post(builders.reviewer(), "reject", drafts, **form)
    assert states() == [ReviewState.REJECTED] * 2
    kept = {(d.reason, d.note) for d in ReviewDecision.objects.all()}
    assert kept == {("blurry", "Take them again.")}


def test_bulk__rejects_all_there_is_to_choose_from() -> None:
    rosa, choice, other = builders.reviewer(), builders.scenes(), builders.scenes()
    page = post(rosa, "reject", choice[:1]).content.decode()
    assert re.findall(r'name="_selected_action" value="([\w-]+)"', page) == [
        str(variant.pk) for variant in choice
    ]
    form = confirmed(choice, reason="cutout")
    assert said(post(rosa, "reject", choice, **form)) == ["Reject: 3 done."]
    assert states() == [ReviewState.REJECTED] * 3 + [ReviewState.AWAITING_REVIEW] * 3
    assert not ReviewDecision.objects.filter(variant__in=other).exists()


def test_bulk__approves_the_first_of_a_choice_and_says_so() -> None:
    rosa, choice, single = builders.reviewer(), builders.scenes(), builders.draft()
    page = post(rosa, "approve", [choice[0], single]).content.decode()
    assert re.findall(r"(\d) other candidates give way", page) == ["2"]
    assert len(re.findall(r'name="_selected_action"', page)) == 2
    form = confirmed([choice[0], single])
    assert said(post(rosa, "approve", [choice[0], single], **form)) == ["Approve: 2 done."]
    gave_way = [ReviewState.SUPERSEDED] * 2
    assert states() == [ReviewState.PUBLISHED, *gave_way, ReviewState.PUBLISHED]


def test_bulk__decided_candidates_among_all_rows_do_not_pull_in_those_that_wait() -> None:
    rosa, choice = builders.reviewer(), builders.scenes()
    reviews.reject(choice[0], by=rosa, reason="cutout")
    address = reverse("admin:shopimg_enhancedvariant_changelist") + "?state=all"
    form = {"action": "reject_selected", "_selected_action": [choice[0].pk]}
    page = builders.client_of(rosa).post(address, form).content.decode()
    assert re.findall(r'name="_selected_action" value="([\w-]+)"', page) == [str(choice[0].pk)]


@pytest.mark.parametrize("reason", ["", "ugly"])
def test_bulk__rejecting_asks_for_a_reason_and_keeps_the_note(reason: str) -> None:
    drafts = [builders.draft()]
    form = confirmed(drafts, reason=reason, note="Take it again.")
    page = post(builders.reviewer(), "reject", drafts, **form).content.decode()
    assert "Choose a reason." in page
    assert "Take it again." in page
    assert states() == [ReviewState.AWAITING_REVIEW]


def test_bulk__runs_jobs_again() -> None:
    drafts = [builders.draft()]
    post(User.objects.create_superuser("boss"), "retry", drafts, **confirmed(drafts))
    assert EnhancementJob.objects.get().state == JobState.QUEUED
    assert states() == [ReviewState.AWAITING_REVIEW]


def test_bulk__reports_what_somebody_else_has_decided_meanwhile() -> None:
    karl = builders.reviewer("karl")
    drafts = [builders.draft() for _ in range(2)]
    form = confirmed(drafts)
    reviews.reject(EnhancedVariant.objects.get(pk=drafts[0].pk), by=karl, reason="text")
    response = post(builders.reviewer(), "approve", drafts, **form)
    assert states() == [ReviewState.REJECTED, ReviewState.PUBLISHED]
    done, refused = said(response)
    assert done == "Approve: 1 done."
    assert "karl" in refused


@pytest.mark.parametrize("version", ["", "one", "²", "1" * 5000])
def test_bulk__without_versions_nothing_is_decided(version: str) -> None:
    drafts = [builders.draft()]
    form = confirmed(drafts) | {f"version-{drafts[0].pk}": version}
    assert post(builders.reviewer(), "approve", drafts, **form).status_code == 302
    assert states() == [ReviewState.AWAITING_REVIEW]


@pytest.mark.parametrize(
    ("action", "permissions"),
    [
        ("approve", ["review_enhancedvariant"]),
        ("approve", ["publish_enhancedvariant"]),
        ("reject", ["publish_enhancedvariant"]),
        ("retry", ["review_enhancedvariant", "publish_enhancedvariant"]),
    ],
)
def test_bulk__without_permission_changes_nothing(action: str, permissions: list[str]) -> None:
    drafts = [builders.draft()]
    user = builders.reviewer("jo", "view_enhancedvariant", *permissions)
    post(user, action, drafts, **confirmed(drafts, reason="colour"))
    assert states() == [ReviewState.AWAITING_REVIEW]
    assert EnhancementJob.objects.get().state == JobState.SUCCEEDED


def test_bulk__somebody_elses_photos_are_left_alone(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    rosa, karl = builders.reviewer("rosa"), builders.reviewer("karl")
    drafts = [builders.draft(OwnedPhoto.objects.create(owner=karl, file=builders.upload()))]
    post(rosa, "approve", drafts, **confirmed(drafts))
    assert states() == [ReviewState.AWAITING_REVIEW]


def test_bulk__more_than_people_can_look_at_is_left_for_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "LIMIT", 2)
    drafts = [builders.draft() for _ in range(3)]
    page = post(builders.reviewer(), "approve", drafts).content.decode()
    assert "1 more is selected" in page
    assert len(re.findall(r'name="_selected_action"', page)) == 2
    post(builders.reviewer("karl"), "approve", drafts, **confirmed(drafts))
    assert states().count(ReviewState.PUBLISHED) == 2
