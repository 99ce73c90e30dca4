"""Decisions about drafts: once, about exactly what was seen, and never changed afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import ProtectedError

from shopimg.contract import CapacityError, InvalidTransitionError
from shopimg.models import EnhancedVariant, EnhancementJob, ReviewDecision
from shopimg.services import publishing, reviews
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import Decision, ReviewState
from tests import builders
from tests.shop.test_storage import use_storage
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_publishing(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}


def test_approve__says_who_and_when_about_which_bytes(rosa: User) -> None:
    variant = reviews.approve(builders.draft(), by=rosa, note="crisp")
    assert (variant.state, variant.approved_by, variant.version) == ("approved", rosa, 2)
    assert variant.approved_at is not None
    decision = ReviewDecision.objects.get()
    assert (decision.decision, decision.by, decision.note) == (Decision.APPROVE, rosa, "crisp")
    assert decision.digest == variant.digest


def test_approve__publishes_where_the_settings_say_so(settings, rosa: User) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": True}
    assert reviews.approve(builders.draft(), by=rosa).state == ReviewState.PUBLISHED


def test_approve__stays_when_the_public_storage_fails(settings, rosa: User) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": True}
    draft = builders.draft()
    use_storage(settings, "shopimg_published", "BrokenStorage")
    with pytest.raises(CapacityError):
        reviews.approve(draft, by=rosa)
    draft.refresh_from_db()
    assert (draft.state, draft.published_name) == (ReviewState.APPROVED, "")


@pytest.mark.parametrize("behind_the_hook", ["another name", "other bytes", "no photo"])
def test_approve__never_what_was_made_of_another_photo(rosa: User, behind_the_hook: str) -> None:
    photo = builders.photo()
    draft = builders.draft(photo)
    if behind_the_hook == "no photo":
        Photo.objects.all()._raw_delete(using="default")
    elif behind_the_hook == "another name":
        Photo.objects.update(file="photos/cup.jpg")
    else:
        Path(photo.file.path).write_bytes(builders.picture((70, 70)))
    with pytest.raises(
        InvalidTransitionError, match=r"The photo .* has been deleted|replaced since"
    ):
        reviews.approve(draft, by=rosa)
    draft.refresh_from_db()
    asked_for = behind_the_hook == "other bytes"
    assert draft.state == ("superseded" if asked_for else "awaiting_review")
    assert EnhancementJob.objects.count() == (2 if asked_for else 1)
    assert not ReviewDecision.objects.exists()


def test_approve__storage_that_does_not_tell_keeps_nobody_from_it(settings, rosa: User) -> None:
    draft = builders.draft()
    use_storage(settings, "default", "BrokenStorage")
    assert reviews.approve(draft, by=rosa).state == ReviewState.APPROVED


def test_publish__never_what_was_made_of_another_photo(rosa: User) -> None:
    variant = reviews.approve(builders.draft(), by=rosa)
    Photo.objects.update(file="photos/cup.jpg")
    with pytest.raises(InvalidTransitionError, match="replaced since then"):
        publishing.publish(variant, by=rosa)
    variant.refresh_from_db()
    assert variant.state == ReviewState.APPROVED


def test_reject__keeps_reason_and_note(rosa: User) -> None:
    variant = reviews.reject(builders.draft(), by=rosa, reason="text", note="logo bent")
    assert (variant.state, variant.version) == (ReviewState.REJECTED, 2)
    assert ReviewDecision.objects.values_list("decision", "reason", "note").get() == (
        "reject",
        "text",
        "logo bent",
    )


def test_reject__unknown_reason_changes_nothing(rosa: User) -> None:
    draft = builders.draft()
    with pytest.raises(ValueError, match="'ugly' is not a valid RejectReason"):
        reviews.reject(draft, by=rosa, reason="ugly")
    draft.refresh_from_db()
    assert (draft.state, draft.version) == (ReviewState.AWAITING_REVIEW, 1)
    assert ReviewDecision.objects.count() == 0


@pytest.mark.parametrize("first", ["approve", "reject"])
@pytest.mark.parametrize("second", ["approve", "reject"])
def test_decide__second_decision_is_told_who_was_first(rosa: User, first: str, second: str) -> None:
    decide = {
        "approve": reviews.approve,
        "reject": lambda variant, by: reviews.reject(variant, by=by, reason="shape"),
    }
    draft = builders.draft()
    late = EnhancedVariant.objects.get()
    decide[first](draft, by=rosa)
    with pytest.raises(InvalidTransitionError, match=rf"(?i)^{first}\w* by rosa on 20\d\d-.*:\d\d"):
        decide[second](late, by=builders.reviewer("ada"))
    assert late.state == draft.state
    assert ReviewDecision.objects.count() == 1


def test_decide__version_that_was_looked_at_counts(rosa: User) -> None:
    draft = builders.draft()
    EnhancedVariant.objects.update(version=5)
    for seen in (4, 99):
        words = f"^You looked at version {seen}; it is at version 5 now.$"
        with pytest.raises(InvalidTransitionError, match=words):
            reviews.approve(draft, by=rosa, version=seen)
    assert reviews.approve(draft, by=rosa, version=5).version == 6


def test_decide__draft_that_gave_way_says_since_when(rosa: User) -> None:
    photo = builders.photo()
    draft = builders.draft(photo)
    photo.file = builders.upload(builders.picture(colour=(1, 1, 1)))
    photo.save()
    with pytest.raises(InvalidTransitionError, match=r"^The state of this draft since 20\d\d-"):
        reviews.approve(draft, by=rosa)
    assert ReviewDecision.objects.count() == 0


def test_decide__draft_with_a_successor_says_that_there_is_one(rosa: User) -> None:
    photo = builders.photo()
    draft = builders.draft(photo)
    request_enhancement(photo, Order(force=True))
    builders.draft(photo, colour=(1, 1, 1))
    with pytest.raises(InvalidTransitionError, match=r"^A newer result has taken its place\.$"):
        reviews.approve(draft, by=rosa)


def test_decision__cannot_be_changed_or_deleted(rosa: User) -> None:
    variant = reviews.approve(builders.draft(), by=rosa)
    decision = ReviewDecision.objects.get()
    for change in (
        decision.delete,
        ReviewDecision.objects.all().delete,
        lambda: ReviewDecision.objects.update(note="x"),
        lambda: ReviewDecision.objects.bulk_update([decision], ["note"]),
    ):
        with pytest.raises(TypeError, match="append-only"), transaction.atomic():
            change()
    with pytest.raises(ProtectedError):
        variant.job.delete()
    with pytest.raises(ProtectedError):
        rosa.delete()
    assert ReviewDecision.objects.get().note == ""
