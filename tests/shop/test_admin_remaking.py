"""Candidates on the review page, other scenes, and corrected masks."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from pytest_django import Settings

from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import requests, reviews
from tests import builders
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db

CORRECTED = builders.mask(box=(8, 8, 56, 40))
SCENE = {"style": "marble", "shadow": "hard", "light": "90", "seed": "41"}


def url_of(variant: EnhancedVariant, page: str = "review") -> str:
    return reverse(f"admin:shopimg_enhancedvariant_{page}", args=[variant.pk])


QUEUED = "Queued. The new pictures appear in the queue; what there is now stays until then."


def page_of(user: User, variant: EnhancedVariant) -> str:
    return " ".join(builders.client_of(user).get(url_of(variant)).content.decode().split())


def press(user: User, variant: EnhancedVariant, action: str, **form: Any) -> Any:
    headers = {"Accept": "application/json" if form.pop("json", False) else "text/html"}
    given = form or (SCENE if action == "regenerate" else {"mask": png()})
    return builders.client_of(user).post(
        url_of(variant, action), given, headers=headers, follow=True
    )


def png(content: bytes = CORRECTED) -> SimpleUploadedFile:
    return SimpleUploadedFile("mug.png", content, "image/png")


def test_page__shows_what_there_is_to_choose_from(rosa: User) -> None:
    first, second, third = builders.scenes()
    reviews.reject(first, by=rosa, reason="cutout")
    page = page_of(rosa, second)
    links = re.findall(r'<a href="([^"]+)" data-number="(\d)"', page)
    assert links == [(url_of(v), str(n)) for n, v in enumerate((first, second, third), start=1)]
    assert re.findall(r'data-number="(\d)" aria-keyshortcuts="\d" aria-current="page"', page) == [
        "2"
    ]
    assert 'aria-label="1 of 3: Rejected"' in page
    assert "If you approve this one, the others are withdrawn." in page
    assert "candidates" not in page_of(rosa, builders.draft()).replace("candidates.css", "")


def test_line__takes_several_candidates_for_one_decision(rosa: User) -> None:
    first, second, third = builders.scenes()
    other = builders.draft()
    for variant in (first, second, third):
        page = page_of(rosa, variant)
        assert f'data-next="{url_of(other)}"' in page
        assert "data-previous" not in page
        assert "2 waiting" in page
    assert f'data-previous="{url_of(first)}"' in page_of(rosa, other)
    reviews.reject(first, by=rosa, reason="shape")
    assert f'data-previous="{url_of(second)}"' in page_of(rosa, other)


def test_line__rejecting_one_leads_to_another_candidate(rosa: User) -> None:
    _first, second, third = builders.scenes()
    other = builders.draft()
    form = {"version": 1, "reason": "cutout"}
    page = page_of(rosa, third)
    assert f'data-decision="rejected" data-next="{url_of(_first)}"' in page
    answer = builders.client_of(rosa).post(url_of(third, "reject"), form)
    assert answer["Location"] == url_of(_first)
    answer = builders.client_of(rosa).post(url_of(second, "approve"), form)
    assert answer["Location"] == url_of(other)


def test_page__says_what_was_measured_of_the_cut_out(rosa: User) -> None:
    first, *_others = builders.scenes()
    quality = {"cutout_confidence": 0.71, "pixel_lock_p95": 0.0, "white_share": 0.9787}
    EnhancedVariant.objects.filter(pk=first.pk).update(quality=quality)
    page = page_of(rosa, first)
    doubt, advice = "The cut-out may be wrong (confidence 71 %)", "Look at the edge of the product"
    assert f'data-level="bad"><b>{doubt}</b> <span>{advice}</span>' in page
    assert 'id="approve" class="decision yes" aria-keyshortcuts="a" >' in page
    assert "Background that is exactly white: 97.87 %</span>" in page
    facts = page[page.index("<h2>Product and background</h2>") : page.index("<h2>What was done")]
    assert 'data-level="warn"> <dt>How sure the cut-out is</dt>' in facts
    assert 'data-level="ok"> <dt>Product changed by saving</dt>' in facts
    assert '"ok"> <dt>Pixels inside the product</dt> <dd title="Compared one by one' in facts
    assert "Colours and text" not in facts


def test_page__offers_what_can_be_made_again(rosa: User) -> None:
    first, *_others = builders.scenes()
    page = page_of(rosa, first)
    assert 'id="regenerate"' in page
    assert 'id="mask-editor"' in page
    assert 'id="tool-mask"' in page
    assert '<option value="studio_gradient" selected>Studio, gradient</option>' in page
    draft = page_of(rosa, builders.draft())
    assert not any(f'id="{name}"' in draft for name in ("regenerate", "mask-editor", "tool-mask"))
    viewer = builders.reviewer("jo", "view_enhancedvariant")
    seen = page_of(viewer, first)
    assert not any(f'id="{name}"' in seen for name in ("regenerate", "mask-editor"))
    assert 'id="tool-mask"' in seen


def test_page__offers_no_scene_for_a_white_background(rosa: User) -> None:
    photo = builders.photo()
    requests.request_enhancement(photo, requests.Order("white"))
    (white,) = builders.finished(photo, [builders.enhanced(role="white", mask=builders.mask())])
    page = page_of(rosa, white)
    assert 'id="regenerate"' not in page
    assert 'id="mask-editor"' in page


def test_page__offers_nothing_of_a_photo_that_was_replaced(rosa: User) -> None:
    first, *_others = builders.scenes()
    photo = first.source
    photo.file = builders.upload(builders.picture(colour=(1, 1, 1)))
    photo.save()
    page = page_of(rosa, first)
    assert not any(f'id="{name}"' in page for name in ("regenerate", "mask-editor"))


def test_page__has_neither_inline_scripts_nor_inline_styles(rosa: User) -> None:
    page = page_of(rosa, builders.scenes()[0])
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)


def test_regenerate__asks_for_other_scenes_and_links_to_them(rosa: User) -> None:
    first, *_others = builders.scenes()
    answer = press(rosa, first, "regenerate")
    job = EnhancementJob.objects.latest("created_at")
    backdrop = job.recipe_table["scene"]["steps"][-1]
    chosen = {name: backdrop[name] for name in ("style", "shadow_mode", "light_direction", "seed")}
    assert chosen == {
        "style": "marble",
        "shadow_mode": "hard",
        "light_direction": 90.0,
        "seed": 41,
    }
    assert job.requested_by == rosa
    html = answer.content.decode()
    address = reverse("admin:shopimg_enhancementjob_change", args=[job.pk])
    assert f'{QUEUED} <a href="{address}">' in html
    assert "asked for already" in press(rosa, first, "regenerate").content.decode()


def test_regenerate__says_before_what_will_come(rosa: User) -> None:
    first, *_others = builders.scenes()
    page = page_of(rosa, first)
    assert "This starts a job that makes 3 pictures. They appear in the queue" in page


def test_page__of_a_superseded_picture_leads_to_what_replaced_it(rosa: User) -> None:
    photo = builders.photo()
    first, *_others = builders.scenes(photo)
    assert "Replaced by" not in page_of(rosa, first)
    press(rosa, first, "regenerate")
    results = [
        builders.enhanced(role="scene", candidate=number, mask=builders.mask())
        for number in range(3)
    ]
    again, *_more = builders.finished(photo, results)
    page = page_of(rosa, first)
    address = reverse("admin:shopimg_enhancedvariant_review", args=[again.pk])
    links = re.findall(r'Replaced by: <a href="([^"]+)">([^<]+)</a>(, <a)?', page)
    assert links == [(address, f"{again} (Awaiting review)", "")]


def test_regenerate__another_seed_is_another_one(rosa: User) -> None:
    first, *_others = builders.scenes()
    for _ in range(2):
        press(rosa, first, "regenerate", **SCENE, another_seed="1")
    seeds = {
        job.recipe_table["scene"]["steps"][-1]["seed"]
        for job in EnhancementJob.objects.filter(recipe="scene")
    }
    assert len(seeds) == 3
    assert 41 not in seeds


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"seed": "x"}, "whole number"),
        ({"seed": "-1"}, "from 0 to"),
        ({"style": "beach"}, "must be one of"),
        ({"shadow": ""}, "must be one of"),
        ({"light": "up"}, "where the light comes from"),
        ({"light": "nan"}, "between 0 and 360"),
    ],
)
def test_regenerate__wrong_form_is_said(rosa: User, wrong: dict[str, str], words: str) -> None:
    first, *_others = builders.scenes()
    count = EnhancementJob.objects.count()
    answer = press(rosa, first, "regenerate", **{**SCENE, **wrong})
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert EnhancementJob.objects.count() == count


def test_correct__queues_and_links_to_the_job(rosa: User) -> None:
    first, *_others = builders.scenes()
    answer = press(rosa, first, "correct", mask=png(), json=True)
    job = EnhancementJob.objects.latest("created_at")
    assert answer.status_code == 202
    assert json.loads(answer.content) == {
        "message": QUEUED,
        "url": reverse("admin:shopimg_enhancementjob_change", args=[job.pk]),
        "link": "Open the job",
    }
    assert job.recipe_table["scene"]["steps"][2]["mask"]
    assert "Open the job" in press(rosa, first, "correct").content.decode()


def test_correct__wrong_file_is_said(rosa: User) -> None:
    first, *_others = builders.scenes()
    count = EnhancementJob.objects.count()
    for form in ({"other": "x"}, {"mask": png(b"nothing")}, {"mask": png(builders.mask((48, 64)))}):
        answer = press(rosa, first, "correct", **form, json=True)
        assert (answer.status_code, answer.json()["code"]) == (422, "mask_invalid")
    assert "another shape" in answer.json()["message"]
    assert EnhancementJob.objects.count() == count


@pytest.mark.parametrize("action", ["regenerate", "correct"])
def test_remake__needs_the_permission_to_review(action: str, rosa: User) -> None:
    first, *_others = builders.scenes()
    count = EnhancementJob.objects.count()
    for missing in ("review_enhancedvariant", "view_enhancedvariant"):
        granted = {"view_enhancedvariant", "review_enhancedvariant"} - {missing}
        somebody = builders.reviewer(f"without {missing}", *granted)
        assert press(somebody, first, action).status_code == 403
    assert builders.client_of(rosa).get(url_of(first, action)).status_code == 405
    assert EnhancementJob.objects.count() == count
    only = builders.reviewer("only", "view_enhancedvariant", "review_enhancedvariant")
    assert press(only, first, action).status_code == 200
    assert EnhancementJob.objects.count() == count + 1


@pytest.mark.parametrize("action", ["regenerate", "correct"])
def test_remake__of_somebody_elses_photo_is_not_found(
    action: str, rosa: User, settings: Settings
) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    karl = builders.reviewer("karl")
    theirs = builders.scenes(OwnedPhoto.objects.create(owner=karl, file=builders.upload()))[0]
    assert press(rosa, theirs, action).status_code == 404


@pytest.mark.parametrize("action", ["regenerate", "correct"])
def test_remake__of_a_photo_that_was_replaced_is_a_conflict(action: str, rosa: User) -> None:
    first, *_others = builders.scenes()
    photo = first.source
    photo.file = builders.upload(builders.picture(colour=(1, 1, 1)))
    photo.save()
    assert press(rosa, first, action).status_code == 409
