"""The review page: what it says about a variant, what it offers, and how it is served."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import publishing, reviews
from shopimg.states import JobState
from tests import builders
from tests.testapp.models import OwnedPhoto

pytestmark = pytest.mark.django_db

PERMISSIONS = (
    "view_enhancedvariant",
    "review_enhancedvariant",
    "publish_enhancedvariant",
    "change_enhancementjob",
)


def signed_in(name: str = "rosa", *permissions: str) -> Client:
    return builders.client_of(builders.reviewer(name, *permissions))


def url_of(variant: EnhancedVariant) -> str:
    return reverse("admin:shopimg_enhancedvariant_review", args=[variant.pk])


def page_of(client: Client, variant: EnhancedVariant, **parameters: str) -> str:
    return " ".join(client.get(url_of(variant), parameters).content.decode().split())


def test_page__says_what_a_reviewer_asks() -> None:
    draft = builders.draft(builders.photo(builders.picture((64, 48))))
    page = page_of(signed_in(), draft)
    assert "<bdi>64 × 48</bdi> <span>→ <bdi>128 × 96</bdi></span>" in page  # times signs
    assert "Remove noise and artefacts, 100 %" in page
    assert "0.25 s" in page
    assert 'title="' + "ab" * 32 + '">abababababab<' in page
    assert "✓" not in page  # signs are for eyes, in the style sheet
    assert 'data-level="ok"' in page
    assert "Enhanced by an algorithm" in page
    assert "Nobody has decided yet." in page
    assert "1 waiting · 0 decided by you today" in page


def test_page__gives_browsers_numbers_without_separators(settings: Settings) -> None:
    draft = builders.draft()
    EnhancedVariant.objects.update(width=2000, height=1500, version=1200)
    EnhancementJob.objects.update(source_width=1000, source_height=1750)
    settings.USE_THOUSAND_SEPARATOR = True
    page = page_of(signed_in(), draft)
    assert 'data-width="2000" data-height="1500"' in page
    assert 'width="2000" height="1500"' in page
    assert 'width="1000" height="1750"' in page
    assert page.count('name="version" value="1200"') == 2


def test_page__says_what_to_look_at_when_a_figure_is_too_large() -> None:
    draft = builders.draft()
    EnhancedVariant.objects.filter(pk=draft.pk).update(quality={"colour_shift_p95": 3.25})
    page = page_of(signed_in(), draft)
    assert "<b>Look at the colours</b> <span>Colour change, worst areas: 3.25</span>" in page


def test_page__says_to_look_at_the_text() -> None:
    draft = builders.draft()
    quality = {"text_edges": 0.5, "text_edges_unguarded": 0.25, "text_edges_guarded": 0.75}
    EnhancedVariant.objects.filter(pk=draft.pk).update(quality=quality)
    page = page_of(signed_in(), draft)
    assert "<b>Look at the text and logos</b> <span>Strokes of text kept: 0.5</span>" in page
    assert "Strokes of text drawn again" in page
    assert "<bdi>0.250</bdi> <span>→ <bdi>0.750</bdi></span>" in page


def test_page__tells_a_correction_from_none() -> None:
    draft = builders.draft()
    quality = {
        "colour_shift_p95": 0.2,
        "colour_shift_p95_uncorrected": 2.5,
        "colour_corrected": 1.0,
    }
    EnhancedVariant.objects.filter(pk=draft.pk).update(quality=quality)
    page = page_of(signed_in(), draft)
    assert "Look at the colours" not in page
    label = "<dt>Colour change before the correction, worst areas</dt>"
    meaning = "CIEDE2000 between upload and result; 95 % of the areas change less"
    assert f'{label} <dd title="{meaning}">2.5</dd>' in page
    assert "Colour corrected" not in page
    EnhancedVariant.objects.filter(pk=draft.pk).update(quality=quality | {"colour_corrected": 0.0})
    assert "before the correction" not in page_of(signed_in("jo"), draft)


def test_page__tells_facts_about_the_upload_from_what_became_of_it() -> None:
    draft = builders.draft()
    quality = {"colour_shift_mean": 0.25, "estimated_noise": 2.0}
    EnhancedVariant.objects.filter(pk=draft.pk).update(quality=quality)
    page = page_of(signed_in(), draft)
    colours, upload = page.index("<h2>Colours and text</h2>"), page.index("<h2>The upload</h2>")
    assert colours < page.index("<dt>Colour change, average</dt>") < upload
    assert upload < page.index("<dt>Noise, levels of 255</dt> <dd>2.0</dd>")
    meaning = "CIEDE2000 between upload and result; 1 is about the least that people see"
    assert f'<dd title="{meaning}">0.25 <small>≤ 0.3</small></dd>' in page
    assert "Product unchanged" not in page


def test_page__tells_the_history() -> None:
    draft = builders.draft()
    reviews.reject(draft, by=builders.reviewer("karl"), reason="text", note="<i>Porridge</i>")
    page = page_of(signed_in(), draft)
    assert "<b>Rejected</b>: Text or logo changed" in page
    assert "karl" in page
    assert "&lt;i&gt;Porridge&lt;/i&gt;" in page


def test_page__leads_along_the_line() -> None:
    first, second, third = (builders.draft() for _ in range(3))
    client = signed_in()
    page = page_of(client, second)
    assert f'data-next="{url_of(third)}"' in page
    assert f'data-previous="{url_of(first)}"' in page
    assert f'data-next="{url_of(first)}"' in page_of(client, third)
    assert "data-previous" not in page_of(client, first)


def test_page__stays_within_the_filters_of_the_queue() -> None:
    first = builders.draft()
    builders.finished(builders.photo(), [builders.enhanced(role="hero")])
    third = builders.draft()
    page = page_of(signed_in(), first, role="main")
    assert f'data-next="{url_of(third)}?role=main"' in page
    assert "2 waiting · 0 decided by you today" in page


@pytest.mark.parametrize(
    ("permissions", "enabled"),
    [
        (["view_enhancedvariant"], set()),
        (["view_enhancedvariant", "review_enhancedvariant"], {"open-reject"}),
        (
            ["view_enhancedvariant", "review_enhancedvariant", "publish_enhancedvariant"],
            {"open-reject", "approve"},
        ),
    ],
)
def test_page__enables_what_the_user_may_do(permissions: list[str], enabled: set[str]) -> None:
    page = page_of(signed_in("jo", *permissions), builders.draft())
    buttons = re.findall(r'<button [^>]*id="(open-reject|approve)"([^>]*)>', page)
    assert {name for name, attributes in buttons if "disabled" not in attributes} == enabled
    assert len(buttons) == 2


def test_page__published_variant_offers_the_way_back() -> None:
    rosa = builders.reviewer("boss")
    photo = builders.photo()
    first = reviews.approve(builders.draft(photo), by=rosa)
    client = signed_in()
    page = page_of(client, first)
    assert re.findall(r'<button id="rollback"[^>]*>([^<]+)<', page) == ["Back to the original"]
    assert 'id="withdraw"' not in page
    EnhancementJob.objects.update(state=JobState.QUEUED)
    second = reviews.approve(builders.draft(photo, colour=(9, 9, 9)), by=rosa)
    page = page_of(client, second)
    assert f'href="{url_of(first)}"' in page
    assert re.findall(r'<button id="rollback"[^>]*>([^<]+)<', page) == [
        "Back to the previous picture"
    ]
    assert 'id="withdraw"' in page
    assert 'id="approve"' not in page


def test_page__candidates_that_gave_way_can_be_made_again_once_nothing_is_in_their_place() -> None:
    first, second, _third = builders.scenes()
    rosa = builders.reviewer("rosa", *PERMISSIONS)
    client = builders.client_of(rosa)
    reviews.approve(first, by=rosa)
    page = page_of(client, second)
    assert 'id="retry"' not in page
    assert "Replaced by:" in page
    first.refresh_from_db()
    publishing.rollback(first, by=rosa)
    page = page_of(client, second)
    assert 'id="retry"' in page
    assert 'id="restore"' not in page
    page = page_of(client, first)
    assert 'id="retry"' in page
    assert 'id="restore"' in page
    photo = second.source
    photo.file = builders.upload(builders.picture(colour=(9, 9, 9)), "other.jpg")
    photo.save()
    assert 'id="retry"' not in page_of(client, second)


def test_page__further_view_is_not_said_to_go_back_to_the_original() -> None:
    main = builders.draft()
    scene, *_others = builders.scenes(main.source)
    rosa = builders.reviewer("rosa", *PERMISSIONS)
    client = builders.client_of(rosa)
    for variant in (main, scene):
        reviews.approve(variant, by=rosa)
    assert "Back to the original</button>" in page_of(client, main)
    assert "Take this view out of the shop</button>" in page_of(client, scene)
    scene.refresh_from_db()
    publishing.rollback(scene, by=rosa)
    page = page_of(client, scene)
    assert "Shoppers do not see this view." in page
    assert "another picture" not in page


def test_page__role_that_is_all_that_shoppers_see_goes_back_to_the_original() -> None:
    scene, *_others = builders.scenes()
    rosa = builders.reviewer("rosa", *PERMISSIONS)
    client = builders.client_of(rosa)
    reviews.approve(scene, by=rosa)
    assert "Back to the original</button>" in page_of(client, scene)
    scene.refresh_from_db()
    address = reverse("admin:shopimg_enhancedvariant_rollback", args=[scene.pk])
    said = client.post(address, {"version": scene.version}, follow=True).content.decode()
    assert "Shoppers see the original again." in said


def test_page__published_variant_says_that_its_photo_was_replaced(settings: Settings) -> None:
    rosa, photo = builders.reviewer(), builders.photo()
    variant = reviews.approve(builders.draft(photo), by=rosa)
    words = "The photo has been replaced since. Shoppers see this picture until one of the new"
    assert words not in page_of(builders.client_of(rosa), variant)
    photo.file = builders.upload(builders.picture(colour=(9, 9, 9)), "other.jpg")
    photo.save()
    assert words in page_of(builders.client_of(rosa), variant)
    settings.SHOPIMG = settings.SHOPIMG | {"SOURCES": {}}  # of what nobody watches nobody knows
    assert words not in page_of(builders.client_of(rosa), variant)


@pytest.mark.parametrize("permission", ["", "view_enhancementjob", "change_enhancementjob"])
def test_page__leads_to_the_job_where_the_user_may_open_it(permission: str) -> None:
    own = ["view_enhancedvariant", "review_enhancedvariant", *filter(None, [permission])]
    client, draft = signed_in("rosa", *own), builders.draft()
    job = reverse("admin:shopimg_enhancementjob_change", args=[draft.job_id])
    assert (
        (job in page_of(client, draft)) == (client.get(job).status_code == 200) == bool(permission)
    )


def test_page__approved_variant_offers_to_publish(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"PUBLISH_ON_APPROVAL": False}
    variant = reviews.approve(builders.draft(), by=builders.reviewer("karl"))
    assert 'id="publish"' in page_of(signed_in(), variant)


def test_page__of_somebody_else_is_not_found(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    karl = builders.reviewer("karl")
    draft = builders.draft(OwnedPhoto.objects.create(owner=karl, file=builders.upload()))
    assert signed_in().get(url_of(draft)).status_code == 404


def test_page__needs_view_permission() -> None:
    client = signed_in("jo", "review_enhancedvariant")
    assert client.get(url_of(builders.draft())).status_code == 404


def test_page__is_for_reading_only_and_not_kept() -> None:
    client, draft = signed_in(), builders.draft()
    assert client.post(url_of(draft)).status_code == 405
    assert "no-store" in client.get(url_of(draft))["Cache-Control"]


def test_page__has_neither_inline_scripts_nor_inline_styles() -> None:
    draft = builders.draft()
    page = page_of(signed_in(), draft)
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)


def test_page__number_of_queries_does_not_grow_with_the_line() -> None:
    draft = builders.draft()
    client = signed_in()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page_of(client, draft)
        return len(captured)

    builders.draft()
    queries()
    few = queries()
    for _ in range(6):
        builders.draft()
    assert queries() == few
    assert few <= 14
