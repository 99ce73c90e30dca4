"""Candidates, options and masks over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from shopimg.api.serializers.options import SCHEMAS
from shopimg.contract import OPTIONS
from shopimg.models import EnhancementJob
from shopimg.services import reviews
from tests import builders
from tests.shop.api_client import JOBS, ROOT, assert_problem, at, client

pytestmark = pytest.mark.django_db


def ask(api: APIClient, photo: Any, **body: Any) -> Any:
    return api.post(JOBS, {"source": "testapp.Photo", "id": photo.pk, **body}, format="json")


def test_options__are_described_one_by_one() -> None:
    assert set(SCHEMAS) == set(OPTIONS) - {"mask"}


def test_create__options_are_part_of_the_job(api: APIClient) -> None:
    photo = builders.photo()
    options = {
        "background.style": "wood_table",
        "background.palette": ["#aabbcc", "#ddeeff"],
        "background.seed": 41,
        "background.horizon": 0.5,
        "light.direction": 90,
        "light.size": 0.25,
        "shadow.mode": "hard",
        "shadow.opacity": 1,
        "padding": 0.1,
        "output_size": "1600x2000",
    }
    first, second = (ask(api, photo, recipe="scene", options=options) for _ in range(2))
    assert (first.status_code, second.json()["id"]) == (202, first.json()["id"])
    table = EnhancementJob.objects.get(pk=first.json()["id"]).recipe_table["scene"]
    frame, backdrop = table["steps"][-2:]
    assert (frame["width"], frame["height"], frame["padding"]) == (1600, 2000, 0.1)
    assert backdrop == {
        **backdrop,
        "generator": "gan",
        "style": "wood_table",
        "palette": ["#aabbcc", "#ddeeff"],
        "seed": 41,
        "light_direction": 90,
        "shadow_mode": "hard",
    }
    assert ask(api, photo, recipe="scene").json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ({"background.style": "beach"}, "options.background.style", "one of studio_white"),
        ({"background.style": 7}, "options.background.style", "one of studio_white"),
        ({"background.style": ["wood_table"]}, "options.background.style", "one of studio_white"),
        ({"background.style": "a\0b"}, "options.background.style", "no value"),
        ({"background.style": "x" * 101}, "options.background.style", "no value"),
        ({"background.style": None}, "options.background.style", "no value"),
        ({"background.style": {"a": 1}}, "options.background.style", "no value"),
        ({"background.seed": -1}, "options.background.seed", "from 0 to 2147483647"),
        ({"background.seed": True}, "options.background.seed", "must be an integer"),
        ({"background.palette": ["red"]}, "options.background.palette", "#f4f1ea"),
        ({"background.palette": ["#aabbcc"] * 6}, "options.background.palette", "at most 5"),
        ({"padding": "wide"}, "options.padding", "between 0 and 0.45"),
        ({"output_size": "12"}, "options.output_size", "from 64 to 8000"),
        ({"output_size": "huge"}, "options.output_size", "must be pixels such as 2000"),
        ({"shadow.mode": "none", "light.size": 2}, "options.light.size", "between 0 and 1"),
        ("wood_table", "options", "dictionary"),
        *(
            ({name: "x"}, f"options.{name}", "There is no such option")
            for name in ("generator", "background.generator", "backdrop.generator")
        ),
        *(
            ({name: "ab" * 32}, f"options.{name}", "There is no such option")
            for name in ("mask", "network", "engine", "cutout.engine", "background.image", "image")
        ),
    ],
)
def test_create__wrong_option_is_named(
    api: APIClient, options: Any, field: str, words: str
) -> None:
    photo = builders.photo()
    problem = assert_problem(ask(api, photo, recipe="scene", options=options), 400, "invalid")
    (error,) = problem["errors"]
    assert error["field"] == field
    assert words in error["detail"]
    assert EnhancementJob.objects.count() == 1


def test_create__option_that_the_recipe_has_not_is_named(api: APIClient) -> None:
    response = ask(api, builders.photo(), options={"padding": 0.1, "background.seed": 3})
    errors = assert_problem(response, 400, "invalid")["errors"]
    assert [error["field"] for error in errors] == ["options.padding", "options.background.seed"]
    assert "The recipe 'clean' has no option 'padding'" in errors[0]["detail"]


FEED = [
    {"step": "restore"},
    {"step": "cutout"},
    {"step": "backdrop", "generator": "colour", "shadow_mode": "none"},
]
FRAMED = [*FEED[:2], {"step": "frame", "width": 1600, "height": 1600, "fill": 0.8}, FEED[2]]
SCENIC = [*FEED[:2], {"step": "backdrop", "style": "marble"}]


def feed(settings: Any, preset: str, steps: Any) -> None:
    recipes = {"feed": {"hero": {"preset": preset, "steps": steps}}}
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": recipes}


@pytest.mark.parametrize(
    ("preset", "steps", "options", "words"),
    [
        ("amazon", FEED, {"padding": 0.2}, "rule 'fill' of Amazon (product's share of the frame: "
         "60 %, wanted at least 85 %)"),
        ("amazon", FEED, {"background.colour": "#fffffe"}, "rule 'white-border' of Amazon"),
        ("amazon", FEED, {"output_size": 480}, "rule 'side-minimum' of Amazon"),
        ("walmart", FEED, {"output_size": "2200x2750"}, "rule 'square' of Walmart Marketplace"),
        ("walmart", FEED, {"output_size": 2000}, "rule 'side-recommended'"),
        ("ebay", FEED, {"output_size": 800}, "rule 'side-warned' of eBay"),
        ("etsy", FEED, {"output_size": 1900}, "rule 'side-recommended' of Etsy"),
        ("shopify", FEED, {"output_size": 5000}, "rule 'side-maximum' of Shopify"),
        ("google", FRAMED, {"output_size": 2000}, "rule 'not-enlarged' of Google Merchant Center "
         "(what was done: enlargement, wanted no enlargement)"),
        ("google", FRAMED, {"padding": 0.2}, "rule 'fill'"),
    ],
)  # fmt: skip
def test_create__option_that_leaves_the_recipes_market_is_refused(
    api: APIClient, settings: Any, preset: str, steps: Any, options: Any, words: str
) -> None:
    feed(settings, preset, steps)
    photo = builders.photo()
    problem = assert_problem(ask(api, photo, recipe="feed", options=options), 400, "invalid")
    (error,) = problem["errors"]
    assert error["field"] == f"options.{next(iter(options))}"
    assert words in error["detail"]
    assert EnhancementJob.objects.count() == 1


@pytest.mark.parametrize(
    ("preset", "steps", "options"),
    [
        ("amazon", FEED, {"output_size": "1600x2000", "padding": 0.05}),
        ("walmart", FEED, {"output_size": 3000, "background.colour": "#ffffff"}),
        ("ebay", FEED, {"background.colour": "#eeeeee", "padding": 0.2}),
        ("google", FRAMED, {"output_size": 1500, "padding": 0.1}),
        ("etsy", SCENIC, {"background.style": "wood_table", "shadow.mode": "hard"}),
    ],
)
def test_create__option_within_the_rules_of_the_recipes_market_is_taken(
    api: APIClient, settings: Any, preset: str, steps: Any, options: Any
) -> None:
    feed(settings, preset, steps)
    assert ask(api, builders.photo(), recipe="feed", options=options).status_code == 202


def test_create__result_that_would_be_too_large_is_refused(api: APIClient, settings: Any) -> None:
    steps = [
        {"step": "cutout"},
        {"step": "frame", "width": 8000, "height": 8000},
        {"step": "backdrop"},
    ]
    recipes = {"wide": {"scene": {"steps": [*steps]}}}
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": recipes}
    response = ask(api, builders.photo(), recipe="wide", options={"output_size": "9999"})
    assert_problem(response, 400, "invalid")


def test_detail__knows_the_other_candidates(reviewer: APIClient, rosa: Any) -> None:
    first, second, third = builders.scenes()
    reviews.approve(second, by=rosa)
    body = reviewer.get(at(third)).json()
    assert (body["candidate"], body["status"]) == (2, "superseded")
    assert body["candidates"] == [
        {
            "id": str(variant.pk),
            "candidate": number,
            "status": status,
            "url": f"http://testserver{at(variant)}",
        }
        for number, (variant, status) in enumerate(
            [(first, "superseded"), (second, "published"), (third, "superseded")]
        )
    ]
    assert body["mask_url"] == f"http://testserver{at(third, 'mask')}"
    listed = reviewer.get(f"{ROOT}variants/?job={first.job_id}").json()["results"]
    assert [one["candidate"] for one in listed] == [2, 1, 0]


def test_detail__changes_when_another_candidate_does(reviewer: APIClient, rosa: Any) -> None:
    first, second, _third = builders.scenes()
    before = reviewer.get(at(first))
    reviews.reject(second, by=rosa, reason="cutout")
    after = reviewer.get(at(first), headers={"If-None-Match": before["ETag"]})
    assert after.status_code == 200
    assert [one["status"] for one in after.json()["candidates"]][1] == "rejected"


def test_job__lists_its_candidates(rosa: Any) -> None:
    first, *_others = builders.scenes()
    body = client("viewer").get(f"{JOBS}{first.job_id}/").json()
    assert sorted(one["candidate"] for one in body["variants"]) == [0, 1, 2]


def test_approve__of_another_candidate_answers_409(rosa: Any) -> None:
    first, second, _third = builders.scenes()
    api = client("editor")
    assert api.post(at(first, "approve")).status_code == 200
    problem = assert_problem(api.post(at(second, "approve")), 409, "invalid_transition")
    assert problem["detail"].startswith("Another candidate was approved by editor on")
    assert problem["current"]["status"] == "superseded"


def test_images__show_every_published_role(rosa: Any) -> None:
    photo = builders.photo()
    main = reviews.approve(builders.draft(photo), by=rosa)
    scenes = builders.scenes(photo)
    assert client().get(f"{ROOT}images/testapp.photo/{photo.pk}/").json()["roles"] == [
        {
            **client().get(f"{ROOT}images/testapp.photo/{photo.pk}/").json()["published"],
            "provenance": {
                "digital_source_type": main.provenance["digital_source_type"],
                "operations": ["restore", "upscale"],
                "weights": {"upscale_x2_s": "ab" * 32},
            },
        }
    ]
    scene = reviews.approve(scenes[1], by=rosa)
    body = client().get(f"{ROOT}images/testapp.photo/{photo.pk}/").json()
    assert body["published"]["role"] == "main"
    urls = {one["role"]: one["url"] for one in body["roles"]}
    assert urls == {
        "main": f"http://testserver{main.published_url}",
        "scene": f"http://testserver{scene.published_url}",
    }
    assert list(urls) == ["main", "scene"]
    chosen = client().get(f"{ROOT}images/testapp.photo/{photo.pk}/?role=scene").json()
    assert chosen["published"]["role"] == "scene"
    assert chosen["roles"] == []
