"""Which images a bulk run is about."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from shopimg.models import EnhancementJob
from shopimg.services import bulk
from shopimg.services.bulk import Selection
from tests import builders
from tests.shop.bulk_runs import catalogue, run_to_end

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"limit": 2}, [0, 1]),
        ({"statuses": ("failed", "quarantined")}, [1, 2]),
        ({"statuses": ("cancelled",)}, []),
        ({"since": timezone.now() - timedelta(hours=1)}, [2, 3]),
        ({"since": timezone.now() - timedelta(hours=1), "statuses": ("failed",)}, []),
    ],
)
def test_selection__chooses_images(options: dict, expected: list[int]) -> None:
    photos = catalogue(4)
    old = timezone.now() - timedelta(days=2)
    for photo, state, created in zip(
        photos,
        ["succeeded", "failed", "quarantined", "queued"],
        [old, old, timezone.now(), timezone.now()],
        strict=True,
    ):
        rows = EnhancementJob.objects.for_source(photo)
        rows.update(state=state, created_at=created, error_code="x")
    selection = Selection(model="testapp.Photo", force=True, **options)
    assert bulk.count(selection) == len(expected)
    run = run_to_end(selection, 1)
    assert run.examined == len(expected)
    assert {int(job.source_id) for job in run.jobs.all()} <= {photos[i].pk for i in expected}


def test_selection__ids() -> None:
    photos = catalogue(3, known=False)
    run = run_to_end(Selection(model="testapp.Photo", ids=(str(photos[0].pk), str(photos[2].pk))))
    assert sorted(run.jobs.values_list("source_id", flat=True)) == sorted(
        [str(photos[0].pk), str(photos[2].pk)]
    )


def test_selection__only_the_latest_job_counts() -> None:
    (photo,) = catalogue(1)
    EnhancementJob.objects.update(state="failed", error_code="x")
    photo.file = builders.upload(builders.picture(colour=(99, 9, 9)))
    photo.save()
    assert bulk.count(Selection(statuses=("failed",))) == 0
    assert bulk.count(Selection(statuses=("queued",))) == 1


def test_selection__survives_json() -> None:
    selection = Selection("a.B", "big", ("1",), ("failed",), timezone.now(), 5, force=True)
    assert Selection.from_json(selection.to_json()) == selection
