"""The review queue: what it lists, counts, finds and leads to."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from shopimg.admin.queue import EnhancedVariantAdmin
from shopimg.models import EnhancedVariant, WorkerHeartbeat
from shopimg.services import reviews
from tests import builders
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db

QUEUE = "admin:shopimg_enhancedvariant_changelist"


def get(user: User, **parameters: str) -> Any:
    client = Client()
    client.force_login(user)
    return client.get(reverse(QUEUE), parameters)


def listed(response: Any) -> list[EnhancedVariant]:
    return list(response.context["cl"].result_list)


def shown_in_rows(page: str) -> list[list[EnhancedVariant]]:
    """Return the variants whose results each row of a page shows."""
    rows = [
        re.findall(r'<img src="[^"]+/([\w-]+)/pictures/after-', row) for row in page.split("<tr>")
    ]
    return [[EnhancedVariant.objects.get(pk=pk) for pk in row] for row in rows if row]


def test_queue__shows_what_waits_oldest_first() -> None:
    rosa = builders.reviewer()
    first, second, third = (builders.draft() for _ in range(3))
    reviews.reject(second, by=rosa, reason="colour")
    assert listed(get(rosa)) == [first, third]


def test_queue__other_states_are_newest_first() -> None:
    rosa = builders.reviewer()
    drafts = [builders.draft() for _ in range(2)]
    for draft in drafts:
        reviews.approve(draft, by=rosa)
    assert listed(get(rosa, state="published")) == drafts[::-1]
    assert listed(get(rosa, state="all")) == drafts[::-1]


def test_queue__counts_every_state_as_tabs() -> None:
    rosa = builders.reviewer()
    reviews.approve(builders.draft(), by=rosa)
    reviews.reject(builders.draft(), by=rosa, reason="other")
    builders.draft()
    tabs = get(rosa).context["tabs"]
    counts = {str(tab["label"]): tab["count"] for tab in tabs}
    assert counts == {
        "Awaiting review": 1,
        "Approved": 0,
        "Rejected": 1,
        "Published": 1,
        "Superseded": 0,
        "All": 3,
    }
    assert [str(tab["label"]) for tab in tabs if tab["chosen"]] == ["Awaiting review"]


def test_queue__gives_browsers_numbers_without_separators(settings: Settings) -> None:
    draft = builders.draft()
    roles = (f"role {number}" for number in range(1000))
    EnhancedVariant.objects.bulk_create(
        EnhancedVariant(
            job=draft.job,
            source_type=draft.source_type,
            source_id=draft.source_id,
            role=role,
            digest=draft.digest,
            size_bytes=draft.size_bytes,
            width=draft.width,
            height=draft.height,
        )
        for role in roles
    )
    settings.USE_THOUSAND_SEPARATOR = True
    page = get(builders.reviewer()).content.decode()
    assert '<progress max="1001" value="0"' in page


def test_queue__candidates_of_one_decision_share_a_row_that_shows_them() -> None:
    rosa = builders.reviewer()
    first, second, third = builders.scenes()
    other = builders.draft()
    response = get(rosa)
    assert listed(response) == [first, other]
    assert response.context["cl"].result_count == 2
    assert [tab["count"] for tab in response.context["tabs"]] == [2, 0, 0, 0, 0, 2]
    page = response.content.decode()
    assert shown_in_rows(page) == [[first, second, third], [other]]
    assert "scene (1)" in " ".join(get(rosa, _facets="True").content.decode().split())
    assert re.findall(r"(\d) candidates</span>", page) == ["3"]
    review = reverse("admin:shopimg_enhancedvariant_review", args=[first.pk])
    label = f"Review {first.source} · scene, 3 candidates"
    assert f'href="{review}" aria-label="{label}"' in page
    assert f'<a class="button default" href="{review}">Start reviewing</a>' in page


def test_queue__row_of_candidates_leads_to_the_first_that_waits(rosa: User) -> None:
    first, second, third = builders.scenes()
    reviews.reject(first, by=rosa, reason="cutout")
    assert shown_in_rows(get(rosa).content.decode()) == [[second, third]]
    assert listed(get(rosa, state="all")) == [second, first]
    assert listed(get(rosa, state="rejected")) == [first]
    reviews.reject(second, by=rosa, reason="cutout")
    page = get(rosa).content.decode()
    assert shown_in_rows(page) == [[third]]
    assert "candidate" not in page[page.index("result_list") :]
    reviews.approve(third, by=rosa)
    assert listed(get(rosa, state="published")) == [third]


def test_queue__candidates_that_gave_way_are_history_and_keep_their_rows(rosa: User) -> None:
    first, second, third = builders.scenes()
    reviews.approve(second, by=rosa)
    response = get(rosa, state="superseded")
    assert {variant.pk for variant in listed(response)} == {first.pk, third.pk}
    assert response.context["tabs"][4]["count"] == 2


def test_queue__finds_a_choice_by_the_digest_of_any_of_its_candidates(rosa: User) -> None:
    _first, _second, third = made = builders.scenes()
    builders.draft()
    response = get(rosa, q=third.digest)
    assert listed(response) == [third]
    assert shown_in_rows(response.content.decode()) == [made]


def test_queue__pages_are_full_of_decisions(rosa: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EnhancedVariantAdmin, "list_per_page", 2)
    choices = [builders.scenes()[0] for _ in range(3)]
    assert listed(get(rosa)) == choices[:2]
    assert listed(get(rosa, p="2")) == choices[2:]
    assert listed(get(rosa, o="-5"))[0] == choices[2]  # newest first


def test_queue__says_how_far_the_reviewer_has_come() -> None:
    rosa, karl = builders.reviewer("rosa"), builders.reviewer("karl")
    reviews.approve(builders.draft(), by=rosa)
    reviews.approve(builders.draft(), by=karl)
    builders.draft()
    page = " ".join(get(rosa).content.decode().split())
    assert "1 waiting · 1 decided by you today" in page


def test_queue__scope_hides_rows_and_counts(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"SCOPE": "tests.testapp.scope.own_photos"}
    rosa, karl = builders.reviewer("rosa"), builders.reviewer("karl")
    hidden = builders.draft(
        OwnedPhoto.objects.create(owner=karl, file=builders.upload(), name="Secret lamp")
    )
    seen = builders.draft()
    response = get(rosa, state="all")
    assert listed(response) == [seen]
    assert [tab["count"] for tab in response.context["tabs"]] == [1, 0, 0, 0, 0, 1]
    assert listed(get(rosa, q="Secret", state="all")) == []
    assert "Secret lamp" not in response.content.decode()
    assert listed(get(karl, state="all")) == [seen, hidden]


@pytest.mark.parametrize("words", ["blue mug", "MUG", "mug.jpg"])
def test_queue__finds_by_name_of_the_photo_and_by_file_name(words: str) -> None:
    photo = builders.photo(name="mug.jpg")
    Photo.objects.filter(pk=photo.pk).update(name="Mug, dark blue")
    mug = builders.draft(photo)
    lamp = builders.photo(name="lamp.jpg")
    Photo.objects.filter(pk=lamp.pk).update(name="Lamp")
    builders.draft(lamp)
    assert listed(get(builders.reviewer(), q=words)) == [mug]


def test_queue__filters_by_kind_of_photo() -> None:
    rosa = builders.reviewer()
    builders.draft()
    owned = builders.draft(OwnedPhoto.objects.create(owner=rosa, file=builders.upload()))
    kind = ContentType.objects.get_for_model(OwnedPhoto)
    assert listed(get(rosa, model=str(kind.pk))) == [owned]


def test_queue__filters_by_recipe_and_role(settings: Settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {
        "RECIPES": {"wide": {"hero": {"steps": [{"step": "upscale", "scale": 4}]}}}
    }
    clean = builders.draft()
    EnhancedVariant.objects.filter(pk=clean.pk).update(role="main")
    hero = builders.finished(builders.photo(), [builders.enhanced(role="hero")])[0]
    rosa = builders.reviewer()
    assert listed(get(rosa, role="hero")) == [hero]
    assert listed(get(rosa, recipe="wide")) == []
    assert listed(get(rosa, recipe="clean", role="main")) == [clean]


def test_queue__unknown_filter_values_hide_nothing() -> None:
    draft = builders.draft()
    response = get(builders.reviewer(), model="x", role="y", recipe="z", state="w")
    assert listed(response) == [draft]


def test_queue__number_of_queries_does_not_grow_with_rows() -> None:
    rosa = builders.reviewer()
    client = Client()
    client.force_login(rosa)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse(QUEUE)).status_code == 200
        return len(captured)

    builders.scenes()
    builders.draft(OwnedPhoto.objects.create(owner=rosa, file=builders.upload()))
    queries()  # looks content types up, once per process
    few = queries()
    for _ in range(5):
        builders.scenes()
        builders.draft(OwnedPhoto.objects.create(owner=rosa, file=builders.upload()))
    assert queries() == few
    assert few <= 18


def test_queue__row_says_what_to_look_at_until_somebody_decides() -> None:
    rosa, draft = builders.reviewer(), builders.draft()
    assert "shopimg-look" not in get(rosa).content.decode()
    quality = {"cutout_confidence": 0.0, "colour_shift_p95": 2.0}
    EnhancedVariant.objects.update(quality=quality)
    words = "The cut-out is probably wrong (confidence 0\u00a0%), and 1 more"
    assert f'<span class="shopimg-look">{words}</span>' in get(rosa).content.decode()
    draft.refresh_from_db()
    reviews.approve(draft, by=rosa)
    assert "shopimg-look" not in get(rosa, state="published").content.decode()


def test_queue__row_of_candidates_speaks_for_all_of_them() -> None:
    _, second, _ = builders.scenes()
    EnhancedVariant.objects.filter(pk=second.pk).update(quality={"white_share": 0.5})
    page = get(builders.reviewer()).content.decode()
    assert "Look at the background: it is not all white</span>" in page


def test_queue__empty_says_what_happens_next() -> None:
    rosa = builders.reviewer()
    assert "Upload a product photo" in get(rosa).content.decode()
    builders.photo()
    assert "1 photo is being enhanced" in get(rosa).content.decode()


def test_queue__empty_state_says_that_nothing_is_in_it() -> None:
    rosa = builders.reviewer()
    builders.draft()
    assert "No picture is in this state." in get(rosa, state="rejected").content.decode()
    page = get(rosa, state="rejected", role="main").content.decode()
    assert "No picture fits the search and the filters." in page


def test_queue__says_that_a_search_does_not_narrow_the_review() -> None:
    rosa = builders.reviewer()
    drafts = [builders.draft() for _ in range(3)]
    assert "Start reviewing</a>" in get(rosa).content.decode()
    assert "Start reviewing</a>" in get(rosa, role="main").content.decode()
    page = get(rosa, q=drafts[0].source_id).content.decode()
    assert "Review all 3 that wait</a>" in page
    day = timezone.now() - timedelta(days=1)
    page = get(rosa, created_at__gte=day.isoformat()).content.decode()
    assert "Review all 3 that wait</a>" in page


def test_queue__warns_while_no_worker_is_alive() -> None:
    rosa = builders.reviewer()
    quickstart = (Path(__file__).resolve().parents[2] / "docs" / "quickstart.md").read_text()
    commands = re.findall(r"<code>(celery .+?)</code>", get(rosa).content.decode())
    assert len(commands) == 3
    assert [command for command in commands if command not in quickstart] == []
    WorkerHeartbeat.objects.create(name="w1", queues="shopimg", seen_at=timezone.now())
    assert re.findall(r"<code>(celery .+?)</code>", get(rosa).content.decode()) == [
        command for command in commands if "-Q shopimg " not in command
    ]


def test_queue__warns_of_each_queue_that_no_worker_serves() -> None:
    rosa, long_ago = builders.reviewer(), timezone.now() - timedelta(hours=1)
    WorkerHeartbeat.objects.create(name="w1", queues="other,shopimg", seen_at=timezone.now())
    WorkerHeartbeat.objects.create(name="w2", queues="shopimg-upkeep", seen_at=long_ago)
    page = get(rosa).content.decode()
    assert "No worker serves shopimg-upkeep, shopimg-bulk." in page
    assert re.findall(r"<code>celery [^<]+ -Q ([^<]+)</code>", page) == [
        "shopimg-upkeep --beat --concurrency 1 -l INFO",
        "shopimg-bulk --concurrency 1 -l INFO",
    ]
    WorkerHeartbeat.objects.update(queues="shopimg,shopimg-bulk,shopimg-upkeep")
    assert "No worker" not in get(rosa).content.decode()


def test_queue__needs_view_permission() -> None:
    assert get(builders.reviewer("jo", "view_enhancementjob")).status_code == 403


def test_queue__offers_only_actions_that_the_user_may_do() -> None:
    builders.draft()
    page = get(builders.reviewer("v", "view_enhancedvariant")).content.decode()
    assert not re.search(r"(approve|reject|retry)_selected", page)
    page = get(
        builders.reviewer("r", "view_enhancedvariant", "review_enhancedvariant")
    ).content.decode()
    assert "reject_selected" in page
    assert "approve_selected" not in page  # approving publishes


@pytest.mark.parametrize("page", ["add", "delete", "change"])
def test_queue__nothing_is_edited_by_hand(page: str) -> None:
    draft = builders.draft()
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    arguments = [] if page == "add" else [draft.pk]
    url = reverse(f"admin:shopimg_enhancedvariant_{page}", args=arguments)
    response = client.post(url, {"state": "published"})
    if page == "change":
        review = reverse("admin:shopimg_enhancedvariant_review", args=[draft.pk])
        assert response["Location"] == review
    else:
        assert response.status_code == 403
    draft.refresh_from_db()
    assert draft.state == "awaiting_review"
