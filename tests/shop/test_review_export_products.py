"""Exported uploads by product, so that no product both trains and judges."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from shopimg.services import reviews
from tests import builders
from tests.shop.test_review_export import lines
from tests.shop.test_storage import files_below
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db


def test_export__training_keeps_the_uploads_of_a_product_together(
    tmp_path: Path, rosa: User
) -> None:
    for number, name in enumerate(("Mug, blue", "Mug, blue", "Vase", "")):
        photo = builders.photo(builders.picture(colour=(40 * number, 0, 0)))
        Photo.objects.filter(pk=photo.pk).update(name=name)
        reviews.approve(builders.draft(photo), by=rosa)
    out = tmp_path / "set"
    call_command("shopimg_export_reviews", "--out", str(out))
    call_command("shopimg_export_reviews", "--out", str(out), "--group-by", "name")
    found = lines(out)
    assert [line["product"] for line in found] == ["Mug, blue", "Mug, blue", "Vase", ""]
    stems = [Path(str(line["source"])).stem for line in found]
    # `NAME_NUMBER`, as finetune tells views of one product.
    names, numbers = zip(*(stem.split("_") for stem in stems[:3]), strict=True)
    assert names[0] == names[1] != names[2]
    assert all(number.isdigit() for number in numbers)
    assert stems[3] == found[3]["source_sha256"]
    assert files_below(out / "approved" / "sources") == sorted(f"{stem}.jpg" for stem in stems)


def test_export__names_a_related_product_like_an_image(tmp_path: Path, rosa: User) -> None:
    photo = OwnedPhoto.objects.create(owner=rosa, file=builders.upload())
    for one in (photo, builders.photo(name="b.jpg")):
        reviews.approve(builders.draft(one), by=rosa)
    out = tmp_path / "set"
    call_command("shopimg_export_reviews", "--out", str(out), "--group-by", "owner")
    assert [line["product"] for line in lines(out)] == [f"auth.user:{rosa.pk}", ""]
    with pytest.raises(CommandError, match="has a field 'colour' to group by: file, id, name"):
        call_command("shopimg_export_reviews", "--out", str(out), "--group-by", "colour")
