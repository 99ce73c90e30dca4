"""Several candidates of one role: stored together, decided once, and made again on demand."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from shopimg.contract import InvalidTransitionError, RecipeError
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.querysets import EnhancedVariantQuerySet
from shopimg.services import publishing, remaking, requests, reviews, running
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import JobState, ReviewState
from tests import builders

pytestmark = pytest.mark.django_db


def states() -> list[str]:
    rows = EnhancedVariant.objects.filter(role="scene").order_by("created_at")
    return [str(state) for state in rows.values_list("state", flat=True)]


def test_finish__keeps_every_candidate_and_its_mask(storage_folders: dict[str, Path]) -> None:
    variants = builders.scenes()
    assert [(v.role, v.candidate) for v in variants] == [("scene", n) for n in range(3)]
    assert {variant.mask_name for variant in variants} == {variants[0].mask_name}
    files = list((storage_folders["shopimg_drafts"] / "masks").iterdir())
    assert [file.read_bytes() for file in files] == [builders.mask()]
    assert builders.draft().mask_name == ""


def test_finish__two_drafts_of_one_candidate_are_impossible() -> None:
    first, *_others = builders.scenes()
    first.pk = None
    with (
        pytest.raises(IntegrityError, match="shopimg_one_draft_per_candidate"),
        transaction.atomic(),
    ):
        first.save(force_insert=True)
    first.candidate = 7
    first.save(force_insert=True)


def test_approve__of_one_lets_the_others_give_way(rosa: User) -> None:
    first, second, third = builders.scenes()
    reviews.approve(second, by=rosa)
    assert states() == ["superseded", "published", "superseded"]
    assert publishing.images_to_show([first.source])[0].variant == second
    late = EnhancedVariant.objects.get(pk=third.pk)
    with pytest.raises(InvalidTransitionError, match=r"^Another candidate was approved by rosa on"):
        reviews.approve(late, by=builders.reviewer("ada"))


def test_approve__leaves_other_roles_and_other_photos_alone(rosa: User) -> None:
    elsewhere = builders.scenes()
    photo = builders.photo()
    main = builders.draft(photo)
    first, *_others = builders.scenes(photo)
    reviews.approve(first, by=rosa)
    for untouched in (main, *elsewhere):
        untouched.refresh_from_db()
        assert untouched.state == ReviewState.AWAITING_REVIEW


def test_approve__that_is_refused_leaves_the_others_waiting(rosa: User) -> None:
    first, *_others = builders.scenes()
    with pytest.raises(InvalidTransitionError):
        reviews.approve(first, by=rosa, version=9)
    assert states() == ["awaiting_review"] * 3


def test_reject__of_one_leaves_the_others(rosa: User) -> None:
    first, second, _third = builders.scenes()
    reviews.reject(first, by=rosa, reason="cutout")
    assert states() == ["rejected", "awaiting_review", "awaiting_review"]
    reviews.approve(second, by=rosa)
    assert states() == ["rejected", "published", "superseded"]


def test_rollback__never_shows_a_candidate_that_gave_way(rosa: User) -> None:
    _first, second, _third = builders.scenes()
    reviews.approve(second, by=rosa)
    assert publishing.rollback(second, by=rosa) is None
    assert states() == ["superseded"] * 3
    assert publishing.images_to_show([second.source])[0].variant is None
    assert publishing.restore(second, by=rosa).state == ReviewState.PUBLISHED


def test_candidates__are_the_newest_of_each_number(rosa: User) -> None:
    first, second, third = builders.scenes()
    assert second.candidates() == [first, second, third]
    requests.run_again(builders.job_of(first.source))
    again = builders.finished(
        first.source, [builders.enhanced(role="scene", candidate=n) for n in range(3)]
    )
    assert again[0].candidates() == again
    second.refresh_from_db()
    assert second.candidates() == [again[0], second, again[2]]


def test_order__options_are_part_of_what_is_asked_for() -> None:
    photo = builders.photo()
    scene = request_enhancement(photo, Order("scene"))
    wood = Order("scene", options={"background.style": "wood_table", "background.seed": 7})
    first, again = (request_enhancement(photo, wood) for _ in range(2))
    assert first.job == again.job != scene.job
    assert (first.queued, again.queued) == (True, False)
    backdrop = first.job.recipe_table["scene"]["steps"][-1]
    assert (backdrop["style"], backdrop["seed"]) == ("wood_table", 7)
    assert first.job.recipe == "scene"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"background.style": "beach"}, "must be one of studio_white"),
        ({"background.generator": "gan"}, "There is no option 'background.generator'"),
        ({"padding": 0.9}, "between 0 and 0.45"),
    ],
)
def test_order__option_that_is_none_leaves_no_job(options: dict[str, object], words: str) -> None:
    photo = builders.photo()
    with pytest.raises(RecipeError, match=words):
        request_enhancement(photo, Order("scene", options=options))
    assert EnhancementJob.objects.count() == 1


def test_another_scene__is_made_of_the_variants_role_alone(rosa: User, settings) -> None:
    settings.SHOPIMG = {
        **settings.SHOPIMG,
        "ENHANCER": "tests.testapp.enhancers.ScenicEnhancer",
    }
    photo = builders.photo()
    job = request_enhancement(photo, Order("catalogue")).job
    assert running.run(job.pk) == JobState.SUCCEEDED
    assert job.variants.count() == 5
    scene = job.variants.get(role="scene", candidate=1)
    request = remaking.with_another_scene(scene, {"background.seed": 50}, by=rosa)
    assert list(request.job.recipe_table) == ["scene"]
    assert request.job.requested_by == rosa
    assert running.run(request.job.pk) == JobState.SUCCEEDED
    waiting = EnhancedVariant.objects.for_source(photo).awaiting_review()
    made_of = sorted(waiting.values_list("role", "candidate", "job"))
    new = [("scene", number, request.job.pk) for number in range(3)]
    assert made_of == [("main", 0, job.pk), *new, ("white", 0, job.pk)]


def test_another_scene__asked_for_again_runs_again_once_it_has_given_way(rosa: User) -> None:
    first, *_others = builders.scenes()
    other = remaking.with_another_scene(first, {"background.seed": 50}, by=rosa)
    assert not remaking.with_another_scene(first, {"background.seed": 50}, by=rosa).queued
    builders.finished(first.source, [builders.enhanced(role="scene")])
    assert not remaking.with_another_scene(first, {"background.seed": 50}, by=rosa).queued
    back = remaking.with_another_scene(first, {"background.seed": 12}, by=rosa)
    assert (back.job, back.queued) == (first.job, True)
    assert other.job != back.job


def test_another_scene__of_a_photo_that_was_replaced_is_refused(rosa: User) -> None:
    first, *_others = builders.scenes()
    photo = first.source
    photo.file = builders.upload(builders.picture(colour=(1, 1, 1)))
    photo.save()
    count = EnhancementJob.objects.count()
    with pytest.raises(InvalidTransitionError, match="The photo has been replaced"):
        remaking.with_another_scene(first, {"background.seed": 50}, by=rosa)
    photo.delete()
    first = EnhancedVariant.objects.get(pk=first.pk)
    with pytest.raises(InvalidTransitionError, match="has been deleted"):
        remaking.with_another_scene(first, {"background.seed": 50}, by=rosa)
    assert EnhancementJob.objects.count() == count


def test_another_scene__needs_one_that_there_is(rosa: User) -> None:
    draft = builders.draft()
    assert remaking.scene_of(draft) is None
    with pytest.raises(RecipeError, match="has no option"):
        remaking.with_another_scene(draft, {"background.seed": 50}, by=rosa)


def test_scene_of__knows_the_seed_of_each_candidate() -> None:
    scenes = [remaking.scene_of(variant) for variant in builders.scenes()]
    assert [scene.seed for scene in scenes if scene] == [12, 13, 14]


def test_choices__are_counted_like_their_rows_and_narrowed_ones_too(rosa: User) -> None:
    main = builders.draft()
    first, *_others = builders.scenes(main.source)
    builders.scenes(number=2)
    reviews.approve(builders.scenes()[1], by=rosa)
    second_alone = builders.scenes(number=2)
    reviews.reject(second_alone[0], by=rosa, reason="colour")

    def counted(rows: EnhancedVariantQuerySet) -> int:
        choices = rows.first_of_each_choice()
        number = choices.count()
        assert number == len(choices) == choices.order_by().count()
        return number

    every = EnhancedVariant.objects.all()
    assert counted(every) == 4 + 3 + 1
    assert counted(every.awaiting_review()) == 4
    assert counted(every.filter(state=ReviewState.SUPERSEDED)) == 2
    assert counted(every.for_source(first.source)) == 2
    assert counted(every.filter(candidate__gt=0, job=first.job)) == 1
    narrowed = every.first_of_each_choice().filter(role="main")
    assert (narrowed.count(), list(narrowed)) == (1, [main])
