"""Two threads want the same thing at once on PostgreSQL: one wins, and the rows agree."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from shopimg.contract import EnhancementError, InvalidTransitionError, JobSupersededError
from shopimg.models import EnhancedVariant, EnhancementJob, ReviewDecision
from shopimg.services import jobs, publishing, remaking, reviews, sweeping
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.racing import at_once
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 20


def _winners(outcomes: list[Any]) -> int:
    return sum(outcome is not None and not isinstance(outcome, Exception) for outcome in outcomes)


def _finish(claim: jobs.Claim) -> list[EnhancedVariant]:
    try:
        return jobs.finish(claim, [builders.enhanced()])
    except EnhancementError as err:
        jobs.fail(claim, err)
        raise


def _copies(variant: EnhancedVariant, number: int = 2) -> list[EnhancedVariant]:
    """Return what as many people have on their screens."""
    return [EnhancedVariant.objects.get(pk=variant.pk) for _ in range(number)]


def _approved(photo: Photo, rosa: User, shade: int) -> EnhancedVariant:
    if EnhancementJob.objects.for_source(photo).get().state == JobState.SUCCEEDED:
        request_enhancement(photo, Order(force=True))
    return reviews.approve(builders.draft(photo, colour=(shade, 0, 0)), by=rosa)


@pytest.fixture
def publish_later(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}


def test_claim__one_of_four_workers_gets_the_job() -> None:
    for _ in range(ROUNDS):
        job = builders.job_of(builders.photo())
        outcomes = at_once(*[lambda job=job: jobs.claim(job.pk)] * 4)
        assert _winners(outcomes) == 1
        job.refresh_from_db()
        assert (job.state, job.attempts) == (JobState.RUNNING, 1)


def test_approve__one_of_two_reviewers_wins(rosa: User) -> None:
    ada = builders.reviewer("ada")
    for shade in range(ROUNDS):
        one, two = _copies(builders.draft(colour=(shade, 1, 1)))
        outcomes = at_once(
            lambda one=one: reviews.approve(one, by=rosa),
            lambda two=two: reviews.approve(two, by=ada),
        )
        assert _winners(outcomes) == 1
        (error,) = [o for o in outcomes if isinstance(o, InvalidTransitionError)]
        one.refresh_from_db()
        approvals = ReviewDecision.objects.filter(variant=one, decision="approve")
        assert one.state == ReviewState.PUBLISHED
        assert [decision.by for decision in approvals] == [one.approved_by]
        assert f"by {one.approved_by} on" in error.public_message


def test_approve__one_of_two_reviewers_who_pick_different_candidates_wins(rosa: User) -> None:
    ada = builders.reviewer("ada")
    for _ in range(ROUNDS):
        first, second, third = builders.scenes()
        outcomes = at_once(
            lambda second=second: reviews.approve(second, by=rosa),
            lambda first=first: reviews.approve(first, by=ada),
        )
        assert _winners(outcomes) == 1
        (error,) = [o for o in outcomes if isinstance(o, InvalidTransitionError)]
        assert error.public_message.startswith("Another candidate was approved by")
        approvals = ReviewDecision.objects.filter(variant__job=first.job, decision="approve")
        assert approvals.count() == 1
        states = [EnhancedVariant.objects.get(pk=v.pk).state for v in (first, second, third)]
        assert sorted(states) == ["published", "superseded", "superseded"]


def test_approve_and_finish__end_with_one_decision_or_new_drafts(rosa: User) -> None:
    for seed in range(100, 99 + ROUNDS):
        first, *_others = builders.scenes()
        other = remaking.with_another_scene(first, {"background.seed": seed}, by=rosa)
        claim = jobs.claim(other.job.pk)
        assert claim is not None
        results = [builders.enhanced(role="scene", candidate=number) for number in range(3)]
        approved, finished = at_once(
            lambda first=first: reviews.approve(first, by=rosa),
            lambda claim=claim, results=results: jobs.finish(claim, results),
        )
        assert not isinstance(finished, Exception)
        assert approved == first or isinstance(approved, InvalidTransitionError)
        waiting = EnhancedVariant.objects.for_source(first.source).awaiting_review()
        assert {variant.pk for variant in waiting} == {variant.pk for variant in finished}


def test_approve_and_reject__one_wins(rosa: User, publish_later: None) -> None:
    for _ in range(ROUNDS):
        one, two = _copies(builders.draft())
        outcomes = at_once(
            lambda one=one: reviews.approve(one, by=rosa),
            lambda two=two: reviews.reject(two, by=rosa, reason="shape"),
        )
        assert _winners(outcomes) == 1
        one.refresh_from_db()
        decided = list(one.decisions.values_list("decision", flat=True))
        expected = {ReviewState.APPROVED: ["approve"], ReviewState.REJECTED: ["reject"]}
        assert decided == expected[ReviewState(one.state)]


def test_publish__two_variants_of_one_slot_leave_one_published(
    rosa: User, publish_later: None
) -> None:
    for _ in range(ROUNDS):
        photo = builders.photo()
        one, two = _approved(photo, rosa, 1), _approved(photo, rosa, 2)
        at_once(
            lambda one=one: publishing.publish(one, by=rosa),
            lambda two=two: publishing.publish(two, by=rosa),
        )
        states = EnhancedVariant.objects.for_source(photo).values_list("state", flat=True)
        assert sorted(states) == ["published", "superseded"]
        assert publishing.images_to_show([photo])[0].variant is not None


def test_publish__of_one_variant_twice_happens_once(rosa: User, publish_later: None) -> None:
    for _ in range(ROUNDS):
        one, two = _copies(_approved(builders.photo(), rosa, 1))
        outcomes = at_once(
            lambda one=one: publishing.publish(one, by=rosa),
            lambda two=two: publishing.publish(two, by=rosa),
        )
        assert _winners(outcomes) == 1
        assert one.decisions.filter(decision="publish").count() == 1


def test_rollback_and_publish__end_with_one_of_the_two_orders(
    rosa: User, publish_later: None
) -> None:
    for _ in range(ROUNDS):
        photo = builders.photo()
        first = publishing.publish(_approved(photo, rosa, 1), by=rosa)
        second = publishing.publish(_approved(photo, rosa, 2), by=rosa)
        third = _approved(photo, rosa, 3)
        rolled, published = at_once(
            lambda second=second: publishing.rollback(second, by=rosa),
            lambda third=third: publishing.publish(third, by=rosa),
        )
        assert not isinstance(published, Exception)
        # Whoever was first: what somebody has published is never rolled away unseen.
        assert rolled == first or isinstance(rolled, InvalidTransitionError)
        assert publishing.images_to_show([photo])[0].variant == third


def test_rollback__twice_goes_back_once(rosa: User, publish_later: None) -> None:
    for _ in range(ROUNDS):
        photo = builders.photo()
        publishing.publish(_approved(photo, rosa, 1), by=rosa)
        second = publishing.publish(_approved(photo, rosa, 2), by=rosa)
        third = publishing.publish(_approved(photo, rosa, 3), by=rosa)
        one, two = _copies(third)
        outcomes = at_once(
            lambda one=one: publishing.rollback(one, by=rosa),
            lambda two=two: publishing.rollback(two, by=rosa),
        )
        assert _winners(outcomes) == 1
        assert publishing.images_to_show([photo])[0].variant == second


def test_restore_and_publish__show_what_was_published_last(rosa: User, publish_later: None) -> None:
    for _ in range(ROUNDS):
        photo = builders.photo()
        first = publishing.publish(_approved(photo, rosa, 1), by=rosa)
        publishing.rollback(first, by=rosa)
        second = _approved(photo, rosa, 2)
        restored, published = at_once(
            lambda first=first: publishing.restore(first, by=rosa),
            lambda second=second: publishing.publish(second, by=rosa),
        )
        assert not isinstance(published, Exception)
        assert restored == first or isinstance(restored, InvalidTransitionError)
        assert publishing.images_to_show([photo])[0].variant == second


def test_restore_and_delete__nothing_stays_public_of_a_deleted_photo(
    rosa: User, publish_later: None
) -> None:
    for _ in range(ROUNDS):
        photo = builders.photo()
        variant = publishing.publish(_approved(photo, rosa, 1), by=rosa)
        publishing.rollback(variant, by=rosa)
        restored, deleted = at_once(
            lambda variant=variant: publishing.restore(variant, by=rosa),
            photo.delete,
        )
        assert not isinstance(deleted, Exception)
        assert restored == variant or isinstance(restored, InvalidTransitionError)
        assert not EnhancedVariant.objects.published().filter(pk=variant.pk).exists()


@pytest.mark.parametrize("how", ["delete", "save"])
def test_rollback_and_delete__nothing_stays_public_of_a_deleted_photo(
    rosa: User, publish_later: None, how: str
) -> None:
    for _ in range(ROUNDS):
        photo = builders.photo()
        first = publishing.publish(_approved(photo, rosa, 1), by=rosa)
        second = publishing.publish(_approved(photo, rosa, 2), by=rosa)
        if how == "save":
            photo.file = ""  # the seller takes the file away and keeps the rest
        shown, deleted = at_once(
            lambda second=second: publishing.rollback(second, by=rosa), getattr(photo, how)
        )
        assert not isinstance(deleted, Exception)
        assert shown == first or isinstance(shown, InvalidTransitionError)
        slot = EnhancedVariant.objects.same_slot(first)
        assert not slot.published().exists()


def test_finish_and_replace__no_draft_of_the_old_upload_waits() -> None:
    for shade in range(ROUNDS):
        photo = builders.photo(builders.picture(colour=(shade, 1, 1)))
        claim = jobs.claim(builders.job_of(photo).pk)
        assert claim is not None
        photo.file = builders.upload(builders.picture(colour=(shade, 200, 200)))
        finished, _ = at_once(lambda claim=claim: _finish(claim), photo.save)
        assert isinstance(finished, list | JobSupersededError)
        assert not EnhancedVariant.objects.for_source(photo).awaiting_review().exists()
        states = EnhancementJob.objects.for_source(photo).order_by("created_at")
        old = "succeeded" if isinstance(finished, list) else "cancelled"
        assert list(states.values_list("state", flat=True)) == [old, "queued"]


def test_finish_and_delete__nothing_of_the_image_stays_open() -> None:
    for shade in range(ROUNDS):
        photo = builders.photo(builders.picture(colour=(shade, 1, 1)))
        claim = jobs.claim(builders.job_of(photo).pk)
        assert claim is not None
        at_once(lambda claim=claim: _finish(claim), photo.delete)
    # The files of refused results are left to the clean-up; rows must not wait for anybody.
    assert not EnhancedVariant.objects.awaiting_review().exists()
    assert not EnhancementJob.objects.unfinished().exists()


def test_approve_and_replace__shoppers_see_a_whole_decision(rosa: User) -> None:
    for shade in range(ROUNDS):
        photo = builders.photo(builders.picture(colour=(shade, 1, 1)))
        draft = builders.draft(photo, colour=(shade, 9, 9))
        photo.file = builders.upload(builders.picture(colour=(shade, 200, 200)))
        at_once(lambda draft=draft: reviews.approve(draft, by=rosa), photo.save)
        draft.refresh_from_db()
        # Published before the new upload, or given way to it; never approved and forgotten.
        assert draft.state in {ReviewState.PUBLISHED, ReviewState.SUPERSEDED}
        shown = publishing.images_to_show([photo])[0].variant
        assert shown == (draft if draft.state == ReviewState.PUBLISHED else None)


def test_request__of_one_image_in_four_threads_gives_one_job() -> None:
    for shade in range(ROUNDS):
        stored = builders.photo(builders.picture(colour=(shade, 1, 1)))
        EnhancementJob.objects.all().delete()
        outcomes = at_once(*[lambda stored=stored: request_enhancement(stored)] * 4)
        assert sum(request.queued for request in outcomes) == 1
        assert len({request.job.pk for request in outcomes}) == 1
        assert EnhancementJob.objects.count() == 1


def test_sweep__in_two_threads_does_each_thing_once() -> None:
    file = builders.photo().file.name
    for _ in range(ROUNDS // 2):
        EnhancementJob.objects.all().delete()
        Photo.objects.all()._raw_delete("default")
        Photo.objects.bulk_create([Photo(file=file) for _ in range(4)])
        swept = at_once(*[sweeping.sweep] * 2)
        assert sum(outcome.reconciled for outcome in swept) == 4
        assert EnhancementJob.objects.count() == 4
        assert EnhancementJob.objects.exclude(sent_at=None).count() == 4


def test_take_back_and_finish__end_with_one_result() -> None:

    for shade in range(ROUNDS):
        photo = builders.photo(builders.picture(colour=(shade, 1, 1)))
        claim = jobs.claim(builders.job_of(photo).pk)
        assert claim is not None
        EnhancementJob.objects.filter(pk=claim.job.pk).update(
            lease_until=timezone.now() - timedelta(seconds=1)
        )
        finished, taken = at_once(lambda claim=claim: _finish(claim), jobs.take_back_expired)
        assert isinstance(finished, list) == (taken == 0)
        claim.job.refresh_from_db()
        assert claim.job.state == (JobState.QUEUED if taken else JobState.SUCCEEDED)
        assert EnhancedVariant.objects.for_source(photo).count() == (0 if taken else 1)
