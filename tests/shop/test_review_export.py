"""Exported decisions: what is written, for whose eyes, and what a second run does."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from shopimg import storage
from shopimg.models import EnhancedVariant
from shopimg.services import publishing, review_export, reviews
from tests import builders
from tests.shop.test_storage import files_below, use_storage
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db


@pytest.fixture
def approved(rosa: User) -> EnhancedVariant:
    return reviews.approve(builders.draft(colour=(1, 2, 3)), by=rosa, note="=crisp")


@pytest.fixture
def rejected(rosa: User) -> EnhancedVariant:
    photo = builders.photo(builders.picture(colour=(9, 9, 9)), name="cup.jpg")
    return reviews.reject(builders.draft(photo), by=rosa, reason="text", note="logo bent")


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]


def test_export__writes_files_and_reasons(
    approved: EnhancedVariant,
    rejected: EnhancedVariant,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "set"
    call_command("shopimg_export_reviews", "--out", str(out))
    first, second = lines(out)
    assert (first["decision"], first["reason"], first["note"]) == ("approved", "", "=crisp")
    assert (second["decision"], second["reason"], second["note"]) == (
        "rejected",
        "text",
        "logo bent",
    )
    assert rejected.digest == second["variant_sha256"]
    assert first["weights"] == {"upscale_x2_s": "ab" * 32}
    assert first["steps"] == approved.job.recipe_table
    assert first["quality"] == {"colour_shift_p95": 0.4}
    for line in (first, second):
        for part in ("variant", "source"):
            content = (out / str(line[part])).read_bytes()
            assert hashlib.sha256(content).hexdigest() == line[f"{part}_sha256"]
    assert str(first["variant"]).startswith("approved/variants/")
    assert str(second["source"]).startswith("rejected/sources/")
    said = capsys.readouterr().out
    assert said.splitlines()[:3] == [
        "  approved: 1",
        "  rejected: text: 1",
        f"2 decisions exported to {out}.",
    ]
    assert "personal data" in said


@pytest.mark.parametrize(
    ("name", "kind", "ending"), [("a.jfif", "JPEG", ".jpg"), ("b.png", "PNG", ".png")]
)
def test_export__names_uploads_by_what_they_are(
    tmp_path: Path, rosa: User, name: str, kind: str, ending: str
) -> None:
    reviews.approve(builders.draft(builders.photo(builders.picture(kind=kind), name)), by=rosa)
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    (line,) = lines(tmp_path / "set")
    assert Path(str(line["source"])).suffix == ending


@pytest.mark.usefixtures("approved")
def test_export__names_no_reviewer_and_starts_no_formula(rosa: User, tmp_path: Path) -> None:
    out = tmp_path / "set"
    call_command("shopimg_export_reviews", "--out", str(out))
    (row,) = csv.DictReader((out / "decisions.csv").read_text().splitlines())
    assert row["note"] == "'=crisp"
    assert len(row["reviewer"]) == 12
    written = "".join((out / name).read_text() for name in ("decisions.csv", "decisions.jsonl"))
    assert rosa.username not in written


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_export__note_starts_no_formula(rosa: User, tmp_path: Path, start: str) -> None:
    reviews.approve(builders.draft(), by=rosa, note=f"{start}1+1")
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    with (tmp_path / "set" / "decisions.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["note"] == f"'{start}1+1"


@pytest.mark.usefixtures("approved", "rejected")
def test_export__is_for_the_owner_alone(tmp_path: Path) -> None:
    out = tmp_path / "set"
    call_command("shopimg_export_reviews", "--out", str(out))
    modes = {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in [out, *out.rglob("*")] if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


@pytest.mark.usefixtures("approved", "rejected")
def test_export__copies_nothing_twice(tmp_path: Path) -> None:
    out = tmp_path / "set"
    call_command("shopimg_export_reviews", "--out", str(out))
    before = {name: (out / name).stat().st_ino for name in files_below(out)}
    told = (out / "decisions.jsonl").read_bytes()
    call_command("shopimg_export_reviews", "--out", str(out))
    after = {name: (out / name).stat().st_ino for name in files_below(out)}
    pictures = [name for name in before if "/" in name]
    assert len(pictures) == 4
    assert [after[name] for name in pictures] == [before[name] for name in pictures]
    assert after.keys() == before.keys()
    assert (out / "decisions.jsonl").read_bytes() == told


@pytest.mark.usefixtures("approved", "rejected")
def test_export__goes_on_after_an_interruption(tmp_path: Path) -> None:
    out = tmp_path / "set"
    records = review_export.export(review_export.decided("all"), out)
    next(records)
    records.close()
    assert not (out / "decisions.jsonl").exists()
    call_command("shopimg_export_reviews", "--out", str(out))
    assert len(lines(out)) == 2
    assert not [name for name in files_below(out) if name.endswith(".part")]


@pytest.mark.usefixtures("approved", "rejected")
@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("approved", ["approved"]),
        ("rejected", ["rejected"]),
        ("all", ["approved", "rejected"]),
    ],
)
def test_export__only_what_was_asked_for(tmp_path: Path, choice: str, expected: list[str]) -> None:
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"), "--decision", choice)
    assert sorted(str(line["decision"]) for line in lines(tmp_path / "set")) == expected


@pytest.mark.usefixtures("approved")
def test_export__only_what_is_new(tmp_path: Path) -> None:
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "a"), "--since", tomorrow)
    assert not (tmp_path / "a").exists()
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "b"), "--since", "2020-01-31")
    assert len(lines(tmp_path / "b")) == 1
    with pytest.raises(CommandError, match="'soon' is no date"):
        call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"), "--since", "soon")


@pytest.mark.usefixtures("approved", "rejected")
def test_export__dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"), "--dry-run")
    assert not (tmp_path / "set").exists()
    assert "2 decisions would be exported." in capsys.readouterr().out


def test_export__says_what_is_gone(
    approved: EnhancedVariant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage.drafts().delete(approved.draft_name)
    photo = approved.source
    photo.file.storage.delete(photo.file.name)
    photo.file.storage.save(photo.file.name, builders.upload(builders.picture(colour=(7, 7, 7))))
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    (line,) = lines(tmp_path / "set")
    assert (line["missing"], line["variant"], line["source"]) == ("variant source", "", "")
    assert files_below(tmp_path / "set" / "approved") == []
    assert "Of 1 the upload or the result is gone or has changed." in capsys.readouterr().out


@pytest.mark.usefixtures("approved")
def test_export__stops_when_a_storage_does_not_answer(settings, tmp_path: Path) -> None:
    use_storage(settings, "shopimg_drafts", "BrokenStorage")
    with pytest.raises(CommandError, match="Run the command again"):
        call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    assert not (tmp_path / "set" / "decisions.jsonl").exists()


@pytest.mark.parametrize("place", ["shopimg_published", "default", "MEDIA_ROOT", "STATIC_ROOT"])
def test_export__refuses_every_public_folder(
    storage_folders: dict[str, Path], settings: Settings, tmp_path: Path, place: str
) -> None:
    if place not in storage_folders:
        setattr(settings, place, str(tmp_path / "served"))
    public = storage_folders.get(place, tmp_path / "served") / "set"
    with pytest.raises(CommandError, match="lies in a folder that shoppers may read"):
        call_command("shopimg_export_reviews", "--out", str(public))
    assert not public.exists()


def test_export__what_was_withdrawn_later_is_no_example_any_more(
    approved: EnhancedVariant,
    rosa: User,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = reviews.approve(builders.draft(colour=(3, 3, 3)), by=rosa)
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    assert [line["now"] for line in lines(tmp_path / "set")] == ["published", "published"]
    publishing.withdraw(approved, by=rosa)
    capsys.readouterr()
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    first, second = lines(tmp_path / "set")
    assert (first["now"], first["variant"], first["source"]) == ("withdrawn", "", "")
    assert (first["missing"], second["now"]) == ("", "published")
    # Both are of the same upload, which the other one still needs.
    assert files_below(tmp_path / "set" / "approved") == [
        f"sources/{other.job.source_digest}.jpg",
        f"variants/{other.pk}.jpg",
    ]
    assert "1 were withdrawn later: their files are left out." in capsys.readouterr().out
    publishing.restore(approved, by=rosa)
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    assert [line["now"] for line in lines(tmp_path / "set")] == ["published", "published"]
    assert len(files_below(tmp_path / "set" / "approved")) == 3


@pytest.mark.usefixtures("approved", "rejected")
def test_export__drops_its_own_files_that_the_tables_do_not_name(tmp_path: Path) -> None:
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    notes = tmp_path / "set" / "rejected" / "sources" / "notes.txt"
    notes.write_text("mine")
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"), "--decision", "approved")
    assert len(files_below(tmp_path / "set" / "approved")) == 2
    assert files_below(tmp_path / "set" / "rejected") == ["sources/notes.txt"]


@pytest.mark.usefixtures("approved")
def test_export__refuses_a_folder_that_holds_something_else(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o755)
    (mine / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(CommandError, match=r"holds cat.jpg, .* name a folder of its own"):
        call_command("shopimg_export_reviews", "--out", str(mine))
    assert files_below(mine) == ["cat.jpg"]
    assert mine.stat().st_mode & 0o777 == 0o755
    with pytest.raises(CommandError, match="is a file; name a folder"):
        call_command("shopimg_export_reviews", "--out", str(mine / "cat.jpg"))


@pytest.mark.usefixtures("approved")
def test_export__of_nothing_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    call_command("shopimg_export_reviews", "--out", str(out), "--since", "2100-01-01")
    assert capsys.readouterr().out == "No decision to export; nothing was written.\n"
    assert not out.exists()


def test_export__respects_scope_and_permission(settings, tmp_path: Path, rosa: User) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    karl = builders.reviewer("karl")
    for owner in (rosa, karl):
        photo = OwnedPhoto.objects.create(owner=owner, file=builders.upload())
        reviews.approve(builders.draft(photo), by=rosa)
    with pytest.raises(CommandError, match="say whose images with --as USER"):
        call_command("shopimg_export_reviews", "--out", str(tmp_path / "a"))
    builders.reviewer("nina", "view_enhancementjob")
    with pytest.raises(CommandError, match="nina may not see enhanced variants"):
        call_command("shopimg_export_reviews", "--out", str(tmp_path / "a"), "--as", "nina")
    with pytest.raises(CommandError, match="There is no user otto"):
        call_command("shopimg_export_reviews", "--out", str(tmp_path / "a"), "--as", "otto")
    assert not (tmp_path / "a").exists()
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "b"), "--as", "karl")
    (line,) = lines(tmp_path / "b")
    photo = OwnedPhoto.objects.get(owner=karl)
    assert line["image"] == f"testapp.ownedphoto:{photo.pk}"


def test_export__queries_do_not_grow_with_the_shop(
    rosa: User, tmp_path: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        reviews.approve(builders.draft(colour=(number, 0, 0)), by=rosa)
        # One for the decisions and one for their images.
        with django_assert_num_queries(2):
            records = list(review_export.export(review_export.decided("all"), tmp_path / "a"))
        assert len(records) == number + 1


def test_export__approval_that_gave_way_unpublished_is_an_example_still(
    settings: Settings, rosa: User, tmp_path: Path
) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    variant = reviews.approve(builders.draft(), by=rosa)
    EnhancedVariant.objects.filter(pk=variant.pk).supersede()
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    (line,) = lines(tmp_path / "set")
    assert (line["now"], line["missing"]) == ("superseded", "")
    assert line["variant"]


def test_export__leaves_out_a_draft_that_was_exchanged(
    approved: EnhancedVariant, tmp_path: Path
) -> None:
    storage.drafts().delete(approved.draft_name)
    storage.drafts().save(approved.draft_name, builders.upload())
    call_command("shopimg_export_reviews", "--out", str(tmp_path / "set"))
    (line,) = lines(tmp_path / "set")
    assert (line["missing"], line["variant"]) == ("variant", "")
