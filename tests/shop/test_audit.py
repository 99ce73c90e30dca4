"""``shopimg_audit``: what is measured, how the process ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from shopimg import storage
from shopimg.contract import StepReport
from shopimg.contract.provenance import COMPOSITE_WITH_GENERATED, xmp_packet
from shopimg.management.commands import shopimg_audit
from shopimg.models import EnhancementJob
from shopimg.services import audits
from tests import builders
from tests.shop.audit_cases import Run, published, recipes_of, white_photo, wood_photo
from tests.shop.pictures import encoded, product
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fail_on", "on_warn", "on_fail"), [("error", 0, 1), ("warn", 1, 1), ("never", 0, 0)]
)
def test_audit__exit_code(audit: Run, fail_on: str, on_warn: int, on_fail: int) -> None:
    photo = white_photo(1600)
    arguments = ("--preset", "etsy", "--fail-on", fail_on)
    assert audit(*arguments)[0] == on_warn
    photo.delete()
    white_photo(600)
    assert audit(*arguments)[0] == on_fail


@pytest.mark.parametrize(("day", "code"), [("2027-01-30", 0), ("2027-01-31", 1)])
def test_audit__goes_by_the_day(audit: Run, day: str, code: int) -> None:
    white_photo(400)
    assert audit("--preset", "google", "--on", day)[0] == code


def test_audit__goes_by_today_where_nobody_says_otherwise(audit: Run, monkeypatch) -> None:
    white_photo(400)
    for day, code in (("2027-01-30", 0), ("2027-01-31", 1)):
        monkeypatch.setattr(
            shopimg_audit.timezone, "localdate", lambda day=day: shopimg_audit.day(day)
        )
        assert audit("--preset", "google")[0] == code


def test_audit__looks_at_what_is_published_and_at_what_was_done(audit: Run, rosa: User) -> None:
    photo = wood_photo(450)
    content = encoded(product((1600, 1600), (80, 80, 1520, 1520)), "JPEG", quality=95)
    steps = [StepReport("decode", 0.1), StepReport("upscale", 0.1, {"to": 1600})]
    variant = published(photo, content, steps, rosa)
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
    published(wood_photo(), content, steps, rosa, "scene", COMPOSITE_WITH_GENERATED)
    failing = ("  real-backdrop     fail     generated backdrop, wanted no generated backdrop",)
    assert audit("--preset", "amazon")[1].splitlines()[1:2] == list(failing)
    assert audit("--preset", "amazon", "--additional")[0] == 0
    code, out, _ = audit("--preset", "google", "--additional")
    assert code == (0 if tagged else 1)
    assert ("generated-tag     fail     nothing, wanted composite" in out) is not tagged


def test_audit__role_that_is_not_published_means_the_original(audit: Run, rosa: User) -> None:
    content = encoded(product((1600, 1600), (80, 80, 1520, 1520)), "JPEG", quality=95)
    published(wood_photo(450), content, [], rosa, "white")
    assert audit("--preset", "amazon", "--role", "white")[0] == 0
    code, out, _ = audit("--preset", "amazon", "--role", "main")
    assert (code, "original photos/mug.jpg" in out) == (1, True)


def test_audit__chooses_by_model_and_limit(audit: Run, rosa: User, monkeypatch) -> None:
    monkeypatch.setattr(audits, "BATCH_SIZE", 2)
    photos = [white_photo(100, f"{number}.jpg") for number in range(5)]
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
        photo = white_photo(100, f"{number}.jpg")
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
    photo, other = white_photo(1600), white_photo(1600, "vase.jpg")
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
    variant = published(white_photo(1600), encoded(product(), "JPEG"), [], rosa)
    storage.published().delete(variant.published_name)
    code, out, _ = audit("--preset", "ebay")
    assert (code, "The published file is not in the storage." in out) == (1, True)


def test_audit__storage_that_is_down_ends_it_with_a_code_of_its_own(audit: Run, settings) -> None:
    for number in range(6):
        white_photo(500, f"{number}.jpg")
    backend = {"BACKEND": "tests.testapp.storages.BrokenCloudStorage"}
    settings.STORAGES = settings.STORAGES | {"default": backend}
    code, out, err = audit("--preset", "ebay", "--format", "json")
    assert (code, out) == (3, "")
    assert "The storage does not answer. Try again. (CloudError: no route to bucket)" in err


def test_audit__single_file_that_does_not_answer_is_a_problem_of_its_image(
    audit: Run, rosa: User, settings
) -> None:
    published(white_photo(1600), encoded(product((1600, 1600)), "JPEG", quality=95), [], rosa)
    white_photo(1600, "vase.jpg")
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
    wood_photo(450)
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


def test_audit__ctrl_c_between_batches_ends_it(audit: Run, monkeypatch) -> None:
    monkeypatch.setattr(audits, "BATCH_SIZE", 1)
    photos = [wood_photo(450, f"{number}.jpg") for number in range(3)]
    queue = audits.queue_fixes

    def _queue_and_press(*arguments: Any) -> int:
        signal.raise_signal(signal.SIGINT)
        return queue(*arguments)

    monkeypatch.setattr(audits, "queue_fixes", _queue_and_press)
    code, _, err = audit("--preset", "amazon", "--fix")
    assert code == 3
    assert "Interrupted. 1 job of white queued, 0 had been asked for before." in err
    assert [len(recipes_of(photo)) for photo in photos] == [2, 1, 1]


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
