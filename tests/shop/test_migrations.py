"""A shop that ran an earlier version keeps its jobs in the right queue, its runs their moments,
and gets the responsive sizes that there were not before."""

from __future__ import annotations

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from shopimg.models import EnhancedVariant
from shopimg.services import publishing, reviews
from tests import builders


@pytest.mark.django_db(transaction=True)
def test_mark_bulk_jobs__jobs_stay_in_their_queue_and_runs_keep_their_moments() -> None:
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes("shopimg")
    try:
        apps = executor.migrate([("shopimg", "0001_initial")]).apps
        runs = apps.get_model("shopimg", "BulkRun").objects
        moment = timezone.now()
        run = runs.create(state="queued", finished_at=moment)
        stopped = runs.create(state="interrupted")
        create = apps.get_model("shopimg", "EnhancementJob").objects.create
        photo_type = ContentType.objects.get(app_label="testapp", model="photo").pk
        for number, of_run in enumerate((None, run)):
            create(
                source_type_id=photo_type,
                source_id=str(number),
                source_digest="0" * 64,
                recipe_table={},
                fingerprint="0" * 64,
                bulk_run=of_run,
            )
        executor = MigrationExecutor(connection)
        apps = executor.migrate(latest).apps
        jobs = apps.get_model("shopimg", "EnhancementJob").objects
        marked = dict(jobs.values_list("source_id", "bulk"))
        assert marked == {"0": False, "1": True}
        dates = apps.get_model("shopimg", "BulkRun").objects.in_bulk([run.pk, stopped.pk])
        assert {key: (row.queued_at, row.finished_at) for key, row in dates.items()} == {
            run.pk: (moment, None),
            stopped.pk: (None, None),
        }
    finally:
        MigrationExecutor(connection).migrate(latest)


@pytest.mark.django_db(transaction=True)
def test_own_width__sizes_of_what_is_published_are_asked_for_again() -> None:
    rosa = builders.reviewer()
    shown = reviews.approve(builders.draft(), by=rosa)
    gone = reviews.approve(builders.draft(colour=(1, 2, 3)), by=rosa)
    for variant in (shown, gone):
        publishing.make_renditions(variant)
    publishing.withdraw(gone, by=rosa)
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes("shopimg")
    try:
        MigrationExecutor(connection).migrate([("shopimg", "0010_cancelled_runs")])
        MigrationExecutor(connection).migrate(latest)
    finally:
        MigrationExecutor(connection).migrate(latest)
    assert publishing.without_renditions(timezone.now()) == [shown.pk]
    assert EnhancedVariant.objects.get(pk=gone.pk).renditions_at is not None
