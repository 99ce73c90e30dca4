"""Jobs of runs that were made before the column were bulk jobs already.

The first version kept the moment when all jobs of a run were queued in the column of its end.
Apart from 0002, as PostgreSQL will not alter a table whose rows the same transaction has changed.
"""

from typing import Any

from django.db import migrations
from django.db.models import F


def mark(apps: Any, schema_editor: Any) -> None:
    jobs = apps.get_model("shopimg", "EnhancementJob").objects.using(schema_editor.connection.alias)
    jobs.exclude(bulk_run=None).update(bulk=True)
    runs = apps.get_model("shopimg", "BulkRun").objects.using(schema_editor.connection.alias)
    all_queued = runs.filter(state="queued", queued_at=None)
    all_queued.update(queued_at=F("finished_at"), finished_at=None)


class Migration(migrations.Migration):
    dependencies = [("shopimg", "0002_bulk_queue")]

    operations = [migrations.RunPython(mark, migrations.RunPython.noop, elidable=True)]
