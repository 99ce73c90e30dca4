"""Corrected masks: what is accepted, how it is kept, and what is made with it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from PIL import Image

from shopimg import storage
from shopimg.contract import (
    InvalidTransitionError,
    JobSupersededError,
    MaskError,
    Recipe,
    RecipeError,
)
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import cleaning, jobs, masks, remaking, reviews, running
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.shop.aging import make_old

pytestmark = pytest.mark.django_db

SIZE = (64, 48)
CORRECTED = builders.mask(box=(8, 8, 56, 40))


def png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def box(mode: str, *, ground: object, product: object, size: tuple[int, int] = SIZE) -> bytes:
    image = Image.new(mode, size, ground)  # type: ignore[arg-type]
    image.paste(product, (8, 8, 56, 40))  # type: ignore[arg-type]
    return png(image)


def product_of(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.copy()


@pytest.fixture
def scenic(settings) -> None:
    enhancer = "tests.testapp.enhancers.ScenicEnhancer"
    settings.SHOPIMG = {**settings.SHOPIMG, "ENHANCER": enhancer}


@pytest.mark.parametrize(
    ("mode", "ground", "product"),
    [
        ("L", 0, 255),
        ("1", 0, 1),
        ("LA", (0, 255), (255, 255)),
        ("LA", (255, 0), (255, 255)),
        ("RGB", (0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 0), (255, 0, 0, 255)),
        ("RGBA", (0, 0, 0, 255), (255, 255, 255, 255)),
        ("I;16", 0, 65535),
    ],
)
def test_normalised__is_one_channel_whatever_was_sent(mode, ground, product) -> None:
    assert masks.normalised(box(mode, ground=ground, product=product), SIZE) == CORRECTED


def test_normalised__palette_of_two_greys_is_one_channel() -> None:
    palette = product_of(CORRECTED).convert("P")
    assert masks.normalised(png(palette), SIZE) == CORRECTED


def test_normalised__is_as_large_as_the_upload_and_says_nothing_else() -> None:
    half = png(product_of(CORRECTED), dpi=(72, 72))
    assert masks.normalised(half, SIZE) == CORRECTED
    large = product_of(masks.normalised(CORRECTED, (640, 480)))
    assert (large.mode, large.size) == ("L", (640, 480))
    assert large.getpixel((320, 240)) == 255
    assert large.getpixel((20, 20)) == 0
    # Rounded by somebody's editor.
    assert product_of(masks.normalised(CORRECTED, (641, 480))).size == (641, 480)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no PNG, or is damaged"),
        (b"<svg/>", "no PNG, or is damaged"),
        (CORRECTED[:-30], "no PNG, or is damaged"),
        (builders.picture(SIZE), "no PNG, or is damaged"),
        (builders.mask((48, 64)), "48 × 64 pixels, and the upload 64 × 48: another shape"),
        (builders.mask((67, 48)), "another shape"),
        (builders.mask((32, 24), (9, 9, 20, 20)), "too small"),
        (builders.mask((260, 195), (9, 9, 20, 20)), "260 × 195 pixels, .* 64 × 48: too large"),
        (builders.mask(box=(0, 0, 0, 0)), "The mask is empty"),
        (box("L", ground=0, product=90), "The mask is empty"),
        (builders.mask(box=(0, 0, *SIZE)), "The mask is full"),
        (box("RGB", ground=(0, 0, 0), product=(255, 0, 0)), "The mask is in colour"),
        (
            png(Image.new("L", SIZE), save_all=True, append_images=[Image.new("L", SIZE, 255)]),
            "animated",
        ),
    ],
)
def test_normalised__says_what_is_wrong(content: bytes, words: str) -> None:
    with pytest.raises(MaskError, match=words):
        masks.normalised(content, SIZE)


def test_normalised__large_file_is_not_even_read(monkeypatch) -> None:
    monkeypatch.setattr(masks, "MAX_BYTES", 99)
    with pytest.raises(MaskError, match="larger than"):
        masks.normalised(CORRECTED, SIZE)


def test_correct__makes_everything_again_that_was_cut_out(rosa: User, scenic: None) -> None:
    photo = builders.photo()
    job = request_enhancement(photo, Order("catalogue")).job
    running.run(job.pk)
    scene = job.variants.get(role="scene", candidate=1)
    request = masks.correct(scene, CORRECTED, by=rosa)
    digest = hashlib.sha256(CORRECTED).hexdigest()
    assert request.queued
    assert sorted(request.job.recipe_table) == ["scene", "white"]
    assert storage.read_mask(f"masks/{digest}.png") == CORRECTED
    assert running.run(request.job.pk) == JobState.SUCCEEDED
    made = EnhancedVariant.objects.for_source(photo).awaiting_review()
    assert {(v.role, v.job_id == job.pk) for v in made} == {
        ("main", True),
        ("white", False),
        ("scene", False),
    }
    white = made.get(role="white")
    assert white.mask_name == f"masks/{digest}.png"
    with storage.drafts().open(white.draft_name) as file:
        picture = product_of(file.read())
    # By the corrected mask: the ellipse of the first one does not reach the corner of the box.
    assert picture.getpixel((10, 10)) != (255, 255, 255)
    assert picture.getpixel((4, 4)) == (255, 255, 255)
    with storage.drafts().open(job.variants.get(role="white").draft_name) as file:
        assert product_of(file.read()).getpixel((10, 10)) == (255, 255, 255)


def test_correct__of_other_scenes_makes_what_else_waits_again_as_it_is(
    rosa: User, scenic: None
) -> None:
    photo = builders.photo()
    first = request_enhancement(photo, Order("catalogue")).job
    running.run(first.pk)
    marble = {"background.style": "marble"}
    other = remaking.with_another_scene(
        first.variants.get(role="scene", candidate=0), marble, by=rosa
    )
    running.run(other.job.pk)
    elsewhere = builders.scenes()[0]
    white = first.variants.get(role="white")
    jobs = [
        masks.correct(variant, CORRECTED, by=rosa).job
        for variant in (other.job.variants.get(candidate=1), white)
    ]
    assert jobs[0] == jobs[1]
    made = Recipe.parse("", jobs[0].recipe_table)
    digest = hashlib.sha256(CORRECTED).hexdigest()
    assert sorted(role.name for role in made.roles) == ["scene", "white"]
    assert made.masks == {digest}
    assert jobs[0].recipe_table["scene"]["steps"][-1]["style"] == "marble"
    assert running.run(jobs[0].pk) == JobState.SUCCEEDED
    waiting = EnhancedVariant.objects.awaiting_review()
    assert {(v.role, v.job_id) for v in waiting.for_source(photo)} == {
        ("main", first.pk),
        ("white", jobs[0].pk),
        ("scene", jobs[0].pk),
    }
    elsewhere.refresh_from_db()
    assert elsewhere.state == ReviewState.AWAITING_REVIEW


def test_correct__leaves_alone_what_another_job_made_and_somebody_decided(
    rosa: User, scenic: None
) -> None:
    photo = builders.photo()
    first = request_enhancement(photo, Order("catalogue")).job
    running.run(first.pk)
    other = remaking.with_another_scene(
        first.variants.get(role="scene", candidate=0), {"background.seed": 50}, by=rosa
    )
    running.run(other.job.pk)
    reviews.approve(first.variants.get(role="white"), by=rosa)
    job = masks.correct(other.job.variants.get(candidate=0), CORRECTED, by=rosa).job
    assert list(job.recipe_table) == ["scene"]


def _asked_for_marble(variant: EnhancedVariant, by: User) -> EnhancementJob:
    marble = {"background.style": "marble"}
    return remaking.with_another_scene(variant, marble, by=by).job


@pytest.mark.parametrize("is_running", [False, True])
def test_correct__takes_over_open_jobs_that_cut_out(
    rosa: User, scenic: None, is_running: bool
) -> None:
    photo = builders.photo()
    request_enhancement(builders.photo(), Order("scene"))
    untouched = set(EnhancementJob.objects.all())
    first = request_enhancement(photo, Order("catalogue")).job
    running.run(first.pk)
    other = _asked_for_marble(first.variants.get(role="scene", candidate=0), rosa)
    claim = jobs.claim(other.pk) if is_running else None
    job = masks.correct(first.variants.get(role="white"), CORRECTED, by=rosa).job
    other.refresh_from_db()
    assert (other.state, other.error_code) == (JobState.CANCELLED, "job_superseded")
    assert sorted(job.recipe_table) == ["scene", "white"]
    assert job.recipe_table["scene"]["steps"][-1]["style"] == "marble"
    assert Recipe.parse("", job.recipe_table).masks == {hashlib.sha256(CORRECTED).hexdigest()}
    assert set(EnhancementJob.objects.unfinished()) == {job, *untouched}
    if claim:
        with pytest.raises(JobSupersededError):
            jobs.finish(claim, [builders.enhanced(role="scene")])
    assert running.run(job.pk) == JobState.SUCCEEDED
    waiting = EnhancedVariant.objects.awaiting_review().for_source(photo)
    assert set(waiting.exclude(role="main").values_list("job", flat=True)) == {job.pk}


def test_another_scene__is_cut_out_by_the_mask_that_is_on_its_way(rosa: User, scenic: None) -> None:
    first, *_others = builders.scenes()
    masks.correct(first, builders.mask(box=(9, 9, 50, 40)), by=rosa)
    masks.correct(first, CORRECTED, by=rosa)
    job = _asked_for_marble(first, rosa)
    assert Recipe.parse("", job.recipe_table).masks == {hashlib.sha256(CORRECTED).hexdigest()}
    assert job.recipe_table["scene"]["steps"][-1]["style"] == "marble"


def test_correct__takes_over_all_that_an_open_job_makes(rosa: User, scenic: None) -> None:
    first, *_others = builders.scenes()
    everything = request_enhancement(first.source, Order("catalogue")).job
    job = masks.correct(first, CORRECTED, by=rosa).job
    everything.refresh_from_db()
    assert everything.state == JobState.CANCELLED
    assert sorted(job.recipe_table) == ["main", "scene", "white"]
    # By another mask: only that one counts, and the same once more is the same job.
    other = builders.mask(box=(9, 9, 50, 40))
    again = [masks.correct(first, other, by=rosa).job for _ in range(2)]
    assert again[0] == again[1]
    assert Recipe.parse("", again[0].recipe_table).masks == {hashlib.sha256(other).hexdigest()}
    job.refresh_from_db()
    assert (job.state, again[0].state) == (JobState.CANCELLED, JobState.QUEUED)


def test_correct__that_fails_leaves_open_jobs_alone(rosa: User, scenic: None) -> None:
    first, *_others = builders.scenes()
    other = _asked_for_marble(first, rosa)
    first.source.file.storage.delete(first.source.file.name)
    with pytest.raises(InvalidTransitionError):
        masks.correct(first, CORRECTED, by=rosa)
    other.refresh_from_db()
    assert other.state == JobState.QUEUED


def test_correct__equal_mask_is_the_same_job(rosa: User) -> None:
    first, second, _third = builders.scenes()
    jobs = [masks.correct(variant, CORRECTED, by=rosa).job for variant in (first, second)]
    assert jobs[0] == jobs[1]
    other = masks.correct(first, builders.mask(), by=rosa).job
    assert other != jobs[0]


def test_correct__needs_a_cut_out(rosa: User) -> None:
    draft = builders.draft()
    with pytest.raises(RecipeError, match="no option 'mask'"):
        masks.correct(draft, CORRECTED, by=rosa)
    assert EnhancementJob.objects.count() == 1


def test_run__mask_that_is_gone_is_said(
    rosa: User, scenic: None, storage_folders: dict[str, Path]
) -> None:
    first, *_others = builders.scenes()
    job = masks.correct(first, CORRECTED, by=rosa).job
    (file,) = [
        path
        for path in (storage_folders["shopimg_drafts"] / "masks").iterdir()
        if path.read_bytes() == CORRECTED
    ]
    file.write_bytes(builders.mask())
    assert running.run(job.pk) == JobState.FAILED
    job.refresh_from_db()
    assert job.error_code == "mask_missing"
    assert "does not hold the bytes" in job.error_detail
    file.unlink()
    again = masks.correct(first, CORRECTED, by=rosa)
    assert (again.job, again.queued) == (job, True)
    assert file.read_bytes() == CORRECTED
    assert running.run(job.pk) == JobState.SUCCEEDED


def test_run__recipe_without_a_mask_runs_on_an_enhancer_that_knows_none(settings, tmp_path) -> None:
    settings.SIGNAL_DIR = str(tmp_path)
    (tmp_path / "go").touch()
    enhancer = "tests.testapp.enhancers.HaltingEnhancer"
    settings.SHOPIMG = {**settings.SHOPIMG, "ENHANCER": enhancer}
    assert running.run(builders.job_of(builders.photo()).pk) == JobState.SUCCEEDED


def test_cleanup__keeps_masks_of_variants_and_of_jobs(
    rosa: User, storage_folders: dict[str, Path]
) -> None:
    first, *_others = builders.scenes()
    masks.correct(first, CORRECTED, by=rosa)
    orphan = storage.save_mask(builders.mask(box=(1, 1, 5, 5)))
    make_old(storage_folders["shopimg_drafts"])
    assert [found.name for found in cleaning.orphans()] == [orphan]
    assert cleaning.clean_up().files == 1
    folder = storage_folders["shopimg_drafts"] / "masks"
    assert {file.read_bytes() for file in folder.iterdir()} == {CORRECTED, builders.mask()}


def test_cleanup__spares_a_mask_that_was_asked_for_since_it_was_found(
    rosa: User, storage_folders: dict[str, Path]
) -> None:
    first, *_others = builders.scenes()
    storage.save_mask(CORRECTED)
    make_old(storage_folders["shopimg_drafts"])
    (orphan,) = cleaning.orphans()
    masks.correct(first, CORRECTED, by=rosa)
    assert cleaning.remove(orphan) is False
    assert storage.read_mask(orphan.name) == CORRECTED


def test_normalised__of_a_small_upload_is_as_small() -> None:
    found = masks.normalised(builders.mask((32, 24), (4, 4, 28, 20)), (32, 24))
    assert product_of(found).size == (32, 24)
