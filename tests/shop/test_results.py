"""Results that shoppers see already: nobody reviews the same bytes twice."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from shopimg import signals
from shopimg.models import EnhancedVariant
from shopimg.services import publishing, reviews
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import ReviewState
from tests import builders
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db

GREY, BLUE = (120, 120, 120), (20, 40, 200)


@pytest.fixture
def shown(django_capture_on_commit_callbacks: Any) -> EnhancedVariant:
    with django_capture_on_commit_callbacks(execute=True):
        variant = builders.draft(colour=GREY)
        reviews.approve(variant, by=builders.reviewer("ada"))
    return variant


def once_more(photo: Photo, colours: list[tuple[int, int, int]]) -> list[EnhancedVariant]:
    request_enhancement(photo, Order(force=True))
    results = [
        builders.enhanced(colour=colour, candidate=candidate)
        for candidate, colour in enumerate(colours)
    ]
    return builders.finished(photo, results)


def states(variants: list[EnhancedVariant]) -> list[str]:
    return [EnhancedVariant.objects.get(pk=variant.pk).state for variant in variants]


def test_result__that_shoppers_see_already_is_not_reviewed_again(
    shown: EnhancedVariant, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[EnhancedVariant] = []

    def remember(variant: EnhancedVariant, **_: Any) -> None:
        told.append(variant)

    waiting = once_more(shown.source, [BLUE])
    signals.variant_ready.connect(remember)
    with django_capture_on_commit_callbacks(execute=True):
        again = once_more(shown.source, [GREY])
    # What waited is older than the newest result, which is the one that is shown.
    assert states([shown, *waiting, *again]) == [
        ReviewState.PUBLISHED,
        ReviewState.SUPERSEDED,
        ReviewState.SUPERSEDED,
    ]
    assert told == []


def test_result__with_other_bytes_waits_for_review(shown: EnhancedVariant) -> None:
    assert states(once_more(shown.source, [BLUE])) == [ReviewState.AWAITING_REVIEW]


def test_result__of_which_there_is_a_choice_waits_for_review(shown: EnhancedVariant) -> None:
    assert states(once_more(shown.source, [GREY, BLUE])) == [ReviewState.AWAITING_REVIEW] * 2


def test_result__that_was_withdrawn_waits_for_review(shown: EnhancedVariant, rosa: User) -> None:
    publishing.withdraw(shown, by=rosa)
    assert states(once_more(shown.source, [GREY])) == [ReviewState.AWAITING_REVIEW]


def test_result__of_another_upload_waits_for_review(shown: EnhancedVariant) -> None:
    photo = shown.source
    photo.file = builders.upload(builders.picture((400, 300)))
    photo.save()
    assert states(once_more(photo, [GREY])) == [ReviewState.AWAITING_REVIEW]
