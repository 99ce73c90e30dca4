"""Jobs of runs that were made before the column were bulk jobs already.

Apart from 0002, as PostgreSQL will not alter a table whose rows the same transaction has changed.
"""

from typing import Any

from django.db import migrations


def mark(apps: Any, schema_editor: Any) -> None:
    jobs = apps.get_model("shopimg", "EnhancementJob").objects.using(schema_editor.connection.alias)
    jobs.exclude(bulk_run=None).update(bulk=True)


class Migration(migrations.Migration):
    dependencies = [("shopimg", "0002_bulk_queue")]

    operations = [migrations.RunPython(mark, migrations.RunPython.noop, elidable=True)]
