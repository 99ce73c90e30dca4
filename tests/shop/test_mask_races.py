"""Two people correct the cut-out of one photo in the same instant."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from shopimg import storage
from shopimg.contract import Cutout
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import jobs, masks, remaking
from shopimg.states import OPEN_JOBS
from tests import builders
from tests.racing import at_once

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10


def test_correct__in_four_threads_gives_one_job_and_one_mask(rosa: User) -> None:
    for offset in range(ROUNDS):
        first, *_others = builders.scenes()
        mask = builders.mask(box=(offset, 0, 40, 40))
        outcomes = at_once(*[lambda v=first, m=mask: masks.correct(v, m, by=rosa)] * 4)
        assert sum(request.queued for request in outcomes) == 1
        assert len({request.job.pk for request in outcomes}) == 1
        (digest,) = jobs.Claim(outcomes[0].job, "").recipe.masks
        assert storage.read_mask(storage.mask_name(digest)) == mask


def test_correct__by_two_reviewers_leaves_one_job_to_run(rosa: User) -> None:
    ada = builders.reviewer("ada")
    for offset in range(ROUNDS):
        first, second, *_others = builders.scenes()
        corrections = [builders.mask(box=(offset, side, 40, 40)) for side in (0, 3)]
        outcomes = at_once(
            lambda v=first, m=corrections[0]: masks.correct(v, m, by=rosa),
            lambda v=second, m=corrections[1]: masks.correct(v, m, by=ada),
        )
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert len(_masks_to_come(first)) == 1


def test_correct_and_other_scenes__leave_no_job_with_the_mask_of_before(rosa: User) -> None:
    for offset in range(ROUNDS):
        first, second, *_others = builders.scenes()
        mask = builders.mask(box=(offset, 0, 40, 40))
        corrected, _ = at_once(
            lambda v=first, m=mask: masks.correct(v, m, by=rosa),
            lambda v=second: remaking.with_another_scene(v, {"background.seed": 77}, by=rosa),
        )
        (digest,) = jobs.Claim(corrected.job, "").recipe.masks
        assert set(_masks_to_come(first)) == {frozenset({digest})}


def _masks_to_come(variant: EnhancedVariant) -> list[frozenset[str]]:
    """The corrected masks of each open job of a photo that cuts something out."""
    still_open = EnhancementJob.objects.filter(source_id=variant.source_id, state__in=OPEN_JOBS)
    recipes = [jobs.Claim(job, "").recipe for job in still_open]
    return [
        recipe.masks
        for recipe in recipes
        if any(isinstance(step, Cutout) for role in recipe.roles for step in role.steps)
    ]
