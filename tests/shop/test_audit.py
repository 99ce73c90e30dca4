"""``shopimg_audit``: what is measured, how it is told, how the process ends, what it queues."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from shopimg import storage
from shopimg.contract import FEED, WHITE, Recipe, StepReport
from shopimg.contract.provenance import COMPOSITE_WITH_GENERATED, xmp_packet
from shopimg.management.commands import shopimg_audit
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.presets.markets import AMAZON, GOOGLE, PRESETS
from shopimg.presets.target import target
from shopimg.services import audits, reviews
from tests import builders
from tests.shop.pictures import encoded, product
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db

GOOD_BOX = (24, 24, 376, 376)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def audit(capsys) -> Run:
    """Run the command, and return its exit code, its output and its messages."""

    def _run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code, words = 0, ""
        try:
            call_command("shopimg_audit", *arguments)
        except CommandError as err:
            code, words = err.returncode, str(err)
        said = capsys.readouterr()
        return code, said.out, said.err + words

    return _run


def _white(side: int, name: str = "mug.jpg", **options: Any) -> Photo:
    """Save a photograph of a product that fills 88 % of a white square."""
    picture = product().crop((26, 26, 374, 374)).resize((side, side), resample=0)
    return builders.photo(encoded(picture, "JPEG", quality=95, **options), name)


def _published(
    photo: Photo,
    content: bytes,
    steps: list[StepReport],
    by: User,
    role: str = "main",
    origin: str = "",
) -> EnhancedVariant:
    image = dataclasses.replace(
        builders.enhanced(role=role),
        content=content,
        steps=tuple(steps),
        digital_source_type=origin,
    )
    return reviews.approve(builders.finished(photo, [image])[0], by=by)


def _wood(side: int = 1600, name: str = "mug.jpg") -> Photo:
    """Save a photograph of a product on a table."""
    return builders.photo(encoded(product((side, side), ground=(140, 90, 60)), "JPEG"), name)


def _recipes(photo: Photo) -> set[tuple[str, str, bool]]:
    jobs = EnhancementJob.objects.for_source(photo)
    return set(jobs.values_list("recipe", "state", "bulk"))


def test_audit__table_lists_what_is_wrong_and_counts_all(audit: Run) -> None:
    _white(1600)
    bad = _wood(450, "vase.jpg")
    code, out, err = audit("--preset", "amazon", "--on", "2026-11-25")
    assert code == 1
    assert err.endswith("1 of 2 images misses rules of Amazon.")
    unknown = "unknown  not measured (no product told from background)"
    worst = "2 images by their worst rule: 1 pass, 0 warn, 1 fail, 0 unknown"
    assert out.splitlines() == [
        f"testapp.Photo {bad.pk}, original photos/vase.jpg",
        "  side-minimum      fail     450 px, wanted at least 500 px",
        "  side-zoom         warn     450 px, wanted at least 1000 px",
        "  side-recommended  warn     450 px, wanted at least 1600 px",
        f"  fill              {unknown}, wanted at least 85 %",
        "  white-border      fail     0 % (darkest channel 63), wanted 100 %",
        f"  white-area        {unknown}, wanted 100 %",
        f"Amazon, rules of 2026-11-25: {worst}.",
        "Not measured: 2 of the findings, in 1 of the images.",
        "  rule                   pass     warn     fail  unknown",
        "  side-minimum              1        0        1        0",
        "  side-maximum              2        0        0        0",
        "  side-zoom                 1        1        0        0",
        "  side-recommended          1        1        0        0",
        "  bytes                     2        0        0        0",
        "  format                    2        0        0        0",
        "  still                     2        0        0        0",
        "  colour                    2        0        0        0",
        "  fill                      1        0        0        1",
        "  white-border              1        0        1        0",
        "  white-area                1        0        0        1",
        "  real-backdrop             2        0        0        0",
    ]


def test_audit__json_has_every_value(audit: Run) -> None:
    photo = _wood(450)
    code, out, _ = audit("--preset", "google", "--format", "json", "--on", "2027-01-31")
    told = json.loads(out)
    assert code == 1
    assert {key: told[key] for key in ("preset", "day", "role", "main")} == {
        "preset": "google",
        "day": "2027-01-31",
        "role": None,
        "main": True,
    }
    (image,) = told["images"]
    findings = {found["rule"]: found for found in image.pop("findings")}
    assert image == {
        "model": "testapp.Photo",
        "id": str(photo.pk),
        "file": "photos/mug.jpg",
        "published": False,
        "status": "fail",
    }
    assert findings["side-minimum"] == {
        "rule": "side-minimum",
        "severity": "error",
        "status": "fail",
        "value": 450,
        "wanted": "at least 500 px",
        "message": "450 px, wanted at least 500 px",
        "source": "https://support.google.com/merchants/answer/6324350",
    }
    assert findings["fill"]["value"] is None
    assert findings["bytes"]["value"] == photo.file.size
    assert told["summary"]["images"] == {"pass": 0, "warn": 0, "fail": 1, "unknown": 0}
    assert told["summary"]["rules"]["fill"] == {"pass": 0, "warn": 0, "fail": 0, "unknown": 1}


def test_audit__csv_has_a_row_for_each_image_and_rule(audit: Run) -> None:
    photos = [_wood(450), _white(1600, 'a "mug", blue.jpg')]
    _, out, _ = audit("--preset", "shopify", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert [row["id"] for row in rows] == [str(photo.pk) for photo in photos for _ in range(6)]
    assert rows[0] == {
        "model": "testapp.Photo",
        "id": str(photos[0].pk),
        "file": "photos/mug.jpg",
        "published": "False",
        "rule": "side-zoom",
        "severity": "warn",
        "status": "warn",
        "value": "450",
        "wanted": "at least 800 px",
        "message": "450 px, wanted at least 800 px",
        "source": "third parties",
    }


def test_audit__junit_is_what_ci_systems_read(audit: Run) -> None:
    photo = _wood(450)
    code, out, _ = audit("--preset", "amazon", "--format", "junit")
    (suite,) = ET.fromstring(out)
    counts = {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped")}
    assert code == 1
    assert counts == {
        "name": "shopimg_audit.amazon",
        "tests": "12",
        "failures": "2",
        "errors": "0",
        "skipped": "2",
    }
    cases = {case.get("name"): case for case in suite}
    assert {case.get("classname") for case in suite} == {"amazon.testapp.Photo"}
    failure = cases[f"{photo.pk} photos/mug.jpg: side-minimum"].find("failure")
    assert failure is not None
    assert failure.attrib == {"message": "450 px, wanted at least 500 px", "type": "error"}
    warned = cases[f"{photo.pk} photos/mug.jpg: side-zoom"]
    assert warned.findtext("system-out") == "warn: 450 px, wanted at least 1000 px"
    assert list(cases[f"{photo.pk} photos/mug.jpg: bytes"]) == []


def test_audit__junit_counts_warnings_where_they_count(audit: Run) -> None:
    _wood(450)
    code, out, _ = audit("--preset", "shopify", "--format", "junit", "--fail-on", "warn")
    (suite,) = ET.fromstring(out)
    failures = [
        case.get("name", "").split(": ")[1] for case in suite if case.find("failure") is not None
    ]
    assert (code, suite.get("failures")) == (1, "2")
    assert failures == ["side-zoom", "side-recommended"]


def test_audit__junit_takes_any_file_name(audit: Run) -> None:
    photo = _white(1600)
    odd = "photos/<m\x0bug> & 'ü'.jpg"
    Path(photo.file.path).rename(Path(photo.file.path).parent / Path(odd).name)
    Photo.objects.update(file=odd)
    _, out, _ = audit("--preset", "etsy", "--format", "junit")
    (suite,) = ET.fromstring(out)
    assert (
        suite[0].get("name")
        == f"{photo.pk} photos/<m\N{REPLACEMENT CHARACTER}ug> & 'ü'.jpg: side-minimum"
    )


@pytest.mark.parametrize(
    ("fail_on", "on_warn", "on_fail"), [("error", 0, 1), ("warn", 1, 1), ("never", 0, 0)]
)
def test_audit__exit_code(audit: Run, fail_on: str, on_warn: int, on_fail: int) -> None:
    photo = _white(1600)
    arguments = ("--preset", "etsy", "--fail-on", fail_on)
    assert audit(*arguments)[0] == on_warn
    photo.delete()
    _white(600)
    assert audit(*arguments)[0] == on_fail


@pytest.mark.parametrize(("day", "code"), [("2027-01-30", 0), ("2027-01-31", 1)])
def test_audit__goes_by_the_day(audit: Run, day: str, code: int) -> None:
    _white(400)
    assert audit("--preset", "google", "--on", day)[0] == code


def test_audit__goes_by_today_where_nobody_says_otherwise(audit: Run, monkeypatch) -> None:
    _white(400)
    for day, code in (("2027-01-30", 0), ("2027-01-31", 1)):
        monkeypatch.setattr(
            shopimg_audit.timezone, "localdate", lambda day=day: shopimg_audit.day(day)
        )
        assert audit("--preset", "google")[0] == code


def test_audit__looks_at_what_is_published_and_at_what_was_done(audit: Run, rosa: User) -> None:
    photo = _wood(450)
    content = encoded(product((1600, 1600), (80, 80, 1520, 1520)), "JPEG", quality=95)
    steps = [StepReport("decode", 0.1), StepReport("upscale", 0.1, {"to": 1600})]
    variant = _published(photo, content, steps, rosa)
    code, out, _ = audit("--preset", "amazon", "--format", "json")
    (image,) = json.loads(out)["images"]
    assert (code, image["file"], image["published"]) == (0, variant.published_name, True)
    code, out, _ = audit("--preset", "google")
    assert code == 1
    assert out.splitlines()[:2] == [
        f"testapp.Photo {photo.pk}, published {variant.published_name}",
        "  not-enlarged      fail     enlargement, wanted no enlargement",
    ]


@pytest.mark.parametrize("tagged", [True, False])
def test_audit__generated_backdrop(audit: Run, rosa: User, tagged: bool) -> None:
    xmp = {"xmp": xmp_packet(COMPOSITE_WITH_GENERATED)} if tagged else {}
    picture = product((1600, 1600), (80, 80, 1520, 1520))
    content = encoded(picture, "JPEG", quality=95, **xmp)
    steps = [StepReport("backdrop", 0.1, {"generator": "gan", "seed": 7})]
    _published(_wood(), content, steps, rosa, "scene", COMPOSITE_WITH_GENERATED)
    failing = ("  real-backdrop     fail     generated backdrop, wanted no generated backdrop",)
    assert audit("--preset", "amazon")[1].splitlines()[1:2] == list(failing)
    assert audit("--preset", "amazon", "--additional")[0] == 0
    code, out, _ = audit("--preset", "google", "--additional")
    assert code == (0 if tagged else 1)
    assert ("generated-tag     fail     nothing, wanted composite" in out) is not tagged


def test_audit__role_that_is_not_published_means_the_original(audit: Run, rosa: User) -> None:
    content = encoded(product((1600, 1600), (80, 80, 1520, 1520)), "JPEG", quality=95)
    _published(_wood(450), content, [], rosa, "white")
    assert audit("--preset", "amazon", "--role", "white")[0] == 0
    code, out, _ = audit("--preset", "amazon", "--role", "main")
    assert (code, "original photos/mug.jpg" in out) == (1, True)


def test_audit__chooses_by_model_and_limit(audit: Run, rosa: User, monkeypatch) -> None:
    monkeypatch.setattr(audits, "BATCH_SIZE", 2)
    photos = [_white(100, f"{number}.jpg") for number in range(5)]
    file = builders.upload(encoded(product(), "JPEG"))
    owned = OwnedPhoto.objects.create(owner=rosa, file=file)

    def ids(*arguments: str) -> list[tuple[str, str]]:
        out = audit("--preset", "etsy", "--format", "json", *arguments)[1]
        return [(image["model"], image["id"]) for image in json.loads(out)["images"]]

    own = [("testapp.OwnedPhoto", str(owned.pk))]
    five = [("testapp.Photo", str(photo.pk)) for photo in photos]
    assert ids() == five + own
    assert ids("--model", "testapp.OwnedPhoto") == own
    assert ids("--limit", "3") == five[:3]
    assert ids("--limit", "6") == five + own


def test_audit__counts_the_images_of_a_product(audit: Run) -> None:
    for number in range(5):
        photo = _white(100, f"{number}.jpg")
        Photo.objects.filter(pk=photo.pk).update(name="Mug" if number else "Vase")
    arguments = ("--preset", "walmart", "--model", "testapp.Photo", "--format", "json")

    def numbers(*group_by: str) -> list[tuple[object, str]]:
        images = json.loads(audit(*arguments, *group_by)[1])["images"]
        found = [f for image in images for f in image["findings"] if f["rule"] == "images"]
        return [(one["value"], one["status"]) for one in found]

    assert numbers("--group-by", "name") == [(1, "warn")] + [(4, "pass")] * 4
    assert numbers() == [(None, "unknown")] * 5


def test_audit__counts_by_a_relation(audit: Run, rosa: User) -> None:
    other = builders.reviewer("olaf")
    for owner in (rosa, rosa, other):
        OwnedPhoto.objects.create(owner=owner, file=builders.upload())
    arguments = ("--preset", "walmart", "--model", "testapp.OwnedPhoto", "--group-by", "owner")
    images = json.loads(audit(*arguments, "--format", "json")[1])["images"]
    found = [f["value"] for image in images for f in image["findings"] if f["rule"] == "images"]
    assert found == [2, 2, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "The uploaded file is no longer in the storage."),
        (b"", "The file is empty."),
        (b"no picture", "The uploaded file is damaged or is not a picture."),
        (encoded(product(), "JPEG")[:900], "The uploaded file is damaged or is not a picture."),
    ],
)
def test_audit__file_that_cannot_be_measured_fails(
    audit: Run, content: bytes | None, words: str
) -> None:
    photo, other = _white(1600), _white(1600, "vase.jpg")
    path = Path(photo.file.path)
    path.unlink() if content is None else path.write_bytes(content)
    code, out, _ = audit("--preset", "ebay", "--format", "json")
    broken, whole = json.loads(out)["images"]
    assert (code, broken["status"], whole["status"]) == (1, "fail", "pass")
    (found,) = broken["findings"]
    assert (found["rule"], found["value"]) == ("readable", None)
    assert found["message"].startswith(words)
    assert f"testapp.Photo {photo.pk}, original" in audit("--preset", "ebay")[1]
    suite = ET.fromstring(audit("--preset", "ebay", "--format", "junit")[1])[0]
    assert (suite.get("errors"), suite.get("tests")) == ("1", "7")
    assert whole["id"] == str(other.pk)


def test_audit__published_file_that_is_gone_fails(
    audit: Run, rosa: User, storage_folders: dict[str, Path]
) -> None:
    variant = _published(_white(1600), encoded(product(), "JPEG"), [], rosa)
    storage.published().delete(variant.published_name)
    code, out, _ = audit("--preset", "ebay")
    assert (code, "The published file is not in the storage." in out) == (1, True)


def test_audit__storage_that_is_down_ends_it_with_a_code_of_its_own(audit: Run, settings) -> None:
    for number in range(6):
        _white(500, f"{number}.jpg")
    backend = {"BACKEND": "tests.testapp.storages.BrokenCloudStorage"}
    settings.STORAGES = settings.STORAGES | {"default": backend}
    code, out, err = audit("--preset", "ebay", "--format", "json")
    assert (code, out) == (3, "")
    assert "The storage does not answer. Try again. (CloudError: no route to bucket)" in err


def test_audit__single_file_that_does_not_answer_is_a_problem_of_its_image(
    audit: Run, rosa: User, settings
) -> None:
    _published(_white(1600), encoded(product((1600, 1600)), "JPEG", quality=95), [], rosa)
    _white(1600, "vase.jpg")
    backend = {"BACKEND": "tests.testapp.storages.BrokenStorage"}
    settings.STORAGES = settings.STORAGES | {"shopimg_published": backend}
    code, out, _ = audit("--preset", "ebay", "--format", "json")
    assert code == 1
    assert [image["status"] for image in json.loads(out)["images"]] == ["fail", "pass"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name a market with --preset: amazon, google, "),
        (("--preset", "bol"), "There is no preset 'bol'"),
        (("--list", "--preset", "bol"), "There is no preset 'bol'"),
        (("--preset", "ebay", "--model", "no.Model"), "no.Model is not in SHOPIMG"),
        (
            ("--preset", "ebay", "--group-by", "colour"),
            "testapp.Photo has no field 'colour' to group by.",
        ),
        (("--preset", "ebay", "--group-by", "panorama"), "or one of file, id, name."),
        (("--preset", "ebay", "--dry-run"), "--recipe and --dry-run are about --fix."),
        (("--preset", "ebay", "--fix", "--recipe", "no"), "There is no recipe 'no'. Known: "),
        (
            ("--preset", "ebay", "--role", "whit"),
            "Nothing makes the role 'whit'. Known: feed, main",
        ),
        (
            ("--preset", "google", "--fix", "--recipe", "white"),
            "Google Merchant Center refuses enlarged pictures: leave out the step upscale.",
        ),
        (
            ("--preset", "amazon", "--fix", "--recipe", "scene"),
            "Amazon refuses generated backdrops",
        ),
        (
            ("--preset", "amazon", "--fix", "--role", "hero"),
            "The recipe 'white' makes white, and no hero: name another recipe.",
        ),
    ],
)
def test_audit__wrong_option_changes_nothing(
    audit: Run, arguments: tuple[str, ...], words: str
) -> None:
    _wood(450)
    before = EnhancementJob.objects.count()
    code, out, err = audit(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert EnhancementJob.objects.count() == before


@pytest.mark.parametrize(
    "arguments",
    [("--limit", "0"), ("--on", "soon"), ("--format", "xml"), ("--fail-on", "all")],
)
def test_audit__wrong_value_is_refused_by_the_parser(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="argument"):
        call_command("shopimg_audit", "--preset", "ebay", *arguments)


def test_audit__fix_queues_jobs_for_what_fails(audit: Run) -> None:
    good, warned, bad, broken = (
        _white(1600),
        _white(1200, "b.jpg"),
        _wood(450),
        _white(1600, "d.jpg"),
    )
    Path(broken.file.path).write_bytes(b"no picture")
    code, out, err = audit("--preset", "amazon", "--fix")
    assert code == 1
    assert "1 job of white queued, 0 had been asked for before." in err
    white = EnhancementJob.objects.for_source(bad).get(recipe="white")
    assert Recipe.parse("white", white.recipe_table) == target(WHITE, AMAZON)
    assert white.sent_at is not None
    clean = ("clean", "queued", False)  # from the hook
    assert _recipes(bad) == {clean, ("white", "queued", True)}
    assert _recipes(good) == _recipes(warned) == _recipes(broken) == {clean}
    again = audit("--preset", "amazon", "--fix")
    assert again[:2] == (code, out)
    assert "0 jobs of white queued, 1 had been asked for before." in again[2]
    assert EnhancementJob.objects.count() == 5


def test_audit__fix_aims_at_the_market(audit: Run) -> None:
    photo = _wood(450)
    assert "1 job of white queued" in audit("--preset", "walmart", "--fix")[2]
    job = EnhancementJob.objects.for_source(photo).get(recipe="white")
    frame = job.recipe_table["white"]["steps"][3]
    assert (frame["step"], frame["width"], frame["height"]) == ("frame", 2200, 2200)


def test_audit__fix_takes_warnings_and_a_recipe_of_the_shop(audit: Run, settings) -> None:
    steps = [{"step": "cutout"}, {"step": "backdrop", "generator": "colour"}]
    own = {"main": {"preset": "google", "steps": steps}}
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": {"feed": own}}
    photo = _wood(450)
    arguments = ("--preset", "google", "--fix", "--recipe", "feed", "--fail-on")
    assert "0 jobs of feed queued" in audit(*arguments, "error", "--on", "2026-12-01")[2]
    assert "1 job of feed queued" in audit(*arguments, "warn", "--on", "2026-12-01")[2]
    job = EnhancementJob.objects.for_source(photo).get(recipe="feed")
    assert [step["step"] for step in job.recipe_table["main"]["steps"]] == ["cutout", "backdrop"]
    assert job.recipe_table["main"]["output"] == {"format": "jpeg", "quality": 95}


def test_audit__fix_says_by_which_role_it_will_be_seen(audit: Run, settings) -> None:
    _wood(450)
    hint = "Audit what it makes with --role white."
    arguments = ("--preset", "amazon", "--model", "testapp.Photo", "--fix")
    assert hint in audit(*arguments)[2]
    assert hint not in audit(*arguments, "--role", "white")[2]
    of_photos = {"testapp.Photo": {"field": "file", "recipe": "white"}}
    settings.SHOPIMG = {**settings.SHOPIMG, "SOURCES": of_photos}
    assert hint not in audit(*arguments)[2]


def test_audit__fix_that_may_end_well_still_queues(audit: Run) -> None:
    photo = _wood(450)
    code, _, err = audit("--preset", "amazon", "--fix", "--fail-on", "never")
    assert (code, "1 job of white queued" in err) == (0, True)
    assert ("white", "queued", True) in _recipes(photo)


def test_audit__dry_run_only_counts(audit: Run) -> None:
    photo = _wood(450)
    code, _, err = audit("--preset", "amazon", "--fix", "--dry-run")
    assert (code, "The recipe white would be asked for 1 image." in err) == (1, True)
    assert _recipes(photo) == {("clean", "queued", False)}


def test_audit__nothing_to_fix_where_only_images_are_missing(audit: Run) -> None:
    _white(2200)
    arguments = ("--preset", "walmart", "--model", "testapp.Photo", "--group-by", "name")
    code, out, err = audit(*arguments, "--fail-on", "warn", "--fix")
    assert (code, "images            warn     1, wanted at least 4" in out) == (1, True)
    assert "0 jobs of white queued, 0 had been asked for before." in err


def test_audit__fix_for_google_enlarges_nothing(audit: Run, rosa: User) -> None:
    enlarged = _white(1600)
    content = Path(enlarged.file.path).read_bytes()
    _published(enlarged, content, [StepReport("upscale", 0.1, {"to": 1600})], rosa)
    small, broken = _white(80, "small.jpg"), _white(1600, "broken.jpg")
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
    assert _recipes(small) == {("clean", "queued", False)}


def test_audit__progress_is_not_drawn_among_the_lines_of_a_table(audit: Run, monkeypatch) -> None:
    _white(1600)
    assert "Measuring" in audit("--preset", "ebay")[2]
    monkeypatch.setattr("django.core.management.base.OutputWrapper.isatty", lambda _self: True)
    assert "Measuring" not in audit("--preset", "ebay")[2]
    assert "Measuring" in audit("--preset", "ebay", "--format", "csv")[2]


def test_audit__ctrl_c_between_batches_ends_it(audit: Run, monkeypatch) -> None:
    monkeypatch.setattr(audits, "BATCH_SIZE", 1)
    photos = [_wood(450, f"{number}.jpg") for number in range(3)]
    queue = audits.queue_fixes

    def _queue_and_press(*arguments: Any) -> int:
        signal.raise_signal(signal.SIGINT)
        return queue(*arguments)

    monkeypatch.setattr(audits, "queue_fixes", _queue_and_press)
    code, _, err = audit("--preset", "amazon", "--fix")
    assert code == 3
    assert "Interrupted. 1 job of white queued, 0 had been asked for before." in err
    assert [len(_recipes(photo)) for photo in photos] == [2, 1, 1]


def test_audit__list_tells_rules_dates_and_sources(audit: Run) -> None:
    code, out, _ = audit("--list", "--preset", "google")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "google: Google Merchant Center, collected on 2026-11-25, --fix queues feed"
    page = f"{'':27}https://support.google.com/merchants/answer/6324350"
    assert lines[1:5] == [
        "  side-minimum      error  shortest side: at least 100 px, before 2027-01-31",
        page,
        "  side-minimum      error  shortest side: at least 500 px, from 2027-01-31",
        page,
    ]
    titles = [line for line in audit("--list")[1].splitlines() if not line.startswith(" ")]
    assert [title.partition(":")[0] for title in titles] == list(PRESETS)


def test_audit__process_ends_with_the_code_of_a_wrong_option(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "demoshop.settings",
        "DEMO_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "django", "shopimg_audit", "--preset", "bol"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "CommandError: There is no preset 'bol'" in ended.stderr
