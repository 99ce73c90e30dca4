"""A shop that ran an earlier version keeps its jobs in the right queue, its runs their moments."""

from __future__ import annotations

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone


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
