"""``shopimg_audit --fix``: what it queues."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from shopimg.contract import FEED, WHITE, Recipe, StepReport
from shopimg.models import EnhancementJob
from shopimg.presets.markets import AMAZON, GOOGLE
from shopimg.presets.target import target
from tests.shop.audit_cases import Run, published, recipes_of, white_photo, wood_photo

pytestmark = pytest.mark.django_db


def test_audit__fix_queues_jobs_for_what_fails(audit: Run) -> None:
    good, warned, bad, broken = (
        white_photo(1600),
        white_photo(1200, "b.jpg"),
        wood_photo(450),
        white_photo(1600, "d.jpg"),
    )
    Path(broken.file.path).write_bytes(b"no picture")
    code, out, err = audit("--preset", "amazon", "--fix")
    assert code == 1
    assert "1 job of white queued, 0 had been asked for before." in err
    white = EnhancementJob.objects.for_source(bad).get(recipe="white")
    assert Recipe.parse("white", white.recipe_table) == target(WHITE, AMAZON)
    assert white.sent_at is not None
    clean = ("clean", "queued", False)  # from the hook
    assert recipes_of(bad) == {clean, ("white", "queued", True)}
    assert recipes_of(good) == recipes_of(warned) == recipes_of(broken) == {clean}
    again = audit("--preset", "amazon", "--fix")
    assert again[:2] == (code, out)
    assert "0 jobs of white queued, 1 had been asked for before." in again[2]
    assert EnhancementJob.objects.count() == 5


def test_audit__fix_aims_at_the_market(audit: Run) -> None:
    photo = wood_photo(450)
    assert "1 job of white queued" in audit("--preset", "walmart", "--fix")[2]
    job = EnhancementJob.objects.for_source(photo).get(recipe="white")
    frame = job.recipe_table["white"]["steps"][3]
    assert (frame["step"], frame["width"], frame["height"]) == ("frame", 2200, 2200)


def test_audit__fix_takes_warnings_and_a_recipe_of_the_shop(audit: Run, settings) -> None:
    steps = [{"step": "cutout"}, {"step": "backdrop", "generator": "colour"}]
    own = {"main": {"preset": "google", "steps": steps}}
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": {"feed": own}}
    photo = wood_photo(450)
    arguments = ("--preset", "google", "--fix", "--recipe", "feed", "--fail-on")
    assert "0 jobs of feed queued" in audit(*arguments, "error", "--on", "2026-12-01")[2]
    assert "1 job of feed queued" in audit(*arguments, "warn", "--on", "2026-12-01")[2]
    job = EnhancementJob.objects.for_source(photo).get(recipe="feed")
    assert [step["step"] for step in job.recipe_table["main"]["steps"]] == ["cutout", "backdrop"]
    assert job.recipe_table["main"]["output"] == {"format": "jpeg", "quality": 95}


def test_audit__fix_says_by_which_role_it_will_be_seen(audit: Run, settings) -> None:
    wood_photo(450)
    hint = "Audit what it makes with --role white."
    arguments = ("--preset", "amazon", "--model", "testapp.Photo", "--fix")
    assert hint in audit(*arguments)[2]
    assert hint not in audit(*arguments, "--role", "white")[2]
    of_photos = {"testapp.Photo": {"field": "file", "recipe": "white"}}
    settings.SHOPIMG = {**settings.SHOPIMG, "SOURCES": of_photos}
    assert hint not in audit(*arguments)[2]


def test_audit__fix_that_may_end_well_still_queues(audit: Run) -> None:
    photo = wood_photo(450)
    code, _, err = audit("--preset", "amazon", "--fix", "--fail-on", "never")
    assert (code, "1 job of white queued" in err) == (0, True)
    assert ("white", "queued", True) in recipes_of(photo)


def test_audit__dry_run_only_counts(audit: Run) -> None:
    photo = wood_photo(450)
    code, _, err = audit("--preset", "amazon", "--fix", "--dry-run")
    assert (code, "The recipe white would be asked for 1 image." in err) == (1, True)
    assert recipes_of(photo) == {("clean", "queued", False)}


def test_audit__nothing_to_fix_where_only_images_are_missing(audit: Run) -> None:
    white_photo(2200)
    arguments = ("--preset", "walmart", "--model", "testapp.Photo", "--group-by", "name")
    code, out, err = audit(*arguments, "--fail-on", "warn", "--fix")
    assert (code, "images            warn     1, wanted at least 4" in out) == (1, True)
    assert "0 jobs of white queued, 0 had been asked for before." in err


def test_audit__fix_for_google_enlarges_nothing(audit: Run, rosa: User) -> None:
    enlarged = white_photo(1600)
    content = Path(enlarged.file.path).read_bytes()
    published(enlarged, content, [StepReport("upscale", 0.1, {"to": 1600})], rosa)
    small, broken = white_photo(80, "small.jpg"), white_photo(1600, "broken.jpg")
    Path(broken.file.path).write_bytes(b"no picture")
    code, out, err = audit("--preset", "google", "--on", "2026-12-01", "--fix")
    assert (code, "80 px, wanted at least 100 px" in out) == (1, True)
    assert "1 job of feed queued, 0 had been asked for before. " in err
    assert "For 2 images it takes a person: see the report. Audit what it makes with --role" in err
    job = EnhancementJob.objects.get(recipe="feed")
    assert job.source_id == str(enlarged.pk)
    assert Recipe.parse("feed", job.recipe_table) == target(FEED, GOOGLE)
    assert [step["step"] for step in job.recipe_table["feed"]["steps"]] == [
        "restore",
        "cutout",
        "backdrop",
    ]
    assert recipes_of(small) == {("clean", "queued", False)}
